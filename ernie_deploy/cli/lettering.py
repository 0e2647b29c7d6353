"""Colours and letters of the what-if picture: how wide words are, how labels get out of each other's way.

matplotlib draws; where a word goes is decided here, by the width that its letters take.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

# Width of a letter of DejaVu Sans, which are wider than most, as a part of its size: in bold words, and in amounts.
LETTER: Final = 0.68
DIGIT: Final = 0.54

INK, SOFT, FAINT = "#1f2933", "#616e7c", "#e4e7eb"


class Spot(NamedTuple):
    """Where a label would like to have its middle, and how much room it takes."""

    middle: float
    size: float


def printable(text: str) -> str:
    """Names come from outside: what is no letter has no place in XML."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def fitting(text: str, size: float, inches: float) -> float:
    """The size of letters at which the text is not wider than so many inches; at most `size`."""
    return min(size, inches * 72 / (LETTER * max(1, len(text))))


def spread(spots: Sequence[Spot], low: float, high: float) -> list[float]:
    """Middles that overlap nowhere, in the same order, as near as may be to where they would like to be.

    They are pushed up from the lowest, then down from the highest; what has no room between `low` and `high` sticks out
    below.
    """
    middles: list[float] = []
    edge = low
    for spot in spots:
        middles.append(max(spot.middle, edge + spot.size / 2))
        edge = middles[-1] + spot.size / 2
    edge = high
    for index in range(len(spots) - 1, -1, -1):
        middles[index] = min(middles[index], edge - spots[index].size / 2)
        edge = middles[index] - spots[index].size / 2
    return middles


def short(number: int) -> str:
    """`32k`, `1M`; `1,000` for what is no power of two."""
    for unit, letter in ((1 << 20, "M"), (1 << 10, "k")):
        if number % unit == 0:
            return f"{number // unit}{letter}"
    return f"{number:,}"


def powers(first: float, last: float) -> list[int]:
    """Powers of two from the first to the last."""
    return [1 << exponent for exponent in range(64) if first <= 1 << exponent <= last]


def sentence(figure: "Figure", at: tuple[float, float], pieces: Sequence[tuple[str, str, str]], *, size: float) -> None:
    """Words of several colours and weights in a row, from the left end."""
    from matplotlib.offsetbox import TextArea

    areas: list[Artist] = [
        TextArea(printable(text), textprops={"size": size, "color": colour, "weight": weight})
        for text, colour, weight in pieces
    ]
    in_a_row(figure, at, areas)


def in_a_row(figure: "Figure", at: tuple[float, float], boxes: "list[Artist]") -> None:
    """Words and samples side by side, from the left end."""
    from matplotlib.offsetbox import AnnotationBbox, HPacker

    row = HPacker(children=boxes, pad=0, sep=6, align="center")
    figure.add_artist(AnnotationBbox(row, at, xycoords="figure fraction", box_alignment=(0, 0.5), frameon=False, pad=0))
