"""A small equation as a picture. The rehearsal model's glyphs have no letters, so these have their own."""

import random
from typing import NamedTuple

from ernie_deploy.rehearsal import glyphs
from ernie_deploy.rehearsal.scenes import BLACK, CELL, WHITE, Canvas, Picture

LETTERS = {
    "x": (".....", ".....", "#...#", ".#.#.", "..#..", ".#.#.", "#...#"),
    "=": (".....", ".....", "#####", ".....", "#####", ".....", "....."),
}

BAR_HEIGHT = 3


class Equation(NamedTuple):
    """`x / divisor + added = result`, drawn with a fraction bar."""

    divisor: int
    added: int
    result: int

    @property
    def solution(self) -> int:
        return self.divisor * (self.result - self.added)

    def __str__(self) -> str:
        return f"x/{self.divisor} + {self.added} = {self.result}"


def some_equation(rng: random.Random) -> Equation:
    """All numbers have one digit, and x is none of them."""
    while True:
        divisor, quotient, added = rng.randint(2, 4), rng.randint(2, 5), rng.randint(1, 4)
        equation = Equation(divisor, added, quotient + added)
        if equation.result < 10 and equation.solution not in equation:
            return equation


def drawn(equation: Equation) -> Picture:
    canvas = Canvas(9 * CELL, 5 * CELL, WHITE)
    _write(canvas, "x", 1, 1)
    _write(canvas, str(equation.divisor), 1, 3)
    middle = 5 * CELL // 2
    canvas.fill((CELL, middle - 1, 2 * CELL, middle - 1 + BAR_HEIGHT), BLACK)
    for column, glyph in enumerate(("+", str(equation.added), "=", str(equation.result)), start=3):
        _write(canvas, glyph, column, 2)
    return canvas.picture()


def _write(canvas: Canvas, glyph: str, column: int, row: int) -> None:
    if glyph not in LETTERS:
        canvas.write(glyph, column, row, BLACK)
        return
    for down, line in enumerate(LETTERS[glyph]):
        for across, dot in enumerate(line):
            left = CELL * column + glyphs.LEFT + glyphs.SCALE * across
            top = CELL * row + glyphs.TOP + glyphs.SCALE * down
            if dot == "#":
                canvas.fill((left, top, left + glyphs.SCALE, top + glyphs.SCALE), BLACK)
