"""Scenes of known content: the model learns from them, the probes ask about them, the simulator reads them.

Drawn anew each time, so that no model and no cache has seen them. Standard library only.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from statistics import NormalDist
from typing import Final, NamedTuple

from ernie_deploy.rehearsal import glyphs
from ernie_deploy.rehearsal.glyphs import CELL, GLYPHS
from ernie_deploy.rehearsal.grammar import COLOURS, QUADRANTS, SQUARE_COLOURS, Box, Rgb, box_in_pixels, square_box

__all__ = ["CELL", "GLYPHS"]

JITTER: Final = 18
NOISE_LIMIT: Final = 10.0
"""How far from the named colour the model has practised: steps of a channel, and a standard deviation."""

PAPER: Final[Rgb] = (245, 245, 245)
PAPER_JITTER: Final = 8
BLACK: Final[Rgb] = (0, 0, 0)
WHITE: Final[Rgb] = (255, 255, 255)

BAR_COLOURS: Final = SQUARE_COLOURS
BAR_UNIT: Final = 20
"""Pixels of height per unit of value."""

SMALL_PRINT_SIDE: Final = 672
"""Twice the side to which the model's processor shrinks a picture, so that a quarter of it is not shrunk."""

PANEL_GREY: Final = 150
HATCH: Final = 90
"""The digit's ink: pixels by turns this much lighter and darker than the panel. Shrunk to half, they are the panel."""

HATCHED_SCALE: Final = 4

VIDEO_SECONDS: Final = 8
VIDEO_FPS: Final = 2
VIDEO_SIDE: Final = 56


class Picture(NamedTuple):
    """`pixels` holds the rows from the top, three bytes per pixel."""

    width: int
    height: int
    pixels: bytes

    def rows(self) -> list[bytes]:
        line = 3 * self.width
        return [self.pixels[at : at + line] for at in range(0, line * self.height, line)]

    def png(self) -> bytes:
        # Here and not above: the training environment draws too, but has none of the client's dependencies.
        from ernie_deploy.client.png import png

        return png(self.width, self.height, self.rows())

    def crop(self, box: Box) -> "Picture":
        """box: in thousandths, as the model writes it."""
        left, top, right, bottom = box_in_pixels(box, self.width, self.height)
        rows = self.rows()[top:bottom]
        return Picture(right - left, bottom - top, b"".join(row[3 * left : 3 * right] for row in rows))

    def at(self, x: int, y: int) -> Rgb:
        place = 3 * (y * self.width + x)
        red, green, blue = self.pixels[place : place + 3]
        return red, green, blue


class Video(NamedTuple):
    """Frames of one size, in their order."""

    frames: tuple[Picture, ...]
    fps: int


class Canvas:
    """What is drawn on; boxes are in pixels."""

    def __init__(self, width: int, height: int, ground: Rgb) -> None:
        self.width, self.height = width, height
        self._rows = [bytearray(bytes(ground) * width) for _ in range(height)]

    def fill(self, box: Box, colour: Rgb) -> None:
        left, top, right, bottom = box
        line = bytes(colour) * (right - left)
        for row in self._rows[top:bottom]:
            row[3 * left : 3 * right] = line

    def write(self, glyph: str, column: int, row: int, ink: Rgb) -> None:
        """A glyph in the middle of a cell of the grid of 28 pixels."""
        for x, y in glyphs.dots(glyph):
            left, top = CELL * column + x, CELL * row + y
            self.fill((left, top, left + glyphs.SCALE, top + glyphs.SCALE), ink)

    def hatch(self, glyph: str, column: int, row: int, grey: int) -> None:
        """The same larger, and every pixel of ink is by turns lighter and darker than the grey ground.

        Dots start at even pixels and have an even side: only so nothing is left when two by two pixels become one.
        """
        for x, y in glyphs.dots(glyph, scale=HATCHED_SCALE):
            for down in range(CELL * row + y, CELL * row + y + HATCHED_SCALE):
                for across in range(CELL * column + x, CELL * column + x + HATCHED_SCALE):
                    value = grey + (HATCH if (across + down) % 2 else -HATCH)
                    self.fill((across, down, across + 1, down + 1), (value, value, value))

    def picture(self) -> Picture:
        return Picture(self.width, self.height, b"".join(self._rows))


