"""Does the model call the zoom tool, and does the call arrive as one."""

import msgspec

from ernie_deploy.client import Answer, ToolCall, image_part
from ernie_deploy.rehearsal.grammar import (
    QUADRANTS,
    ZOOM_TOOL,
    ZOOM_TOOL_NAME,
    zoom_arguments,
    zoom_questions,
)
from ernie_deploy.smoke.base import Judgement, Probe, Target, exchange
from ernie_deploy.smoke.image import PLAIN_COLOURS
from ernie_deploy.smoke.pictures import colour_field

PARSER = (
    "start the engine with its tool parser: ernie-45-vl-thinking (FastDeploy), ernie45 and "
    "--enable-auto-tool-choice (vLLM)"
)


def judge(target: Target) -> Judgement:
    quadrant = target.rng.choice(tuple(QUADRANTS))
    picture = colour_field(target.rng.choice(PLAIN_COLOURS), target.rng)
    question = zoom_questions(quadrant)[0]
    content = [image_part(picture), {"type": "text", "text": question}]
    for way, ask in (("plain", target.chat), ("streamed", target.stream)):
        answer = ask(content, tools=[ZOOM_TOOL])
        found = _judge_one(target, quadrant, answer, exchange(question, answer))
        if found.verdict != "pass":
            return msgspec.structs.replace(found, message=f"{way}: {found.message}")
    return found


def _judge_one(target: Target, quadrant: str, answer: Answer, evidence: dict[str, object]) -> Judgement:
    if not answer.tool_calls:
        return _judge_no_call(target, answer, evidence)
    why = _why_wrong(target, quadrant, answer.tool_calls[0])
    if why is None and answer.finish_reason != "tool_calls":
        why = f"a tool was called, but finish_reason is {answer.finish_reason}"
    if why:
        return Judgement("fail", why, evidence=evidence)
    call = answer.tool_calls[0]
    return Judgement("pass", f"{call.name}({call.arguments})", evidence=evidence)


def _judge_no_call(target: Target, answer: Answer, evidence: dict[str, object]) -> Judgement:
    if "<tool_call>" in answer.content + answer.reasoning:
        return Judgement("fail", "the tool call stayed text in the answer", hint=PARSER, evidence=evidence)
    if target.profile == "contract":
        return Judgement("skip", "the model called no tool; a contract does not ask it to", evidence=evidence)
    return Judgement("fail", f"no tool was called: {answer.content[:200]!r}", hint=PARSER, evidence=evidence)


def _why_wrong(target: Target, quadrant: str, call: ToolCall) -> str | None:
    if call.name != ZOOM_TOOL_NAME:
        return f"the tool is called {ZOOM_TOOL_NAME}, the call says {call.name!r}"
    if call.parsed is None:
        return f"the arguments are not a JSON object: {call.arguments[:200]!r}"
    expected = zoom_arguments(quadrant)
    if target.profile == "rehearsal":
        return None if call.parsed == expected else f"expected the arguments {expected}, got {call.parsed}"
    box = call.parsed.get("bbox_2d")
    if isinstance(box, list) and len(box) == 4 and all(isinstance(side, int | float) for side in box):
        return None
    return f"bbox_2d is not four numbers: {box!r}"


PROBE = Probe("tool-call", "a tool call arrives as a tool call", "abilities", judge)
