"""Does a streamed answer come in pieces, and is it the same answer."""

from collections.abc import Sequence

from ernie_deploy.client import Answer
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.target import Target

QUESTION = TEXT_QA[2].prompt

TRIES = 3
"""A batch adds up in another order than one request alone, so a real model's two answers may part ways: once."""


def judge(target: Target) -> Judgement:
    streamed = target.stream(QUESTION)
    why = why_empty(streamed) or _why_not_a_stream(target, streamed) or _why_different(target, streamed)
    if why:
        return Judgement("fail", why)
    first_ms = 1000 * (streamed.ttft_s or 0)
    message = f"{streamed.chunks} chunks, the first after {first_ms:.0f} ms"
    if not streamed.saw_done:
        message += f"; it ends without [DONE] ({why_unsupported(target.engine, 'stream-without-done')})"
    return Judgement("pass", message)


def _why_not_a_stream(target: Target, streamed: Answer) -> str | None:
    if streamed.chunks < 2:
        return "the answer came in one chunk: something between here and the engine collects it"
    if streamed.finish_reason is None:
        return "the stream ended without a finish_reason"
    if not streamed.saw_done and why_unsupported(target.engine, "stream-without-done") is None:
        return "the stream ended without `data: [DONE]`"
    return None


def _why_different(target: Target, streamed: Answer) -> str | None:
    """At temperature 0 both ways must say the same; a contract does not ask for it."""
    if target.profile == "contract":
        return None
    plain = target.chat(QUESTION)
    tries = TRIES if target.profile == "model" else 1
    both = [(streamed, plain)]
    while why_never_same(both) and len(both) < tries:
        both.append((target.stream(QUESTION), target.chat(QUESTION)))
    if why := why_never_same(both):
        return why
    # The real model's long thoughts may part ways by rounding; the rehearsal model's may not.
    if target.profile == "rehearsal" and streamed.reasoning != plain.reasoning:
        return f"streamed the thought {streamed.reasoning[:100]!r}, but plain {plain.reasoning[:100]!r}"
    return None


def why_never_same(both: Sequence[tuple[Answer, Answer]]) -> str | None:
    """both: streamed and plain answers. What a stream always loses is in none of the plain ones."""
    if {streamed.content for streamed, _ in both} & {plain.content for _, plain in both}:
        return None
    streamed, plain = both[-1]
    return f"streamed {streamed.content[:100]!r}, but plain {plain.content[:100]!r}"


PROBE = Probe("streaming", "a stream brings the same answer piece by piece", "fast", judge, needs=("chat",))
