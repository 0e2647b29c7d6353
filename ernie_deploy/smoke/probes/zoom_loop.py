"""Thinking with images: the model asks for a part of the picture, gets it cut out, and reads what stands there."""

import random
from typing import NamedTuple

from ernie_deploy.client import Answer, RefusedError, ToolCall, image_part
from ernie_deploy.rehearsal.grammar import (
    COLOURS,
    QUADRANTS,
    ZOOM_RESULT,
    ZOOM_TOOL,
    ZOOM_TOOL_NAME,
    box_in_pixels,
    square_box,
    zoom_arguments,
)
from ernie_deploy.rehearsal.scenes import BLACK, CELL, PAPER, Canvas, Picture, small_print
from ernie_deploy.rehearsal.sights import SMALL_PRINT_QUESTIONS, small_print_reply
from ernie_deploy.report import Box
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.boxes import Sides
from ernie_deploy.smoke.calling import Message, call_turn, result_turn
from ernie_deploy.smoke.crops import box_of_call, cropped, enlarged
from ernie_deploy.smoke.looking import picture_meant, why_other
from ernie_deploy.smoke.probes.several_images import limit_named, why_not_two
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.probes.tool_call import judge_no_call
from ernie_deploy.smoke.reading import digits_meant
from ernie_deploy.smoke.target import Profile, Target

MOST_ROUNDS = 3
"""Of calls. The rehearsal model needs one; a thinking model may look at its crop again."""

LARGE_SIDE = 48 * CELL
LEAST_CROP = 1024
"""Pixels: what is cut out for the real model is enlarged until it is as wide as that, so that a quarter is too."""


class SmallPrint(NamedTuple):
    number: int
    quadrant: str
    picture: Picture


def judge(target: Target) -> Judgement:
    scene = drawn(target)
    pictures = [scene.picture]
    boxes = [_box(0, square_sides(scene.quadrant), "panel", answered=False)]
    question = {"type": "text", "text": SMALL_PRINT_QUESTIONS[0]}
    turns: list[Message] = [{"role": "user", "content": [image_part(scene.picture.png()), question]}]
    calls = 0
    for _ in range(MOST_ROUNDS):
        try:
            answer = target.ask(target.conversation(turns, tools=[ZOOM_TOOL]))
        except RefusedError as error:
            # Not the first picture but the crop is one too many.
            if not calls or limit_named(error.message) is None:
                raise
            return why_not_two(target.engine, error)
        if not answer.tool_calls:
            return _judge_end(target.profile, scene, answer, calls, tuple(boxes))
        turns.append(call_turn(answer.tool_calls, calls))
        for call in answer.tool_calls:
            boxes += _asked_for(call, len(pictures))
            crop = _zoomed(target.profile, scene, pictures, call)
            if isinstance(crop, str):
                return failed(crop, boxes=tuple(boxes))
            pictures.append(crop)
            result = [{"type": "text", "text": ZOOM_RESULT}, image_part(crop.png())]
            turns.append(result_turn(calls, result))
            calls += 1
    answer = target.ask(target.conversation(turns, tools=[ZOOM_TOOL]))
    if answer.tool_calls:
        return failed(f"after {in_words(calls)} the model still asks for another", boxes=tuple(boxes))
    return _judge_end(target.profile, scene, answer, calls, tuple(boxes))


def drawn(target: Target) -> SmallPrint:
    """For the rehearsal model a digit that vanishes when shrunk; for the real one small but plain print."""
    rng, quadrant = target.rng, target.rng.choice(list(QUADRANTS))
    if target.profile == "model":
        number = rng.randint(10, 99)
        return SmallPrint(number, quadrant, plain_print(number, quadrant, rng))
    number = rng.randint(1, 9)
    return SmallPrint(number, quadrant, small_print(number, quadrant, rng.choice(list(COLOURS)), rng))


def plain_print(number: int, quadrant: str, rng: random.Random) -> Picture:
    """A large blue picture with a pale panel in one quarter, and somewhere in the middle of it a small number."""
    canvas = Canvas(LARGE_SIDE, LARGE_SIDE, COLOURS["blue"])
    canvas.fill(box_in_pixels(square_box(quadrant), LARGE_SIDE, LARGE_SIDE), PAPER)
    half = LARGE_SIDE // 2 // CELL
    column, row = QUADRANTS[quadrant]
    left, top = column * half + rng.randint(half // 3, half // 2), row * half + rng.randint(half // 3, half // 2)
    for offset, digit in enumerate(str(number)):
        canvas.write(digit, left + offset, top, BLACK)
    return canvas.picture()


def _zoomed(profile: Profile, scene: SmallPrint, pictures: list[Picture], call: ToolCall) -> Picture | str:
    """The part that a call asks for, or what is wrong with the call."""
    if call.name != ZOOM_TOOL_NAME:
        return f"the tool is called {ZOOM_TOOL_NAME}, the call says {call.name!r}"
    sides = box_of_call(call.parsed)
    if isinstance(sides, str):
        return sides
    index = picture_meant(call, len(pictures))
    if index is None:
        return f"the call is about a picture that was not sent: {call.arguments[:200]}"
    expected = zoom_arguments(scene.quadrant)
    if profile == "rehearsal" and call.parsed != expected:
        return f"expected the arguments {expected}, got {call.parsed}"
    crop = cropped(pictures[index], sides)
    if profile == "model":
        crop = enlarged(crop, max(1, -(-LEAST_CROP // max(crop.width, crop.height))))
    return crop


def _asked_for(call: ToolCall, count: int) -> tuple[Box, ...]:
    """Where a call looks, which a reader wants to see above all when it is the wrong place."""
    sides, index = box_of_call(call.parsed), picture_meant(call, count)
    if isinstance(sides, str) or index is None:
        return ()
    return (_box(index, sides, str((call.parsed or {}).get("label", "zoom")), answered=True),)


def _judge_end(profile: Profile, scene: SmallPrint, answer: Answer, calls: int, boxes: tuple[Box, ...]) -> Judgement:
    if not calls:
        return judge_no_call(profile, answer)
    why = why_empty(answer) or why_misread(profile, scene.number, answer)
    if why:
        return failed(f"after {in_words(calls)}: {why}", boxes=boxes)
    if profile == "contract":
        return passed("a call, a crop, an answer; a contract does not judge the words", boxes=boxes)
    return passed(f"the number {scene.number} was read after {in_words(calls)}", boxes=boxes)


def in_words(calls: int) -> str:
    return "one crop" if calls == 1 else f"{calls} crops"


def why_misread(profile: Profile, number: int, answer: Answer) -> str | None:
    if profile == "rehearsal":
        return why_other(answer, small_print_reply(number).answer)
    if profile == "model" and digits_meant(answer.content) != number:
        return f"the panel says {number}, the answer {answer.content[:200]!r}"
    return None


def square_sides(quadrant: str) -> Sides:
    left, top, right, bottom = square_box(quadrant)
    return float(left), float(top), float(right), float(bottom)


def _box(picture: int, sides: Sides, label: str, *, answered: bool) -> Box:
    return Box(picture, *sides, label=label, kind="answered" if answered else "expected")


PROBE = Probe(
    "zoom-loop", "small print is read from the crop that the model asks for", "fast", judge,
    needs=("vision", "tools"),
)  # fmt: skip
