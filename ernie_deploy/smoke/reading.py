"""What an answer in free words means: boxes, numbers, colours, times. Lenient in form, strict when two could be meant.

Pure functions of texts; None is "nothing, or not one thing".
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

from ernie_deploy.rehearsal.sights import colours_named

Found = TypeVar("Found")

Sides = tuple[float, float, float, float]
"""Left, top, right, bottom, in thousandths of the picture."""


class FoundBox(NamedTuple):
    sides: Sides
    label: str


# Boxes ----------------------------------------------------------------------------------------------------------------

BOX_KEYS: Final = ("bbox_2d", "bbox", "box_2d", "box", "bounding_box")
LABEL_KEYS: Final = ("label", "name", "object")
CORNERS: Final = ("x1", "y1", "x2", "y2")


def boxes_in(text: str) -> tuple[FoundBox, ...]:
    """Every box in the JSON that stands in a text, in its order; in a fence, between words, or alone."""
    return tuple(box for value in _documents(text) for box in _walk(value, ""))


def sides_of(value: object) -> Sides | None:
    """Four numbers in a list, or under the names of the corners; None for anything else."""
    if isinstance(value, dict) and set(CORNERS) <= set(value):
        value = [value[corner] for corner in CORNERS]
    if not isinstance(value, list) or len(value) != 4:
        return None
    numbers = tuple(_float(side) for side in value if isinstance(side, int | float) and not isinstance(side, bool))
    return (numbers[0], numbers[1], numbers[2], numbers[3]) if len(numbers) == 4 else None


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
    if (sides := sides_of(value)) is not None:
        yield FoundBox(sides, label)
    elif isinstance(value, dict):
        own = next((str(value[key]) for key in LABEL_KEYS if key in value), label)
        for key, item in value.items():
            if key in BOX_KEYS or isinstance(item, dict | list):
                yield from _walk(item, own)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, label)


# Numbers --------------------------------------------------------------------------------------------------------------

NUMBER: Final = re.compile(r"(?<![A-Za-z0-9_.])\d+(?:\.\d+)?(?!\d)")

STATEMENT: Final = re.compile(r"\bis\b|[是为]")

_WORDS: Final = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty
"""
WORDS: Final = tuple(_WORDS.split())

CHINESE: Final = "零一二三四五六七八九"
CHINESE_NUMBER: Final = re.compile(r"[零一二两三四五六七八九十]+(?![个种根张幅些下般样])")


def number_meant(text: str) -> float | None:
    """The number that a text gives as its answer: the only one, the marked one, or the only one of its last sentence.

    Of an equation it is what stands behind the last `=`, of a statement with more numbers what it `is`.
    """
    return _meant(text, _result)


def _result(text: str) -> set[float]:
    behind = text.rpartition("=")[2]
    found = set(numbers_in(behind))
    return found if len(found) < 2 else set(numbers_in(STATEMENT.split(behind)[-1]))


def numbers_in(text: str) -> tuple[float, ...]:
    """In digits of any script; words, English and Chinese, count only where there are no digits."""
    plain = unicodedata.normalize("NFKC", text)
    if digits := NUMBER.findall(plain):
        return tuple(float(number) for number in digits)
    english = [float(WORDS.index(word)) for word in re.findall(r"[a-z]+", plain.lower()) if word in WORDS]
    return tuple(english or [_chinese(number) for number in CHINESE_NUMBER.findall(plain)])


def _chinese(number: str) -> float:
    tens, ten, ones = number.replace("两", "二").rpartition("十")
    return float(10 * (_digits(tens) if tens else 1) + _digits(ones) if ten else _digits(ones))


def _digits(text: str) -> int:
    return int("".join(str(CHINESE.index(digit)) for digit in text if digit in CHINESE) or "0")


# Times ----------------------------------------------------------------------------------------------------------------

CLOCK: Final = re.compile(r"(?<![\d:])(?:(\d{1,2}):)?(\d{1,2}):(\d{2}(?:\.\d+)?)(?![\d:])")
LENGTH: Final = re.compile(r"\d+(?:\.\d+)?[- ]?(?:s|second|seconds)?[- ](?:long\b|video\b|clip\b)|\d+\s*秒的视频")
"""`8-second video`: how long it is, not when something happens."""


def times_meant(text: str) -> tuple[float, ...]:
    """The seconds that the answer names, as `5 s`, `00:05` or a range; of several sentences those of the last."""
    return next((times for part in (*_marked(text), *reversed(_sentences(text))) if (times := _times(part))), ())


def _times(text: str) -> tuple[float, ...]:
    plain = LENGTH.sub(" ", unicodedata.normalize("NFKC", text))
    if clocks := CLOCK.findall(plain):
        return tuple(3600 * int(hours or 0) + 60 * int(minutes) + float(seconds) for hours, minutes, seconds in clocks)
    return numbers_in(plain)


# Colours --------------------------------------------------------------------------------------------------------------


def colour_meant(text: str) -> str | None:
    """The colour that a text gives as its answer."""
    return _meant(text, lambda part: set(colours_named(part)))


def colours_in_order(text: str) -> tuple[str, ...]:
    """A list of colours: that of the last sentence which has one, or all of the text with one colour per line."""
    for sentence in reversed(_sentences(text)):
        listed = _without_repeats(colours_named(sentence))
        if len(listed) > 1:
            return listed
    return _without_repeats(colours_named(text))


def _without_repeats(colours: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(colour for at, colour in enumerate(colours) if at == 0 or colour != colours[at - 1])


# Parts of an answer ---------------------------------------------------------------------------------------------------

MARKED: Final = (re.compile(r"\\boxed\{([^}]*)\}"), re.compile(r"\*\*(.+?)\*\*"))
SENTENCE_END: Final = re.compile(r"\n+|(?<=[.!?])\s+|(?<=[。！？])")


def _meant(text: str, find: Callable[[str], set[Found]]) -> Found | None:
    """The one thing that is found in the whole text, else in what is marked, else in the last sentence with any."""
    for part in (text, *_marked(text)):
        if len(found := find(part)) == 1:
            return found.pop()
    last = next((found for part in reversed(_sentences(text)) if (found := find(part))), set())
    return last.pop() if len(last) == 1 else None


def _marked(text: str) -> tuple[str, ...]:
    """What is in a box or in bold letters, each kind together."""
    return tuple(" ; ".join(marked) for pattern in MARKED if (marked := pattern.findall(text)))


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in SENTENCE_END.split(text) if sentence.strip()]
