"""What the simulated model makes of pixels: colours, squares, digits, bars. Pure."""

from collections.abc import Mapping, Sequence

from ernie_deploy.rehearsal import glyphs, grammar, scenes
from ernie_deploy.sim.fastdeploy.pictures import Picture, Rgb
from ernie_deploy.sim.fastdeploy.videos import Clip

SHARPEST_SIDE = 336
"""A larger picture is shrunk before it is looked at, as the rehearsal model's processor does."""

VISIBLE = 50
"""Steps of a channel by which ink differs from its ground."""

SCALES = (glyphs.SCALE, scenes.HATCHED_SCALE)
"""Pixels a dot, of plain print and of small print after the zoom."""

GLYPH_BY_DOTS = {
    (scale, frozenset(glyphs.dots(glyph, scale=scale))): glyph for glyph in glyphs.GLYPHS for scale in SCALES
}


def colour(picture: Picture) -> str:
    return grammar.nearest_colour(picture.average(0, 0, 1000, 1000))


def squares(picture: Picture) -> dict[str, str]:
    """The quarters in which something else than white stands, and its colour."""
    seen = {name: grammar.nearest_colour(picture.average(*grammar.square_box(name))) for name in grammar.QUADRANTS}
    return {quadrant: name for quadrant, name in seen.items() if name != "white"}


def odd_quadrant(picture: Picture) -> str:
    """The quarter that looks least like the other three."""
    seen = {name: picture.average(*grammar.square_box(name)) for name in grammar.QUADRANTS}
    return max(seen, key=lambda name: sum(_distance(seen[name], other) for other in seen.values()))


def numbers(picture: Picture) -> list[int]:
    """The digits in a picture, row by row, as sharply as it is seen."""
    return [int(glyph) for glyph, _ in _glyphs(_sharpest(picture)) if glyph.isdigit()]


def bars(picture: Picture) -> Mapping[str, int]:
    """The colours on which digits stand, and the digits: a chart prints every value on its bar."""
    return {
        grammar.nearest_colour(ground): int(glyph) for glyph, ground in _glyphs(_sharpest(picture)) if glyph.isdigit()
    }


def seconds(clip: Clip) -> Sequence[str]:
    """The colour of every second, read past the corner into which the processor writes the time."""
    return [grammar.nearest_colour(frame.average(500, 500, 1000, 1000)) for frame in clip.seconds()]


def _glyphs(picture: Picture) -> list[tuple[str, Rgb]]:
    """What stands in the cells of the grid of 28 pixels, and the ground that it stands on."""
    if not picture.is_whole:
        return []
    found = []
    for top in range(0, picture.height - glyphs.CELL + 1, glyphs.CELL):
        for left in range(0, picture.width - glyphs.CELL + 1, glyphs.CELL):
            ground = picture.at(left, top)
            for scale in SCALES:
                dots = glyphs.grid(scale)
                inked = frozenset(dot for dot in dots if _is_ink(picture.at(left + dot[0], top + dot[1]), ground))
                glyph = GLYPH_BY_DOTS.get((scale, inked))
                found += [(glyph, ground)] if glyph else []
    return found


def _is_ink(pixel: Rgb, ground: Rgb) -> bool:
    return max(abs(a - b) for a, b in zip(pixel, ground, strict=True)) > VISIBLE


def _distance(one: Rgb, other: Rgb) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def _sharpest(picture: Picture) -> Picture:
    """Blocks of pixels become one, their mean, when the picture is larger than what can be looked at."""
    step = max(picture.width, picture.height) // SHARPEST_SIDE
    if step < 2 or not picture.is_whole:
        return picture
    width, height = picture.width // step, picture.height // step
    rows = []
    for row in range(height):
        lines = picture.rows[row * step : (row + 1) * step]
        mean = bytearray(3 * width)
        for channel in range(3):
            parts = [line[channel + 3 * shift :: 3 * step] for line in lines for shift in range(step)]
            values = [sum(pixels) // len(parts) for pixels in zip(*parts, strict=False)]
            mean[channel::3] = bytes(values[:width])
        rows.append(bytes(mean))
    return Picture(width, height, tuple(rows))
