"""Are tokens counted: do the numbers add up, does a longer prompt cost more, does a stream say the same."""

import json
from collections.abc import Sequence

import msgspec

from ernie_deploy.client import Answer, RawAnswer
from ernie_deploy.client.answers import parse_answer
from ernie_deploy.rehearsal.grammar import FALLBACK_WORDS
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.probes.text import ADDITION
from ernie_deploy.smoke.target import Target

MORE_WORDS = 12


class Counted(msgspec.Struct, frozen=True):
    """The three numbers that every engine tells. Raises msgspec.ValidationError for what is not a count."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    def __str__(self) -> str:
        return f"{self.prompt_tokens} + {self.completion_tokens} = {self.total_tokens}"


def judge_usage(target: Target) -> Judgement:
    longer = f"{ADDITION.prompt} {' '.join(target.rng.choices(FALLBACK_WORDS, k=MORE_WORDS))}"
    short, long = (_asked(target, prompt) for prompt in (ADDITION.prompt, longer))
    found = judge_both(usage_of(short.json()), usage_of(long.json()))
    if found.verdict == "pass" and (why := why_too_few(parse_answer(short.text, short.total_s))):
        return failed(why, hint="clients bill and trim by these numbers")
    return found


def why_too_few(answer: Answer) -> str | None:
    """The reason why not all that came can have been counted: a token is no more than a word."""
    words, told = len(f"{answer.reasoning} {answer.content}".split()), answer.usage.completion_tokens
    if told is None or told >= words:
        return None
    return f"{words} words came, thought and answer, and the usage counts {told} completion tokens"


def judge_both(short: Counted | str, long: Counted | str) -> Judgement:
    if isinstance(short, str) or isinstance(long, str):
        return failed(short if isinstance(short, str) else str(long))
    if why := why_wrong(short) or why_wrong(long):
        return failed(why, hint="clients bill and trim by these numbers")
    more = long.prompt_tokens - short.prompt_tokens
    if more < MORE_WORDS // 2:
        return failed(f"{MORE_WORDS} more words in the prompt cost {more} more prompt tokens")
    return passed(f"{short}; {MORE_WORDS} more words cost {more} prompt tokens")


def judge_stream(target: Target) -> Judgement:
    plain = usage_of(_asked(target, ADDITION.prompt).json())
    deltas = target.deltas(target.request(ADDITION.prompt))
    streamed = last_usage([delta.raw for delta in deltas])
    return judge_same(plain, streamed, all_of_it=target.profile == "rehearsal")


def judge_same(plain: Counted | str, streamed: Counted | str, *, all_of_it: bool) -> Judgement:
    """The real model's long thoughts may part ways by rounding: then only the prompt is the same."""
    if isinstance(plain, str) or isinstance(streamed, str):
        return failed(plain if isinstance(plain, str) else str(streamed))
    if why := why_wrong(plain) or why_wrong(streamed):
        return failed(why)
    if plain.prompt_tokens != streamed.prompt_tokens or (all_of_it and plain != streamed):
        return failed(f"streamed {streamed} tokens, but plain {plain}")
    return passed(f"plain {plain}, streamed {streamed} tokens")


def usage_of(body: object) -> Counted | str:
    """The counts in a whole answer or in an event, or the reason why there are none."""
    usage = body.get("usage") if isinstance(body, dict) else None
    if usage is None:
        return "the answer has no usage"
    try:
        return msgspec.convert(usage, Counted)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter for half a character in its place
        return f"the usage cannot be read: {error}"


def last_usage(payloads: Sequence[str]) -> Counted | str:
    told = [usage_of(json.loads(raw)) for raw in payloads if raw and raw != "[DONE]" and '"usage"' in raw]
    return next((counted for counted in reversed(told) if isinstance(counted, Counted)), "the stream has no usage")


def why_wrong(counted: Counted) -> str | None:
    if counted.prompt_tokens < 1 or counted.completion_tokens < 1:
        return f"a question and an answer, but the usage says {counted}"
    if counted.prompt_tokens + counted.completion_tokens != counted.total_tokens:
        return f"the usage does not add up: {counted}"
    return None


def _asked(target: Target, prompt: str) -> RawAnswer:
    answer = target.post_chat(target.request(prompt))
    if answer.status != 200:
        raise target.client.refused(answer)
    return answer


USAGE = Probe("usage", "tokens are counted, and the numbers add up", "fast", judge_usage, needs=("chat",))
STREAM = Probe("stream-usage", "a stream counts as a plain answer does", "full", judge_stream, needs=("chat",))
