"""Long answers: do they stay a stream, and is the place free again when nobody listens any more."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

from ernie_deploy.client import Answer, Delta
from ernie_deploy.client.metrics import counters
from ernie_deploy.errors import DeployError
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.lengths import fitting, without_end
from ernie_deploy.smoke.probes.load import places, questions
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.target import Profile, Target
from ernie_deploy.smoke.together import at_once

QUESTION = "Write a long story about a lighthouse."
LONG_TOKENS: Mapping[Profile, int] = {"contract": 300, "rehearsal": 300, "model": 1200}
"""More than the 1024 at which gateways like to cut, where that does not take long."""

LEAST_TOKENS = 100
"""An answer with fewer tokens is not a long one."""

MOST_IN_A_CHUNK = 16
LONGEST_SILENCE_S = 30.0

CANCELLED_TOKENS = 2000
LOOKS = 20
LOOK_S = 0.5


def judge_stream(target: Target) -> Judgement:
    """What the words are is no matter: a story is not what the rehearsal model learnt."""
    asked = fitting(target, LONG_TOKENS[target.profile])
    deltas = target.deltas(target.request(QUESTION, **without_end(target, asked)))
    return judge_long(deltas, needs_done=why_unsupported(target.engine, "stream-without-done") is None, asked=asked)


def judge_long(deltas: Sequence[Delta], *, needs_done: bool, asked: int) -> Judgement:
    """asked: tokens that the answer may have."""
    times = [delta.at_s for delta in deltas if delta.carries_tokens]
    finish = next((delta.finish_reason for delta in deltas if delta.finish_reason), None)
    tokens = next((delta.usage.completion_tokens for delta in reversed(deltas) if delta.usage), None)
    if finish is None:
        return failed(f"the stream broke off after {len(times)} chunks, without a finish_reason")
    if needs_done and not any(delta.is_done for delta in deltas):
        return failed("the stream ended without `data: [DONE]`")
    if finish == "length" and tokens is not None and tokens < asked:
        hint = "look for a limit of tokens here or in a gateway"
        return failed(f"the answer was cut after {tokens} tokens, max_tokens is {asked}", hint=hint)
    if (tokens or len(times)) < LEAST_TOKENS:
        return skipped("the answers of this model are too short for a long stream")
    if tokens and len(times) * MOST_IN_A_CHUNK < tokens:
        return failed(
            f"{tokens} tokens came in {len(times)} chunks: something between here and the engine collects them"
        )
    silence_s = max((after - before for before, after in pairwise(times)), default=0.0)
    if silence_s > LONGEST_SILENCE_S:
        return failed(f"the stream was silent for {silence_s:.0f} s in the middle")
    return passed(f"{tokens or len(times)} tokens in {len(times)} chunks, the longest silence {silence_s:.2f} s")


def judge_cancel(target: Target) -> Judgement:
    """As many long answers as there are places are given up; then as many short ones must be answered."""
    count = places(target)
    before = running(target)
    request = target.request(QUESTION, **without_end(target, CANCELLED_TOKENS))
    given_up = at_once([partial(target.stream_until, request, _is_token) for _ in range(count)])
    if broken := [found for found in given_up if isinstance(found, DeployError)]:
        return failed(f"a stream that was to be given up did not begin: {broken[0].message}", hint=broken[0].hint)
    held = _held(target, before) if before is not None else None
    after = at_once([partial(target.chat, prompt) for prompt, _ in questions(target, count)])
    return judge_freed(target.engine, count, held, after)


def judge_freed(engine: str, count: int, held: float | None, after: Sequence[Answer | DeployError]) -> Judgement:
    """held: requests that still ran when everybody had long been gone; None when there are no metrics."""
    for answer in after:
        if isinstance(answer, DeployError):
            hint = "the places of requests that were given up are not free again"
            return failed(f"after {count} streams were given up: {answer.message}", hint=hint)
        if why := why_empty(answer):
            return failed(f"after {count} streams were given up: {why}")
    if held is None:
        return passed(f"{count} streams were given up, then {count} requests answered; metrics do not say what runs")
    if held <= 0:
        return passed(f"{count} streams were given up, their places were free, and {count} requests were answered")
    message = f"{held:g} of {count} requests still ran {LOOKS * LOOK_S:g} s after their streams were given up"
    known = why_unsupported(engine, "cancel-is-not-noticed")
    return unsupported(message, known) if known else failed(message, hint="given up requests keep the engine busy")


def running(target: Target) -> float | None:
    """Requests that run, as the metrics say; None when they do not."""
    if target.metrics is None:
        return None
    counted = counters(target.get_metrics().text)
    return counted.running if counted else None


def _held(target: Target, before: float) -> float | None:
    """How many more run than before, as soon as it is none, or after the last look; None when nobody says any more."""
    held = None
    for _ in range(LOOKS):
        now = running(target)
        held = None if now is None else now - before
        if held is not None and held <= 0:
            break
        target.pause(LOOK_S)
    return held


def _is_token(delta: Delta) -> bool:
    return delta.carries_tokens


CANCEL = Probe("cancel", "an answer that is given up frees its place", "full", judge_cancel, needs=("chat",))
LONG_STREAM = Probe("long-stream", "a long answer stays a stream to its end", "full", judge_stream, needs=("chat",))
