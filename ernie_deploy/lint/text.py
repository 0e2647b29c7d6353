"""A text whose every character knows where it stands in the file, also when it was taken out of a quoted value."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple


class Text(NamedTuple):
    """Characters and, for each of them and for the end, its offset in the file."""

    characters: str
    offsets: Sequence[int]

    def slice(self, start: int, end: int) -> "Text":
        return Text(self.characters[start:end], self.offsets[start : end + 1])


def whole(characters: str) -> Text:
    """The text of a file as it is."""
    return Text(characters, range(len(characters) + 1))


class Place(NamedTuple):
    """Line and column as people count them, from 1; the column counts characters."""

    line: int
    column: int


class Lines:
    """Turns offsets into places."""

    def __init__(self, characters: str) -> None:
        self._characters = characters

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        end = self._characters.find("\n")
        while end >= 0:
            starts.append(end + 1)
            end = self._characters.find("\n", end + 1)
        return starts

    def place(self, offset: int) -> Place:
        line = bisect_right(self._starts, offset)
        return Place(line, offset - self._starts[line - 1] + 1)

    def end_of_line(self, offset: int) -> int:
        """Where the line of `offset` ends, its line break not included."""
        end = self._characters.find("\n", offset)
        end = len(self._characters) if end < 0 else end
        return end - 1 if end > 0 and self._characters[end - 1] == "\r" else end


def aligned(value: str, source: Text, start: int, end: int, quote: str) -> Text:
    """`value`, decoded from `source[start:end]` (the inside of a YAML scalar), with the place of every character.

    Walks both at once: an equal character is the same one; blanks of the source that the value lacks are indentation or
    a fold; with `quote` an escape is one character. What does not fit any more keeps the last place that was sure.
    """
    characters = source.characters
    found: list[int] = []
    at = start
    for character in value:
        at = _next(character, characters, at, end, quote)
        found.append(source.offsets[min(at, end)])
        at += _width(character, characters, at, quote)
    found.append(source.offsets[min(at, end)])
    return Text(value, found)


def _next(character: str, characters: str, at: int, end: int, quote: str) -> int:
    """The index of the next character in the source that can stand for this one."""
    look = at
    while look < end and characters[look] != character:
        if quote == '"' and characters[look] == "\\":
            if characters[look + 1 : look + 2] not in ("\n", "\r"):
                return look
            look += 2
        elif characters[look].isspace():
            look += 1
        else:
            return at
    return look if look < end else at


def _width(character: str, characters: str, at: int, quote: str) -> int:
    """How many characters of the source this one takes."""
    if at >= len(characters):
        return 0
    if quote == '"' and characters[at] == "\\":
        return {"x": 4, "u": 6, "U": 10}.get(characters[at + 1 : at + 2], 2)
    if characters[at] == character:
        return 2 if quote == "'" == character else 1
    return 1 if characters[at].isspace() else 0
