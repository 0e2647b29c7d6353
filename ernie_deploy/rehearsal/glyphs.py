"""Digits as small bitmaps: drawn into pictures, onto the frames of videos, and read back from both."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

COLUMNS: Final = 5
ROWS: Final = 7
CELL: Final = 28
"""The side in pixels of what becomes one image token."""

SCALE: Final = 3
"""Pixels per dot: a glyph is 15 × 21 pixels in the middle of a cell."""

LEFT: Final = (CELL - COLUMNS * SCALE) // 2
TOP: Final = (CELL - ROWS * SCALE) // 2

GLYPHS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "0": (".###.", "#...#", "#..##", "#.#.#", "##..#", "#...#", ".###."),
        "1": ("..#..", ".##..", "..#..", "..#..", "..#..", "..#..", ".###."),
        "2": (".###.", "#...#", "....#", "...#.", "..#..", ".#...", "#####"),
        "3": ("#####", "...#.", "..#..", "...#.", "....#", "#...#", ".###."),
        "4": ("...#.", "..##.", ".#.#.", "#..#.", "#####", "...#.", "...#."),
        "5": ("#####", "#....", "####.", "....#", "....#", "#...#", ".###."),
        "6": ("..##.", ".#...", "#....", "####.", "#...#", "#...#", ".###."),
        "7": ("#####", "....#", "...#.", "..#..", ".#...", ".#...", ".#..."),
        "8": (".###.", "#...#", "#...#", ".###.", "#...#", "#...#", ".###."),
        "9": (".###.", "#...#", "#...#", ".####", "....#", "...#.", ".##.."),
        "+": (".....", "..#..", "..#..", "#####", "..#..", "..#..", "....."),
    }
)
"""Seven rows of five dots, `#` where there is ink. The processor of the `hub` layout carries the digits too."""

BRIGHT: Final = 128


def is_bright(rgb: tuple[int, int, int]) -> bool:
    """Ink is black on a bright ground and white on a dark one."""
    red, green, blue = rgb
    return (299 * red + 587 * green + 114 * blue) // 1000 >= BRIGHT


def grid(scale: int = SCALE) -> tuple[tuple[int, int], ...]:
    """The top left pixels (x, y), in its cell, of all dots that could have ink, row by row."""
    left, top = (CELL - COLUMNS * scale) // 2, (CELL - ROWS * scale) // 2
    return tuple((left + scale * column, top + scale * row) for row in range(ROWS) for column in range(COLUMNS))


def dots(glyph: str, *, scale: int = SCALE) -> tuple[tuple[int, int], ...]:
    """Those of the grid that have ink."""
    return tuple(place for place, dot in zip(grid(scale), "".join(GLYPHS[glyph]), strict=True) if dot == "#")
