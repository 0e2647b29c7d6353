"""What a zoom tool does: the part of a picture that a call's box names, large enough to be read."""

import math
from collections.abc import Mapping

from ernie_deploy.rehearsal.scenes import Picture
from ernie_deploy.smoke.boxes import Sides, sides_of, why_no_box


def box_of_call(arguments: Mapping[str, object] | None) -> Sides | str:
    """The box of a call of the zoom tool, or why it has none."""
    if arguments is None:
        return "the arguments of the call are not a JSON object"
    sides = sides_of(arguments.get("bbox_2d"))
    if sides is None:
        return f"bbox_2d is not four numbers: {arguments.get('bbox_2d')!r}"
    return why_no_box(sides) or sides


def cropped(picture: Picture, sides: Sides) -> Picture:
    """All pixels that the box touches, at least one. sides: a box that `why_no_box` finds nothing wrong with."""
    left, right = _span(sides[0], sides[2], picture.width)
    top, bottom = _span(sides[1], sides[3], picture.height)
    rows = picture.rows()[top:bottom]
    return Picture(right - left, bottom - top, b"".join(row[3 * left : 3 * right] for row in rows))


def enlarged(picture: Picture, times: int) -> Picture:
    """Every pixel as a block of `times` × `times`."""
    rows = [_widened(row, times) for row in picture.rows() for _ in range(times)]
    return Picture(picture.width * times, picture.height * times, b"".join(rows))


def _span(start: float, end: float, length: int) -> tuple[int, int]:
    first = min(math.floor(start * length / 1000), length - 1)
    return first, max(math.ceil(end * length / 1000), first + 1)


def _widened(row: bytes, times: int) -> bytes:
    wide = bytearray(len(row) * times)
    for channel in range(3):
        for copy in range(times):
            wide[3 * copy + channel :: 3 * times] = row[channel::3]
    return bytes(wide)
