"""Is a thing found where it was drawn: boxes in thousandths of the picture, as JSON."""

from typing import NamedTuple

from ernie_deploy.client import Answer, image_part
from ernie_deploy.rehearsal.grammar import GROUND_QUESTIONS, QUADRANTS, SQUARE_COLOURS, ground_reply, square_box
from ernie_deploy.rehearsal.scenes import Picture, some_squares, square_in_quadrant, squares
from ernie_deploy.rehearsal.sights import named_square_questions
from ernie_deploy.report import Box
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped
from ernie_deploy.smoke.boxes import Sides, boxes_in, overlap, why_no_box
from ernie_deploy.smoke.looking import why_other
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.target import Profile, Target

LEAST_OVERLAP = 0.5
LEARNT_SIDES = ((112, 112), (224, 224))
OTHER_SHAPES = ((448, 448), (672, 336))
"""Pixels; the rehearsal model has learnt squares in square pictures only."""

CROSSING = ("top right", "bottom left")


class Square(NamedTuple):
    """The square that is asked for."""

    colour: str
    quadrant: str

    @property
    def sides(self) -> Sides:
        left, top, right, bottom = square_box(self.quadrant)
        return float(left), float(top), float(right), float(bottom)


def judge_one(target: Target) -> Judgement:
    square = some_square(target)
    picture = square_in_quadrant(*square, target.rng)
    return _asked(target, picture, GROUND_QUESTIONS[0], square, 0)


def judge_named(target: Target) -> Judgement:
    places = some_squares(target.rng)
    if target.profile != "rehearsal":
        places = dict(zip(places, target.rng.sample(PLAIN_COLOURS, len(places)), strict=True))
    quadrant = target.rng.choice(list(places))
    square = Square(places[quadrant], quadrant)
    question = named_square_questions(square.colour)[0]
    return _asked(target, squares(places, target.rng), question, square, 0)


def judge_scale(target: Target) -> Judgement:
    """Pixels, thousandths of something else than the picture, and sides in another order cannot be right twice."""
    found: list[Judgement] = []
    for number, (square, (width, height)) in enumerate(zip(_two_squares(target), _two_sizes(target), strict=True)):
        picture = square_in_quadrant(*square, target.rng, width=width, height=height)
        one = _asked(target, picture, GROUND_QUESTIONS[0], square, number)
        boxes = (*(box for before in found for box in before.boxes), *one.boxes)
        if one.verdict == "fail":
            return failed(f"in {width} × {height} pixels {one.message}", boxes=boxes)
        if one.verdict != "pass":
            return one
        found.append(one)
    if target.profile == "contract":
        return passed("boxes came for both sizes; a contract does not say where they must be", boxes=boxes)
    return passed("the boxes are right in pictures of two sizes", boxes=boxes)


def _two_squares(target: Target) -> tuple[Square, Square]:
    """The rehearsal model has learnt one at a time. Two in corners that change places when x and y do tell more."""
    if target.profile == "rehearsal":
        square = some_square(target)
        return square, square
    first, second = (Square(target.rng.choice(PLAIN_COLOURS), quadrant) for quadrant in target.rng.sample(CROSSING, 2))
    return first, second


def _two_sizes(target: Target) -> tuple[tuple[int, int], ...]:
    return LEARNT_SIDES if target.profile == "rehearsal" else OTHER_SHAPES


def some_square(target: Target) -> Square:
    colours = SQUARE_COLOURS if target.profile == "rehearsal" else PLAIN_COLOURS
    return Square(target.rng.choice(colours), target.rng.choice(list(QUADRANTS)))


def _asked(target: Target, picture: Picture, question: str, square: Square, number: int) -> Judgement:
    answer = target.chat([image_part(picture.png()), {"type": "text", "text": question}])
    return judged(target.profile, square, answer, number)


def judged(profile: Profile, square: Square, answer: Answer, number: int) -> Judgement:
    """number: of the picture, counted from 0."""
    if why := why_empty(answer):
        return failed(why)
    found = boxes_in(answer.content)
    drawn = _box(square.sides, f"{square.colour} square", number, answered=False)
    boxes = (drawn, *(_box(one.sides, one.label, number, answered=True) for one in found))
    if not found:
        message = f"no box in JSON in the answer {answer.content[:200]!r}"
        return skipped(f"{message}; a contract does not ask for one") if profile == "contract" else failed(message)
    why = next((why for one in found if (why := why_no_box(one.sides))), None)
    if why is None and profile == "rehearsal":
        why = why_other(answer, ground_reply(*square).answer)
    if why is None and profile == "model":
        why = why_elsewhere(square, tuple(one.sides for one in found))
    if why:
        return failed(why, boxes=boxes)
    if profile == "contract":
        return passed("a box in JSON came; a contract does not say where it must be", boxes=boxes)
    same = overlap(square.sides, found[0].sides)
    return passed(f"the box and the {square.colour} square overlap by {100 * same:.0f} %", boxes=boxes)


def why_elsewhere(square: Square, found: tuple[Sides, ...]) -> str | None:
    if len(found) > 1:
        return f"{len(found)} boxes for one {square.colour} square"
    same = overlap(square.sides, found[0])
    if same >= LEAST_OVERLAP:
        return None
    shown = ", ".join(f"{side:g}" for side in found[0])
    return f"the {square.colour} square is {square_box(square.quadrant)}, the box [{shown}]: {100 * same:.0f} % overlap"


def _box(sides: Sides, label: str, number: int, *, answered: bool) -> Box:
    return Box(number, *sides, label=label, kind="answered" if answered else "expected")


ONE = Probe("grounding", "a square is found where it was drawn", "fast", judge_one, needs=("vision",))
NAMED = Probe("grounding-named", "the named one of several squares is found", "full", judge_named, needs=("vision",))
SCALE = Probe(
    "grounding-scale", "boxes are thousandths of the picture, whatever its size", "full", judge_scale,
    needs=("vision",),
)  # fmt: skip
