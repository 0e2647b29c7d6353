"""Boxes in an answer: found in whatever JSON they stand, and compared. Pure functions of texts and numbers."""

import json
import math
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

Sides = tuple[float, float, float, float]
"""Left, top, right, bottom, in thousandths of the picture."""


class FoundBox(NamedTuple):
    sides: Sides
    label: str


BOX_KEYS: Final = ("bbox_2d", "bbox", "box_2d", "box", "bounding_box")
LABEL_KEYS: Final = ("label", "name", "object")
SIDE_NAMES: Final = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
)
FROM_A_CORNER: Final = ("x", "y", "width", "height")
CORNER_NAMES: Final = ("top_left", "bottom_right")


def boxes_in(text: str) -> tuple[FoundBox, ...]:
    """Every box in the JSON that stands in a text, in its order; in a fence, between words, or alone.

    One that is told twice, in the sentence and in the JSON after it, is one.
    """
    found: dict[Sides, FoundBox] = {}
    for box in (box for value in _documents(text) for box in _walk(value, "")):
        if box.sides not in found or not found[box.sides].label:
            found[box.sides] = box
    return tuple(found.values())


def sides_of(value: object) -> Sides | None:
    """Four numbers in a list, as two corners, or under the names of the sides; None for anything else."""
    numbers = _numbers(_four(value))
    return (numbers[0], numbers[1], numbers[2], numbers[3]) if len(numbers) == 4 else None


def _four(value: object) -> object:
    """What holds the four numbers, as a list."""
    if isinstance(value, list) and len(value) == 2 and all(isinstance(corner, list) for corner in value):
        return [*value[0], *value[1]]
    if not isinstance(value, dict):
        return value
    for names in SIDE_NAMES:
        if set(names) <= set(value):
            return [value[name] for name in names]
    if set(CORNER_NAMES) <= set(value):
        return [side for name in CORNER_NAMES for side in _corner(value[name])]
    corner = _numbers([value.get(name) for name in FROM_A_CORNER])
    return [corner[0], corner[1], corner[0] + corner[2], corner[1] + corner[3]] if len(corner) == 4 else None


def _corner(value: object) -> list[object]:
    if isinstance(value, dict):
        return [value.get("x"), value.get("y")]
    return value if isinstance(value, list) else []


def _numbers(value: object) -> list[float]:
    """All of a list of four as numbers; none when one of them is not."""
    sides = value if isinstance(value, list) and len(value) == 4 else []
    numbers = [_float(side) for side in sides if isinstance(side, int | float) and not isinstance(side, bool)]
    return numbers if len(numbers) == len(sides) else []


def _float(number: int | float) -> float:
    """JSON sets no bound: a whole number of hundreds of digits is none that a float can hold."""
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number > 0 or -1)


def why_no_box(sides: Sides) -> str | None:
    """The reason why four numbers are no box in thousandths."""
    left, top, right, bottom = sides
    shown = f"[{', '.join(f'{side:g}' for side in sides)}]"
    if not all(0 <= side <= 1000 for side in sides):
        return f"the box {shown} is not within 0 and 1000"
    return None if left < right and top < bottom else f"the box {shown} is empty: its corners are the wrong way round"


def overlap(one: Sides, other: Sides) -> float:
    """Intersection over union, from 0 to 1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    union = _area(one) + _area(other) - shared
    return shared / union if union > 0 else 0.0


def _area(sides: Sides) -> float:
    return max(sides[2] - sides[0], 0) * max(sides[3] - sides[1], 0)


def _documents(text: str) -> Iterator[object]:
    """The outermost JSON objects and lists in a text."""
    decoder = json.JSONDecoder()
    at = 0
    while (opening := re.compile(r"[\[{]").search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            at = opening.end()
        else:
            yield value


def _walk(value: object, label: str) -> Iterator[FoundBox]:
    own = next((str(value[key]) for key in LABEL_KEYS if key in value), label) if isinstance(value, dict) else label
    if (sides := sides_of(value)) is not None:
        yield FoundBox(sides, own)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in BOX_KEYS or isinstance(item, dict | list):
                yield from _walk(item, own)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, label)
