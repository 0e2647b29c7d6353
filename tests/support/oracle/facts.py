"""What there is to say, before anybody puts it into words: `told` is what is claimed, the rest is what was seen.

A lie changes the claim alone. So a lie has the right colours and numbers around it, as the slip of a real model has.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeVar

from ernie_deploy.rehearsal.grammar import QUADRANTS, square_box
from ernie_deploy.rehearsal.scenes import VIDEO_SECONDS
from ernie_deploy.rehearsal.talk import WORDS
from ernie_deploy.smoke.formula import Equation
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS

CAPITALS = ("Paris", "Lyon", "Marseille", "Nice", "Toulouse", "Bordeaux", "Lille", "Nantes")
"""The true one first; so many that whoever asks six times hears no lie twice."""

OFF_BY = 3
"""Thousandths by which a box misses its square."""

Name = TypeVar("Name", int, str)


class Colour(NamedTuple):
    told: str


class InOrder(NamedTuple):
    """Colours one after the other: of pictures, of videos, or of the parts of one video."""

    of: Literal["picture", "video", "part"]
    told: tuple[str, ...]


class Tallest(NamedTuple):
    values: Mapping[str, int]
    told: str


class Value(NamedTuple):
    values: Mapping[str, int]
    colour: str
    told: int


class Sum(NamedTuple):
    first: int
    second: int
    told: int


class Root(NamedTuple):
    equation: Equation
    told: int


class Number(NamedTuple):
    told: int


class Place(NamedTuple):
    """In which quarter a square stands."""

    colour: str
    told: str

    @property
    def box(self) -> list[int]:
        """As a model tells it that is good, but not exact."""
        return [side + OFF_BY for side in square_box(self.told)]


class Moment(NamedTuple):
    """The second at which a white video shows a colour."""

    colour: str
    told: int


class Word(NamedTuple):
    how: Literal["secret", "found"]
    told: str


class Echo(NamedTuple):
    told: str


class Capital(NamedTuple):
    """asked: how many questions came before. A real model at temperature 0 does not always choose the same words."""

    told: str
    asked: int


class Talk(NamedTuple):
    """What cannot be wrong."""

    about: Literal["myself", "story"]


Fact = (
    Colour | InOrder | Tallest | Value | Sum | Root | Number | Place | Moment | Word | Echo | Capital | Talk
)  # fmt: skip


def lie(fact: Fact, count: int) -> Fact:
    """Another claim about the same; count: how many questions came before, so that no two lies in a row are alike."""
    match fact:
        case Colour(told):
            return Colour(_other(PLAIN_COLOURS, told, count))
        case InOrder(told=told):
            return fact._replace(told=(*told[1:], told[0]))
        case Tallest(values, told):
            return fact._replace(told=_other(tuple(values), told, count))
        case Value(values=values, told=told):
            return fact._replace(told=_other(tuple(values.values()), told, count))
        case Sum(told=told) | Root(told=told) | Number(told=told):
            return fact._replace(told=told + 1 + count % 5)
        case Place(told=told):
            return fact._replace(told=_other(tuple(QUADRANTS), told, count))
        case Moment(told=told):
            return fact._replace(told=(told + 3 + count % 3) % VIDEO_SECONDS)
        case Word(told=told):
            return fact._replace(told=_other(WORDS, told, count))
        case Echo(told):
            return Echo(told[::-1])
        case Capital(told, asked):
            return Capital(_other(CAPITALS, told, count), asked)
        case Talk():
            return fact


def _other(names: tuple[Name, ...], told: Name, count: int) -> Name:
    others = [name for name in names if name != told]
    return others[count % len(others)]
