"""What an answer in free words means: numbers, colours, times. Lenient in form, strict when two could be meant.

Pure functions of texts; None is "nothing, or not one thing".
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from ernie_deploy.rehearsal.grammar import COLOURS

Found = TypeVar("Found")


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

    Of several sentences those of the last. What is marked counts first where it is one moment: who marks the times of
    all that happens has not marked the answer.
    """
    sentences, marked = _sentences(text)[::-1], _marked(text)
    moments = [part for part in marked if len(set(_times(part))) == 1]
    turning = [part for sentence in sentences for part in _clauses(sentence) if TURNS.search(part)]
    return next((times for part in (*moments, *turning, *marked, *sentences) if (times := _times(part))), ())


def _clauses(sentence: str) -> list[str]:
    return [sentence] if OR.search(sentence) else CLAUSE_END.split(sentence)


def _times(text: str) -> tuple[float, ...]:
    plain = DURATION.sub(" ", LENGTH.sub(" ", ORDINAL.sub(_cardinal, unicodedata.normalize("NFKC", text))))
    without = _without_asides(plain)
    plain = without if numbers_in(without) else plain
    if clocks := CLOCK.findall(plain):
        return tuple(3600 * int(hours or 0) + 60 * int(minutes) + float(seconds) for hours, minutes, seconds in clocks)
    return numbers_in(plain)


def _cardinal(found: re.Match[str]) -> str:
    return found[2] or str(1 + ORDINALS.index(found[1].lower()))


# Colours --------------------------------------------------------------------------------------------------------------

CHINESE_COLOURS: Final[Mapping[str, str]] = dict(zip("红绿蓝黄橙紫黑白", COLOURS, strict=True))
_SIGNS: Final = f"[{''.join(CHINESE_COLOURS)}]"
COLOUR: Final = re.compile(
    rf"[a-z]+|{_SIGNS}(?=色)|(?<![一-鿿]){_SIGNS}(?=[、，,。；;\s→]|$)|(?<!明){_SIGNS}(?=的(?:[，,。；;\s]|$))"
)
"""A Chinese sign alone is a colour only where it is a word by itself, or the end of what is said."""


DENIED: Final = re.compile(
    r"\b(?:without|no(?!,)|not|nor|neither)\b[^.;\n]*|没有[^。；\n]*|(?:不是|而非|并非)[^，。；\n]*", re.IGNORECASE
)


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
SENTENCE_END: Final = re.compile(
    r"\n+(?!\s*(?:or|alternatively)\b|\s*或)|(?<=[.!?])\s+(?!(?:or|alternatively)\b)|(?<=[。！？])(?!\s*或)",
    re.IGNORECASE,
)
"""Not before another possibility: that takes back what was said."""

OR: Final = re.compile(r"\b(?:or|alternatively)\b|或", re.IGNORECASE)
ITEM: Final = re.compile(r"\n\s*(?:[-*•]|\d+[.)])\s+")
STEP: Final = re.compile(r"\bstep\s*\d+|步骤\s*\d+", re.IGNORECASE)
SIZE: Final = re.compile(r"\b\d{2,}\s*[×x]\s*\d{2,}(?:\s*(?:px|pixels))?\b")
LIST_NUMBER: Final = re.compile(r"^\s*\d+[.)]\s+", re.MULTILINE)
_CHECK: Final = (
    r"(?:\n[\s*#]*|(?<=[.!])\s+|(?<=[。！]))(?:(?:to|let's|let us|we can|you can) )?"
    r"(?:check|verif|proof|substituting (?:back|it|this|\$?x)\b|验证|检验|验算|代入(?:原|检|验))"
    r"|,? and indeed\b|[，,]代入原"
)
_ANSWER: Final = (
    r"\b(?:so|therefore|thus|hence)\b[^.\n]{0,40}(?:x\W{0,4}=|answer)|(?:所以|因此)[^。\n]{0,20}(?:x\W{0,4}=|答案)"
    r"|\n[\s*#]*(?:(?:the|final) )*answer|\n[\s*#]*答案"
)
AFTERTHOUGHT: Final = re.compile(rf"(?:{_CHECK}).*?(?={_ANSWER}|\Z)", re.IGNORECASE | re.DOTALL)
"""What is put in once more to see whether it was right, up to where an answer is given again."""

ASIDE: Final = re.compile(r"(?<!\\)\((?!or\b)[^()]*(?<!\\)\)|（[^或（）]*）", re.IGNORECASE)
CONCLUSION: Final = re.compile(r"\b(?:so|therefore|thus|hence)\b|所以|因此", re.IGNORECASE)
COMPARISON: Final = re.compile(
    r"\b(?:because|since|compared|than|followed by|whereas|while|rather|not|check|exceed(?:s|ing)?)\b|, as\b"
    r"|因为|比|高于|超过",
    re.IGNORECASE,
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
    return part if OR.search(part) else re.split("[=→]", part)[-1]


def _stated(part: str) -> str:
    return part if OR.search(part) else STATEMENT.split(part)[-1]


_COLOUR_STEPS: Final = (_without_asides, _conclusion, _before_comparing, _chosen)
_NUMBER_STEPS: Final = (_without_asides, _conclusion, _before_comparing, _result, _stated)


def _meant(text: str, find: Callable[[str], set[Found]], steps: tuple[Callable[[str], str], ...]) -> Found | None:
    """The one thing that is found in the whole text, else in what is marked, else in the last sentence with any.

    A part that names more is narrowed step by step to what it concludes; an answer that comes first, alone, counts too.
    """
    text = _without_numbering(text)
    before = AFTERTHOUGHT.sub("", "\n" + text)
    text = before if find(before) else text
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
