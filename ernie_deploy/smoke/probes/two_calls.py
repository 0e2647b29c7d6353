"""Do two calls in one answer arrive as two, whole and streamed."""

from collections.abc import Sequence

import msgspec

from ernie_deploy.client import Answer, ToolCall, collect, image_part
from ernie_deploy.rehearsal.grammar import QUADRANTS, ZOOM_TOOL
from ernie_deploy.rehearsal.talk import two_zooms_question
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.pictures import colour_field
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.probes.tool_call import judge_no_call, why_wrong_call
from ernie_deploy.smoke.probes.tool_stream import why_apart
from ernie_deploy.smoke.target import Profile, Target


def judge(target: Target) -> Judgement:
    pair, request = _drawn(target)
    return judge_calls(target.profile, pair, target.ask(request))


def judge_stream(target: Target) -> Judgement:
    """FastDeploy does not reset its count of braces between two calls; what then comes is no JSON."""
    pair, request = _drawn(target)
    deltas = target.deltas(request)
    found = judge_calls(target.profile, pair, collect(deltas))
    if found.verdict == "pass" and (why := why_apart(deltas)):
        found = failed(why)
    known = why_unsupported(target.engine, "two-calls-streamed")
    if found.verdict == "fail" and known and _is_second_broken(collect(deltas)):
        return msgspec.structs.replace(found, verdict="unsupported", reference=known)
    return found


def _drawn(target: Target) -> tuple[tuple[str, str], dict[str, object]]:
    first, second = target.rng.sample(tuple(QUADRANTS), 2)
    picture = colour_field(target.rng.choice(PLAIN_COLOURS), target.rng)
    content = [image_part(picture), {"type": "text", "text": two_zooms_question(first, second)}]
    return (first, second), target.request(content, tools=[ZOOM_TOOL])


def judge_calls(profile: Profile, pair: tuple[str, str], answer: Answer) -> Judgement:
    calls = answer.tool_calls
    if not calls:
        return judge_no_call(profile, answer)
    if len(calls) == 1 and profile != "rehearsal":
        return skipped("the model made one call; to make the second one later is right too")
    if len(calls) != 2 and profile == "rehearsal":
        return failed(f"two calls were asked for, {len(calls)} came")
    if why := why_wrong_calls(profile, pair, calls):
        return failed(why)
    ids = [call.id for call in calls]
    if len(set(ids)) != len(ids) or not all(ids):
        return failed(f"the calls have the ids {ids}: no result can be told to belong to one of them")
    if answer.finish_reason != "tool_calls":
        return failed(f"tools were called, but finish_reason is {answer.finish_reason}")
    return passed(f"{len(calls)} calls, each with an id of its own")


def why_wrong_calls(profile: Profile, pair: tuple[str, str], calls: Sequence[ToolCall]) -> str | None:
    """The rehearsal model keeps the order of the question. The real one need not, but must come to both corners."""
    for number, call in enumerate(calls):
        corners = pair if profile == "model" else (pair[min(number, 1)],)
        reasons = [why_wrong_call(profile, corner, call) for corner in corners]
        if all(reasons):
            return f"call {number + 1}: {reasons[0]}"
    for corner in pair if profile == "model" else ():
        if all(why_wrong_call(profile, corner, call) for call in calls):
            return f"no call is about the {corner} corner"
    return None


def _is_second_broken(answer: Answer) -> bool:
    """The first call is whole, and the second is not."""
    return len(answer.tool_calls) == 2 and [call.parsed is None for call in answer.tool_calls] == [False, True]


PROBE = Probe("two-calls", "two calls in one answer arrive as two", "full", judge, needs=("vision", "tools"))
STREAM = Probe("two-calls-stream", "two streamed calls arrive as two", "full", judge_stream, needs=("vision", "tools"))
