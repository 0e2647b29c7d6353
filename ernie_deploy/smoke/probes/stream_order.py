"""Do the events of a stream come in their order, up to `data: [DONE]` and nothing after it."""

import json
from collections.abc import Mapping, Sequence

from ernie_deploy.client import RawAnswer
from ernie_deploy.client.sse import EventReader
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.target import CHAT, Target

DONE = "[DONE]"
PHASES = ("the reasoning", "the answer", "the finish_reason", "the usage")
ONE_FOR_ALL = ("id", "model", "object")


def judge(target: Target) -> Judgement:
    """Asked for whole: whoever reads events stops at [DONE] and never sees what comes after it."""
    answer = target.post(CHAT, target.client.chat_request(target.request(TEXT_QA[2].prompt), stream=True))
    if answer.status != 200:
        raise target.client.refused(answer)
    return judge_stream(target.engine, answer)


def judge_stream(engine: str, answer: RawAnswer) -> Judgement:
    kind = answer.headers.get("content-type", "no content-type")
    if not kind.startswith("text/event-stream"):
        return failed(f"a stream was asked for, and {kind} came")
    reader = EventReader()
    payloads = [*reader.feed(answer.body), *reader.finish()]
    before, after = payloads, []
    if DONE in payloads:
        end = payloads.index(DONE)
        before, after = payloads[:end], payloads[end + 1 :]
    if after:
        return failed(f"after [DONE] there is more: {after[0][:100]!r}")
    events = [event for payload in before if isinstance(event := _parsed(payload), dict)]
    if len(events) < len(before):
        return failed("an event of the stream is not a JSON object")
    if why := why_out_of_order(events) or why_not_one(events):
        return failed(why)
    if DONE not in payloads:
        known = why_unsupported(engine, "stream-without-done")
        message = "the stream ended without `data: [DONE]`"
        return unsupported(f"{message}; its events are in order", known) if known else failed(message)
    return passed(f"{len(events)} events in order, then [DONE]")


def why_out_of_order(events: Sequence[Mapping[str, object]]) -> str | None:
    """The reason why a client that reads them one by one would go wrong."""
    reached = -1
    has_role = has_end = False
    for event in events:
        if event.get("error"):
            return f"the stream has an error in it: {str(event['error'])[:200]}"
        choice, delta = _choice(event)
        has_role = has_role or delta.get("role") == "assistant"
        has_end = has_end or bool(choice.get("finish_reason"))
        for phase in phases(event, choice, delta):
            if not has_role and phase < 2:
                return f"{PHASES[phase]} comes before the role"
            if phase < reached:
                return f"{PHASES[phase]} comes after {PHASES[reached]}"
            reached = phase
    return None if has_end else "the stream ended without a finish_reason"


def phases(event: Mapping[str, object], choice: Mapping[str, object], delta: Mapping[str, object]) -> list[int]:
    """What one event brings, as places in PHASES."""
    found = (
        delta.get("reasoning_content") or delta.get("reasoning"),
        delta.get("content") or delta.get("tool_calls"),
        choice.get("finish_reason"),
        event.get("usage"),
    )
    return [phase for phase, value in enumerate(found) if value]


def why_not_one(events: Sequence[Mapping[str, object]]) -> str | None:
    for field in ONE_FOR_ALL:
        values = {str(event.get(field)) for event in events}
        if len(values) > 1:
            return f"events of one stream differ in their {field}: {', '.join(sorted(values)[:3])}"
    return None


def _choice(event: Mapping[str, object]) -> tuple[Mapping[str, object], Mapping[str, object]]:
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    delta = choice.get("delta") if isinstance(choice, dict) else None
    return choice if isinstance(choice, dict) else {}, delta if isinstance(delta, dict) else {}


def _parsed(payload: str) -> object:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


PROBE = Probe("stream-order", "a stream's events come in order, and [DONE] last", "fast", judge, needs=("chat",))
