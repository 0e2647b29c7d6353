"""What an answer in free words means: boxes, numbers, colours, times. Lenient in form, strict when two could be meant.

Pure functions of texts; None is "nothing, or not one thing".
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

from ernie_deploy.rehearsal.grammar import COLOURS

Found = TypeVar("Found")

Sides = tuple[float, float, float, float]
"""Left, top, right, bottom, in thousandths of the picture."""


class FoundBox(NamedTuple):
    sides: Sides
    label: str


# Boxes ----------------------------------------------------------------------------------------------------------------

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


# Numbers --------------------------------------------------------------------------------------------------------------

NUMBER: Final = re.compile(r"(?:(?<![\w.)])[-−])?(?<![A-Za-z0-9_.])\d+(?:\.\d+)?(?!\d|(?:st|nd|rd|th)\b)")

STATEMENT: Final = re.compile(
    r"\b(?:is|equals?|gives?|makes?|results? in|(?:adds?|sums?|comes?) (?:up )?to)\b|等于|[是为得]", re.IGNORECASE
)

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
    return _meant(text, lambda part: set(numbers_in(part)), _NUMBER_STEPS)


def digits_meant(text: str) -> float | None:
    """As `number_meant`, of a number that is drawn digit by digit: `4 2 9` is one."""
    return number_meant(re.sub(r"(?<=\b\d) (?=\d\b)", "", text))


def numbers_in(text: str) -> tuple[float, ...]:
    """In digits of any script; words, English and Chinese, count only where there are no digits."""
    plain = unicodedata.normalize("NFKC", text)
    if digits := NUMBER.findall(plain):
        return tuple(float(number.replace("−", "-")) for number in digits)
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

DURATION: Final = re.compile(
    r"\b(?:last(?:s|ing|ed)?|for)(?: (?:about|around|only|just|exactly))* (?:\d+(?:\.\d+)?|one|a)[- ]?(?:s|seconds?)\b"
    r"|\(\d+(?:\.\d+)?[- ]?(?:s|seconds?)\)|持续[^，。]*秒",
    re.IGNORECASE,
)
"""`for 1 second`: how long it goes on."""

ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
ORDINAL: Final = re.compile(rf"\b(?:({'|'.join(ORDINALS)})|(\d+)(?:st|nd|rd|th))(?=[ -]second\b)", re.IGNORECASE)
TURNS: Final = re.compile(r"\b(?:turn(?:s|ed|ing)?|becomes?|became|changes|changed|switches)\b|变", re.IGNORECASE)
CLAUSE_END: Final = re.compile(r"[,;，；]|\b(?:and|but|before|until|then)\b")


def times_meant(text: str) -> tuple[float, ...]:
    """The seconds that the answer names, as `5 s`, `00:05` or a range: those beside the turning, if any stand there.

    Of several sentences those of the last.
    """
    sentences = _sentences(text)[::-1]
    turning = [part for sentence in sentences for part in CLAUSE_END.split(sentence) if TURNS.search(part)]
    return next((times for part in (*_marked(text), *turning, *sentences) if (times := _times(part))), ())


def _times(text: str) -> tuple[float, ...]:
    plain = DURATION.sub(" ", LENGTH.sub(" ", ORDINAL.sub(_cardinal, unicodedata.normalize("NFKC", text))))
    if clocks := CLOCK.findall(plain):
        return tuple(3600 * int(hours or 0) + 60 * int(minutes) + float(seconds) for hours, minutes, seconds in clocks)
    return numbers_in(plain)


def _cardinal(found: re.Match[str]) -> str:
    return found[2] or str(1 + ORDINALS.index(found[1].lower()))


# Colours --------------------------------------------------------------------------------------------------------------

CHINESE_COLOURS: Final[Mapping[str, str]] = dict(zip("红绿蓝黄橙紫黑白", COLOURS, strict=True))
_SIGNS: Final = f"[{''.join(CHINESE_COLOURS)}]"
COLOUR: Final = re.compile(rf"[a-z]+|{_SIGNS}(?=色)|(?<![一-鿿]){_SIGNS}(?=[、，,。；;\s→]|$)")
"""A Chinese sign alone is a colour only where it is a word by itself."""


DENIED: Final = re.compile(r"\b(?:without|no|not|nor|neither)\b[^.;\n]*", re.IGNORECASE)


def colours_in(text: str) -> tuple[str, ...]:
    """The colours that a text names, in English or Chinese, in its order, each time it names them."""
    named = (CHINESE_COLOURS.get(word, word) for word in COLOUR.findall(text.lower()))
    return tuple(colour for colour in named if colour in COLOURS)


def colour_meant(text: str) -> str | None:
    """The colour that a text gives as its answer; of what it says that there is none of, none."""
    seen = DENIED.sub(" ", text)
    return _meant(seen if colours_in(seen) else text, lambda part: set(colours_in(part)), _COLOUR_STEPS)


def colours_in_order(text: str) -> tuple[str, ...]:
    """A list of colours: the last of the sentences and lists that name the most, or all of the text."""
    listed = [_without_repeats(colours_in(sentence)) for sentence in _sentences(ITEM.sub(" ; ", text))]
    most = max((len(set(colours)) for colours in listed), default=0)
    if most > 1:
        return next(colours for colours in reversed(listed) if len(set(colours)) == most)
    return _without_repeats(colours_in(text))


def _without_repeats(colours: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(colour for at, colour in enumerate(colours) if at == 0 or colour != colours[at - 1])


# Parts of an answer ---------------------------------------------------------------------------------------------------

MARKED: Final = (re.compile(r"\\boxed\{([^}]*)\}"), re.compile(r"\*\*(.+?)\*\*"))
SENTENCE_END: Final = re.compile(r"\n+|(?<=[.!?])\s+|(?<=[。！？])")
ITEM: Final = re.compile(r"\n\s*(?:[-*•]|\d+[.)])\s+")
STEP: Final = re.compile(r"\bstep\s*\d+|步骤\s*\d+", re.IGNORECASE)
SIZE: Final = re.compile(r"\b\d{2,}\s*[×x]\s*\d{2,}(?:\s*(?:px|pixels))?\b")
LIST_NUMBER: Final = re.compile(r"^\s*\d+[.)]\s+", re.MULTILINE)
AFTERTHOUGHT: Final = re.compile(r"\n[\s*#]*(?:check|verif|proof|let's verify|验证|检验).*", re.IGNORECASE | re.DOTALL)
"""What is put in once more to see whether it was right."""

ASIDE: Final = re.compile(r"(?<!\\)\((?!or\b)[^()]*(?<!\\)\)|（[^或（）]*）", re.IGNORECASE)
CONCLUSION: Final = re.compile(r"\b(?:so|therefore|thus|hence)\b|所以|因此", re.IGNORECASE)
COMPARISON: Final = re.compile(
    r"\b(?:because|since|compared|than|followed by|whereas|while|rather|not|check)\b|, as\b|因为|比", re.IGNORECASE
)
CHOICE: Final = re.compile(r"^\W*(?:among|of|out of|comparing|between)\b.*,", re.IGNORECASE)
"""`Among red and blue, blue is the taller`: what there is to choose from."""


def _without_asides(part: str) -> str:
    return ASIDE.sub(" ", part)


def _conclusion(part: str) -> str:
    return CONCLUSION.split(part)[-1]


def _before_comparing(part: str) -> str:
    return COMPARISON.split(part)[0]


def _chosen(part: str) -> str:
    return CHOICE.sub("", part)


def _result(part: str) -> str:
    return re.split("[=→]", part)[-1]


def _stated(part: str) -> str:
    return STATEMENT.split(part)[-1]


_COLOUR_STEPS: Final = (_without_asides, _conclusion, _before_comparing, _chosen)
_NUMBER_STEPS: Final = (_without_asides, _conclusion, _before_comparing, _result, _stated)


def _meant(text: str, find: Callable[[str], set[Found]], steps: tuple[Callable[[str], str], ...]) -> Found | None:
    """The one thing that is found in the whole text, else in what is marked, else in the last sentence with any.

    A part that names more is narrowed step by step to what it concludes; an answer that comes first, alone, counts too.
    """
    text = AFTERTHOUGHT.sub("", "\n" + _without_numbering(text))
    for whole in (text, _without_asides(text)):
        if len(found := find(whole)) == 1:
            return found.pop()
    last = next((part for part in reversed(_sentences(text)) if find(part)), "")
    for part in (*_marked(text), last):
        if (one := _narrowed(part, find, steps)) is not None:
            return one
    first = next(iter(_sentences(text)), "")
    found = find(first)
    return found.pop() if len(found) == 1 and len(re.findall(r"\w+", first)) == 1 else None


def _narrowed(part: str, find: Callable[[str], set[Found]], steps: tuple[Callable[[str], str], ...]) -> Found | None:
    """The one thing that a part means; a step that leaves nothing is not taken."""
    found = find(part)
    for step in steps:
        if len(found) > 1 and (fewer := find(step(part))):
            part, found = step(part), fewer
    return found.pop() if len(found) == 1 else None


def _without_numbering(text: str) -> str:
    """Steps and the lines of a list are numbered, and those numbers mean nothing; nor do the sides of the picture."""
    text = SIZE.sub(" ", STEP.sub(" ", text))
    return LIST_NUMBER.sub("", text) if len(LIST_NUMBER.findall(text)) > 1 else text


def _marked(text: str) -> tuple[str, ...]:
    """What is in a box or in bold letters, each kind together."""
    return tuple(" ; ".join(marked) for pattern in MARKED if (marked := pattern.findall(text)))


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in SENTENCE_END.split(text) if sentence.strip()]