# Plain colours and squares --------------------------------------------------------------------------------------------


def colour_field(colour: str, rng: random.Random, *, width: int = 224, height: int = 224) -> Picture:
    """Filled with nearly `colour`: shifted a little and with grain."""
    deviation = rng.uniform(0, NOISE_LIMIT)
    pixels = bytearray(3 * width * height)
    for channel, value in enumerate(shifted(COLOURS[colour], rng, JITTER)):
        pixels[channel::3] = rng.randbytes(width * height).translate(_grain(value, deviation))
    return Picture(width, height, bytes(pixels))


def squares(places: Mapping[str, str], rng: random.Random, *, width: int = 224, height: int = 224) -> Picture:
    """places: from the name of a quarter to the colour of the square in it; each stands in its `square_box`."""
    canvas = Canvas(width, height, shifted(PAPER, rng, PAPER_JITTER))
    for quadrant, colour in places.items():
        canvas.fill(box_in_pixels(square_box(quadrant), width, height), shifted(COLOURS[colour], rng, JITTER))
    return canvas.picture()


def square_in_quadrant(
    colour: str, quadrant: str, rng: random.Random, *, width: int = 224, height: int = 224
) -> Picture:
    """A nearly white ground with one square of nearly `colour` in one quarter."""
    return squares({quadrant: colour}, rng, width=width, height=height)


def some_squares(rng: random.Random) -> dict[str, str]:
    """Two or three quarters with squares of different colours, for `squares`."""
    count = rng.choice((2, 3))
    return dict(zip(rng.sample(list(QUADRANTS), count), rng.sample(SQUARE_COLOURS, count), strict=True))


# Digits ---------------------------------------------------------------------------------------------------------------


