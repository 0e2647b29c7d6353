"""Does the model call the zoom tool, and does the call arrive as one."""

import random
from typing import NamedTuple

import msgspec

from ernie_deploy.client import Answer, ToolCall, image_part
from ernie_deploy.rehearsal.grammar import (
    QUADRANTS,
    ZOOM_TOOL,
    ZOOM_TOOL_NAME,
    zoom_arguments,
    zoom_box,
    zoom_questions,
)
from ernie_deploy.smoke.base import Judgement, Probe
from ernie_deploy.smoke.boxes import Sides, sides_of
from ernie_deploy.smoke.crops import box_of_call
from ernie_deploy.smoke.pictures import colour_field
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.target import Profile, Target

PARSER = (
    "start the engine with its tool parser: ernie-45-vl-thinking (FastDeploy), ernie45 and "
    "--enable-auto-tool-choice (vLLM)"
)
WORDS_BEFORE = (
    "the model wrote words before its call, and FastDeploy's tool parser then takes all of it for text: look whether "
    "that happens often, and ask in the system line for calls without words"
)


class Zoom(NamedTuple):
    """A picture and a question about one corner of it, which asks for the zoom tool."""

    quadrant: str
    content: list[dict[str, object]]
    tools: tuple[dict[str, object], ...] = (ZOOM_TOOL,)

    @classmethod
    def drawn(cls, rng: random.Random) -> "Zoom":
        quadrant = rng.choice(tuple(QUADRANTS))
        picture = colour_field(rng.choice(PLAIN_COLOURS), rng)
        question = zoom_questions(quadrant)[0]
        return cls(quadrant, [dict(image_part(picture)), {"type": "text", "text": question}])


def judge(target: Target) -> Judgement:
    zoom = Zoom.drawn(target.rng)
    for way, ask in (("plain", target.chat), ("streamed", target.stream)):
        found = judge_call(target.profile, zoom.quadrant, ask(zoom.content, tools=list(zoom.tools)))
        if found.verdict != "pass":
            return msgspec.structs.replace(found, message=f"{way}: {found.message}")
    return found


def judge_call(profile: Profile, quadrant: str, answer: Answer) -> Judgement:
    if not answer.tool_calls:
        return judge_no_call(profile, answer)
    why = why_wrong_call(profile, quadrant, answer.tool_calls[0])
    if why is None and answer.finish_reason != "tool_calls":
        why = f"a tool was called, but finish_reason is {answer.finish_reason}"
    if why is None and not answer.tool_calls[0].id:
        why = "the call has no id, so no result can be told to belong to it"
    if why:
        return Judgement("fail", why)
    call = answer.tool_calls[0]
    return Judgement("pass", f"{call.name}({call.arguments})")


def judge_no_call(profile: Profile, answer: Answer) -> Judgement:
    if "<tool_call>" in answer.content + answer.reasoning:
        return Judgement("fail", "the tool call stayed text in the answer", hint=_hint(answer.content))
    if profile == "contract":
        return Judgement("skip", "the model called no tool; a contract does not ask it to")
    return Judgement("fail", f"no tool was called: {answer.content[:200]!r}", hint=PARSER)


def _hint(content: str) -> str:
    """Why a call stayed text: without a reasoning parser the thought stands before it, and that is no words."""
    before = content.partition("<tool_call>")[0].strip()
    return WORDS_BEFORE if before and "</think>" not in before else PARSER


def why_wrong_call(profile: Profile, quadrant: str, call: ToolCall) -> str | None:
    if call.name != ZOOM_TOOL_NAME:
        return f"the tool is called {ZOOM_TOOL_NAME}, the call says {call.name!r}"
    if call.parsed is None:
        return f"the arguments are not a JSON object: {call.arguments[:200]!r}"
    expected = zoom_arguments(quadrant)
    if profile == "rehearsal":
        return None if call.parsed == expected else f"expected the arguments {expected}, got {call.parsed}"
    if profile == "contract":
        return None if sides_of(box := call.parsed.get("bbox_2d")) else f"bbox_2d is not four numbers: {box!r}"
    sides = box_of_call(call.parsed)
    return sides if isinstance(sides, str) else _why_elsewhere(quadrant, sides)


def _why_elsewhere(quadrant: str, sides: Sides) -> str | None:
    """A corner has no border that everybody would draw, so the middle of the box tells which one is meant."""
    left, top, right, bottom = zoom_box(quadrant)
    across, down = (sides[0] + sides[2]) / 2, (sides[1] + sides[3]) / 2
    if left <= across <= right and top <= down <= bottom:
        return None
    return f"the {quadrant} corner was asked for, the middle of the box is at {across:g}, {down:g} of 1000"


PROBE = Probe("tool-call", "a tool call arrives as a tool call", "fast", judge, needs=("vision", "tools"))
