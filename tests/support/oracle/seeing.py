"""What a probe's picture shows, seen with the simulator's eyes: those know every scene that is drawn.

Those eyes read digits of the size in which they are drawn only, and for the real model the probes enlarge them.
"""

import io
from collections.abc import Mapping
from functools import lru_cache

from PIL import Image

from ernie_deploy.rehearsal.grammar import QUADRANTS
from ernie_deploy.sim.fastdeploy import pictures, sight
from ernie_deploy.smoke.formula import Equation
from ernie_deploy.smoke.looking import ENLARGED
from ernie_deploy.smoke.probes.zoom_loop import LARGE_SIDE

CROP_SIDE = LARGE_SIDE // 4
"""Pixels of the large picture that `crop_box` asks for, before they are enlarged."""


@lru_cache(maxsize=32)
def read(data: bytes) -> pictures.Picture:
    """Once for all who look: the largest picture has 17 million pixels. Raises UnreadableError for what is none."""
    return pictures.read(data)


def colour(data: bytes) -> str:
    return sight.colour(read(data))


def square(data: bytes, question: str) -> tuple[str, str]:
    """The colour and the quarter of the square that a question names, or of the only one."""
    seen = {name: quadrant for quadrant, name in sight.squares(read(data)).items()}
    named = [name for name in seen if f"the {name} square" in question] or list(seen)
    return named[0], seen[named[0]]


def bars(data: bytes) -> Mapping[str, int]:
    return sight.bars(as_drawn(data, ENLARGED))


def numbers(data: bytes) -> list[int]:
    return sight.numbers(as_drawn(data, ENLARGED))


def number(data: bytes) -> int:
    """Digit by digit."""
    return int("".join(map(str, numbers(data))))


def equation(data: bytes) -> Equation:
    """The divisor stands under the line, one row below the other two."""
    added, result, divisor = numbers(data)
    return Equation(divisor, added, result)


def crop_box(data: bytes) -> tuple[float, float, float, float]:
    """The middle of the panel, where its number is: in thousandths, and such that the digits keep their grid."""
    column, row = QUADRANTS[sight.odd_quadrant(read(data))]
    left, top = 500.0 * column + 125, 500.0 * row + 125
    return left, top, left + 250, top + 250


def number_in_crop(data: bytes) -> int:
    width, _ = pictures.size(data)
    return int("".join(map(str, sight.numbers(as_drawn(data, width // CROP_SIDE)))))


def as_drawn(data: bytes, times: int) -> pictures.Picture:
    """The picture before every pixel became a block of so many. With pillow: the simulator skips rows of large ones."""
    with Image.open(io.BytesIO(data)) as shown:
        width, height = shown.width // times, shown.height // times
        small = shown.convert("RGB").resize((width, height), Image.Resampling.NEAREST).tobytes()
    line = 3 * width
    return pictures.Picture(width, height, tuple(small[at : at + line] for at in range(0, line * height, line)))