def digit_picture(
    digit: int, colour: str, rng: random.Random, *, side: int = 224, is_everywhere: bool = False
) -> Picture:
    """A digit on a ground of nearly `colour`, in one cell or in every one."""
    ground = shifted(COLOURS[colour], rng, JITTER)
    canvas = Canvas(side, side, ground)
    cells = [(column, row) for column in range(side // CELL) for row in range(side // CELL)]
    for column, row in cells if is_everywhere else [rng.choice(cells)]:
        canvas.write(str(digit), column, row, ink_on(ground))
    return canvas.picture()


def sum_picture(first: int, second: int, rng: random.Random, *, side: int = 224) -> Picture:
    """`first + second`, both from 1 to 9, in three neighbouring cells somewhere on a nearly white ground."""
    canvas = Canvas(side, side, shifted(PAPER, rng, PAPER_JITTER))
    cells = side // CELL
    column, row = rng.randrange(cells - 2), rng.randrange(cells)
    for offset, glyph in enumerate((str(first), "+", str(second))):
        canvas.write(glyph, column + offset, row, BLACK)
    return canvas.picture()


def bar_chart(values: Mapping[str, int], rng: random.Random, *, side: int = 224) -> Picture:
    """A bar for every colour, from left to right, with its value from 1 to 9 under it on a ground of its colour.

    The heights above the base line are proportional to the values. side: 224 or more.
    """
    canvas = Canvas(side, side, shifted(PAPER, rng, PAPER_JITTER))
    cells = side // CELL
    base = CELL * (cells - 1)
    first = rng.randrange(cells - 2 * len(values) + 2)
    for place, (colour, value) in enumerate(values.items()):
        column = first + 2 * place
        left, right = CELL * column, CELL * column + CELL
        ink = shifted(COLOURS[colour], rng, JITTER)
        canvas.fill((left, base - BAR_UNIT * value, right, base + CELL), ink)
        canvas.write(str(value), column, cells - 1, ink_on(ink))
    canvas.fill((0, base - 2, side, base), BLACK)
    return canvas.picture()


def some_bars(rng: random.Random) -> dict[str, int]:
    """Three or four bars of different colours and values, from left to right, for `bar_chart`."""
    count = rng.choice((3, 4))
    return dict(zip(rng.sample(BAR_COLOURS, count), rng.sample(range(1, 10), count), strict=True))


def small_print(
    number: int, quadrant: str, ground: str, rng: random.Random, *, side: int = SMALL_PRINT_SIDE
) -> Picture:
    """A ground of one colour, a grey panel in one quarter, and on it a digit that vanishes when shrunk to half.

    side: a multiple of 112. Only that of `SMALL_PRINT_SIDE` is shrunk by the model's processor.
    """
    canvas = Canvas(side, side, shifted(COLOURS[ground], rng, JITTER))
    grey = PANEL_GREY + rng.randint(-PAPER_JITTER, PAPER_JITTER)
    canvas.fill(box_in_pixels(square_box(quadrant), side, side), (grey, grey, grey))
    column, row = QUADRANTS[quadrant]
    half = side // 2 // CELL
    canvas.hatch(str(number), column * half + half // 2, row * half + half // 2, grey)
    return canvas.picture()


# Videos ---------------------------------------------------------------------------------------------------------------


def video(colours: Sequence[str], rng: random.Random, *, side: int = VIDEO_SIDE, fps: int = VIDEO_FPS) -> Video:
    """One colour per second; the seconds of one colour look the same."""
    shades = {colour: shifted(COLOURS[colour], rng, JITTER) for colour in colours}
    stills = {colour: Canvas(side, side, shade).picture() for colour, shade in shades.items()}
    return Video(tuple(stills[colour] for colour in colours for _ in range(fps)), fps)


def some_sequence(rng: random.Random) -> tuple[str, ...]:
    """Three colours one after the other, each for one second or longer: the colour of every second."""
    cuts = [0, *sorted(rng.sample(range(1, VIDEO_SECONDS), 2)), VIDEO_SECONDS]
    colours = rng.sample(list(COLOURS), 3)
    return tuple(
        colour for colour, start, end in zip(colours, cuts, cuts[1:], strict=False) for _ in range(end - start)
    )


def flash(colour: str, second: int) -> tuple[str, ...]:
    """White, but for one second: the colour of every second."""
    return tuple(colour if at == second else "white" for at in range(VIDEO_SECONDS))


# Reading and shades ---------------------------------------------------------------------------------------------------


def glyph_at(picture: Picture, column: int, row: int) -> str | None:
    """The glyph in a cell of the grid of 28 pixels, hatched or not; None when there is none."""
    left, top = CELL * column, CELL * row
    ground = picture.at(left, top + CELL // 2)
    for scale in (glyphs.SCALE, HATCHED_SCALE):
        inked = {
            (x, y)
            for x, y in glyphs.grid(scale)
            if max(abs(a - b) for a, b in zip(picture.at(left + x, top + y), ground, strict=True)) > HATCH // 2
        }
        for glyph in GLYPHS:
            if inked == set(glyphs.dots(glyph, scale=scale)):
                return glyph
    return None


def ink_on(ground: Rgb) -> Rgb:
    return BLACK if glyphs.is_bright(ground) else WHITE


def shifted(colour: Rgb, rng: random.Random, amount: int) -> Rgb:
    red, green, blue = (min(255, max(0, value + rng.randint(-amount, amount))) for value in colour)
    return red, green, blue


def _grain(value: int, deviation: float) -> bytes:
    """A table that turns a random byte into a channel's value with normal noise around it."""
    return bytes(min(255, max(0, round(value + step * deviation))) for step in _steps())


@cache
def _steps() -> tuple[float, ...]:
    return tuple(NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256))
