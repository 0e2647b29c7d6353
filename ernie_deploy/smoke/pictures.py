"""Pictures drawn now, so that no model and no cache has seen them."""

import random
from statistics import NormalDist

from ernie_deploy.client.png import png
from ernie_deploy.rehearsal.grammar import COLOURS, Rgb, box_in_pixels, square_box

JITTER = 18
NOISE_LIMIT = 10.0
"""How far from the named colour the model has practised: steps of a channel, and a standard deviation."""


def colour_field(colour: str, rng: random.Random, *, width: int = 224, height: int = 224) -> bytes:
    """A PNG filled with nearly `colour`: shifted a little and with grain."""
    tables = _grain(_shifted(COLOURS[colour], rng, JITTER), rng.uniform(0, NOISE_LIMIT))
    rows = []
    for _ in range(height):
        row = bytearray(3 * width)
        for channel, table in enumerate(tables):
            row[channel::3] = rng.randbytes(width).translate(table)
        rows.append(bytes(row))
    return png(width, height, rows)


def square_in_quadrant(colour: str, quadrant: str, rng: random.Random, *, width: int = 224, height: int = 224) -> bytes:
    """A nearly white PNG with one square of nearly `colour` in one quarter."""
    left, top, right, bottom = box_in_pixels(square_box(quadrant), width, height)
    ground = bytes(_shifted((245, 245, 245), rng, 8))
    ink = bytes(_shifted(COLOURS[colour], rng, JITTER))
    empty = ground * width
    through = ground * left + ink * (right - left) + ground * (width - right)
    return png(width, height, [through if top <= y < bottom else empty for y in range(height)])


def _shifted(colour: Rgb, rng: random.Random, amount: int) -> Rgb:
    red, green, blue = (min(255, max(0, value + rng.randint(-amount, amount))) for value in colour)
    return red, green, blue


def _grain(colour: Rgb, deviation: float) -> tuple[bytes, ...]:
    """A table per channel that turns a random byte into a value with normal noise around the colour."""
    steps = [NormalDist().inv_cdf((i + 0.5) / 256) * deviation for i in range(256)]
    return tuple(bytes(min(255, max(0, round(value + step))) for step in steps) for value in colour)
