"""Several at once: as many as the engine has places for, and more than that."""

from collections.abc import Sequence
from functools import partial

from ernie_deploy.client import Answer, RawAnswer, server_message
from ernie_deploy.client.answers import parse_answer
from ernie_deploy.errors import DeployError
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.reading import number_meant
from ernie_deploy.smoke.target import Target
from ernie_deploy.smoke.together import at_once

USUAL = 4
MOST = 32
LONG_S = 0.25
"""A stream that takes longer than this must run beside others where the engine has places for them."""


def places(target: Target) -> int:
    return min(target.max_num_seqs or USUAL, MOST)


def questions(target: Target, count: int) -> list[tuple[str, str]]:
    """So many prompts that differ, as far as the profile knows any, each with what its answer must be or hold."""
    if target.profile == "rehearsal":
        return [(one.prompt, one.answer) for one in target.rng.choices(TEXT_QA, k=count)]
    sums = [divmod(number, 90) for number in target.rng.sample(range(90 * 90), count)]
    return [(f"What is {a + 10} + {b + 10}? Answer with the number only.", str(a + b + 20)) for a, b in sums]


def judge_concurrency(target: Target) -> Judgement:
    asked = questions(target, places(target))
    answers = at_once([partial(target.stream, prompt) for prompt, _ in asked])
    for (prompt, expected), answer in zip(asked, answers, strict=True):
        if isinstance(answer, DeployError):
            return failed(f"{len(asked)} at once: {answer.message}", hint=answer.hint)
        if why := why_empty(answer) or why_wrong(target, expected, answer.content):
            return failed(f"{len(asked)} at once, {prompt!r}: {why}")
    beside = most_beside([answer for answer in answers if isinstance(answer, Answer)])
    if beside == 1 and (target.max_num_seqs or 0) > 1:
        return failed(
            f"{len(asked)} at once were answered one after another, max_num_seqs is {target.max_num_seqs}",
            hint="something between here and the engine lets only one through at a time",
        )
    how = "too quick to tell whether side by side" if beside is None else f"{beside} of them side by side"
    return passed(f"{len(asked)} at once were answered{' right' if target.judges_words else ''}, {how}")


def most_beside(answers: Sequence[Answer]) -> int | None:
    """How many streams brought tokens at the same moment, of streams begun together; None when they are too short."""
    spans = [(answer.ttft_s, answer.total_s) for answer in answers if answer.ttft_s is not None]
    if len(spans) < 2 or any(end - begin < LONG_S for begin, end in spans):
        return None
    return max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)


def why_wrong(target: Target, expected: str, content: str) -> str | None:
    if target.profile == "rehearsal":
        return None if content == expected else f"expected {expected!r}, got {content[:200]!r}"
    if target.profile == "model":
        return None if number_meant(content) == float(expected) else f"expected {expected}, got {content[:200]!r}"
    return None


def judge_busy(target: Target) -> Judgement:
    count = 2 * places(target) + 2
    requests = [target.request(prompt) for prompt, _ in questions(target, count)]
    return judge_crowd(at_once([partial(target.post_chat, request) for request in requests]))


def judge_crowd(replies: Sequence[RawAnswer | DeployError]) -> Judgement:
    """Every one is answered, or refused as busy with a reason."""
    count, refused = len(replies), 0
    for reply in replies:
        if isinstance(reply, DeployError):
            return failed(f"{count} at once: one got no answer: {reply.message}", hint=reply.hint)
        if reply.status == 429:
            refused += 1
            if server_message(reply) == "(no message)" and "retry-after" not in reply.headers:
                return failed(f"{count} at once: a 429 says neither why nor when to try again")
        elif reply.status != 200:
            said = f"HTTP {reply.status}: {server_message(reply)}"
            return failed(f"{count} at once: {said}", hint="a busy server queues, or answers 429")
        elif why := why_empty(parse_answer(reply.text, reply.total_s)):
            return failed(f"{count} at once: {why}")
    if refused == count:
        return failed(f"all of {count} at once were refused as too many: nobody was served")
    if refused:
        return passed(f"{count} at once: {count - refused} answered, {refused} refused with 429 in words")
    return passed(f"{count} at once were all answered: what has no place waits")


CONCURRENCY = Probe(
    "concurrency", "as many requests as there are places are answered at once, each with its own answer", "fast",
    judge_concurrency, needs=("chat",),
)  # fmt: skip
BUSY = Probe(
    "busy-429", "more requests than places wait or get a 429, and none is lost", "full", judge_busy, needs=("chat",)
)
