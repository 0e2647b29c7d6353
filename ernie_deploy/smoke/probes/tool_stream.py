"""Does a streamed tool call come in pieces that fit together."""

from collections.abc import Sequence

from ernie_deploy.client import Delta, collect
from ernie_deploy.client.answers import CallPart
from ernie_deploy.smoke.base import Judgement, Probe
from ernie_deploy.smoke.probes.tool_call import Zoom, judge_call
from ernie_deploy.smoke.target import Target


def judge(target: Target) -> Judgement:
    zoom = Zoom.drawn(target.rng)
    deltas = target.deltas(target.request(zoom.content, tools=list(zoom.tools)))
    found = judge_call(target.profile, zoom.quadrant, collect(deltas))
    if found.verdict != "pass":
        return found
    if why := why_apart(deltas):
        return Judgement("fail", why)
    pieces = sum(bool(delta.tool_parts) for delta in deltas)
    return Judgement("pass", f"{found.message}, in {pieces} pieces")


def why_apart(deltas: Sequence[Delta]) -> str | None:
    """The reason why the pieces of calls do not fit together. Each call has an index, from 0 on, and no index two."""
    calls: dict[int, list[CallPart]] = {}
    for part in (part for delta in deltas for part in delta.tool_parts):
        calls.setdefault(part.index, []).append(part)
    if list(calls) != list(range(len(calls))):
        return f"the calls have the indices {list(calls)}"
    for index, parts in calls.items():
        if not parts[0].name:
            return f"the first piece of call {index} has no name"
        if any(part.name for part in parts[1:]):
            return f"the name of call {index} came more than once"
        ids = {part.id for part in parts if part.id}
        if len(ids) != 1 or not parts[0].id:
            return f"call {index} has the ids {sorted(ids)}, and its first piece {parts[0].id!r}"
    return None


PROBE = Probe("tool-stream", "a streamed tool call fits together", "full", judge, needs=("vision", "tools"))
