"""Do tokens come when they are made, and is a stream that cannot be refused before it looks like an answer."""

from collections.abc import Sequence

from ernie_deploy.client import Delta, RefusedError, collect
from ernie_deploy.errors import VerifyError
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.probes.error_shape import NOT_A_PICTURE
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.target import Target

QUESTION = TEXT_QA[4]
"""Who are you: an answer of more than a few words from anybody."""

TRIES = 4
LEAST_SHARE = 0.3
"""Of the whole time. A busy engine lets a request wait before its first token, so one try does not tell."""

REST_S = 0.5
"""Between tries. On two cores vLLM's workers keep its API server waiting while there is work without a gap: 23 of 25
streams asked for at once came in one piece, of 100 with a rest between them one did (measured)."""


def judge_first(target: Target) -> Judgement:
    found = judge_times(target.deltas(target.request(QUESTION.prompt)))
    for _ in range(TRIES - 1):
        if found.verdict == "pass":
            break
        target.pause(REST_S)
        found = judge_times(target.deltas(target.request(QUESTION.prompt)))
    return found


def judge_times(deltas: Sequence[Delta]) -> Judgement:
    answer = collect(deltas)
    if why := why_empty(answer):
        return failed(why)
    times = [delta.at_s for delta in deltas if delta.carries_tokens]
    share = (times[-1] - times[0]) / answer.total_s if answer.total_s else 0.0
    told = f"first token after {_ms(times[0])}, first of the answer after {_ms(answer.first_answer_s)}"
    if share < LEAST_SHARE:
        return failed(
            f"{told}, and all {len(times)} pieces came close together at the end of {_ms(answer.total_s)}",
            hint="something collects the stream: with nginx, proxy_buffering off",
        )
    return passed(f"{told}, the last after {_ms(times[-1])}")


def judge_impossible(target: Target) -> Judgement:
    """A picture that is none: it is known before the first token that there will be no answer."""
    picture = [{"type": "image_url", "image_url": {"url": NOT_A_PICTURE}}, {"type": "text", "text": QUESTION.prompt}]
    try:
        seen = target.deltas(target.request(picture))
    except VerifyError as error:
        return judge_refusal(target.engine, error)
    return failed(f"it was answered like any other: {collect(seen).content[:100]!r}")


def judge_refusal(engine: str, error: VerifyError) -> Judgement:
    """An error in the stream, after 200, is told as well as one in place of it."""
    status = error.status if isinstance(error, RefusedError) else 200
    wordless = any(words in error.message for words in ("(no message)", "'Internal Server Error'"))
    if wordless:
        known = why_unsupported(engine, "bad-picture-is-a-500-without-words")
        why = f"refused with HTTP {status} without words"
        return unsupported(why, known) if known else failed(why)
    if status in (401, 403, 404) or 300 <= status < 400:
        return failed(f"refused, but not for its picture: {error.message}", hint=error.hint)
    place = "in the stream" if status == 200 else f"with HTTP {status}"
    return passed(f"a stream that cannot be is refused {place}, in words")


def _ms(seconds: float | None) -> str:
    return "no time" if seconds is None else f"{1000 * seconds:.0f} ms"


FIRST = Probe("first-token", "tokens come when they are made, not all at the end", "full", judge_first, needs=("chat",))
ERROR = Probe(
    "stream-error",
    "a stream that cannot be answered ends in an error, not in silence",
    "full",
    judge_impossible,
    needs=("chat", "vision"),
)
