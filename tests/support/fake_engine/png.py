"""Reads PNG pictures of 8 bits per channel, enough to see colours in them."""

import struct
import zlib
from typing import NamedTuple

Rgb = tuple[int, int, int]

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


class UnreadablePictureError(Exception):
    """The bytes are not a PNG that this reader knows."""


class Picture(NamedTuple):
    """`rows` hold three bytes per pixel."""

    width: int
    height: int
    rows: tuple[bytes, ...]

    def average(self, left: int, top: int, right: int, bottom: int) -> Rgb:
        """The mean colour of a box in thousandths of the picture."""
        x0, x1 = left * self.width // 1000, max(left * self.width // 1000 + 1, right * self.width // 1000)
        y0, y1 = top * self.height // 1000, max(top * self.height // 1000 + 1, bottom * self.height // 1000)
        rows = [row[3 * x0 : 3 * x1] for row in self.rows[y0:y1]]
        count = len(rows) * (x1 - x0)
        red, green, blue = (sum(sum(row[channel::3]) for row in rows) // count for channel in range(3))
        return red, green, blue


def read(data: bytes) -> Picture:
    try:
        return _read(data)
    except (zlib.error, struct.error, IndexError, KeyError) as error:
        raise UnreadablePictureError(f"cannot identify image file: {error}") from None


def _read(data: bytes) -> Picture:
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise UnreadablePictureError("cannot identify image file")
    width, height, depth, colour_type, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if depth != 8 or interlace:
        raise UnreadablePictureError("only 8 bits per channel without interlacing are understood")
    channels = CHANNELS[colour_type]
    packed = zlib.decompress(b"".join(_chunks(data, b"IDAT")))
    stride = width * channels
    rows, above = [], bytes(stride)
    for y in range(height):
        start = y * (stride + 1)
        above = _unfilter(packed[start], packed[start + 1 : start + 1 + stride], above, channels)
        rows.append(above if channels == 3 else _as_rgb(above, channels))
    return Picture(width, height, tuple(rows))


def _chunks(data: bytes, wanted: bytes) -> list[bytes]:
    found, position = [], 8
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        if data[position + 4 : position + 8] == wanted:
            found.append(data[position + 8 : position + 8 + length])
        position += 12 + length
    return found


def _unfilter(kind: int, row: bytes, above: bytes, channels: int) -> bytes:
    if kind == 0:
        return row
    plain = bytearray(row)
    for i in range(len(plain)):
        left = plain[i - channels] if i >= channels else 0
        corner = above[i - channels] if i >= channels else 0
        guess = (left, above[i], (left + above[i]) // 2, _paeth(left, above[i], corner))[kind - 1]
        plain[i] = (plain[i] + guess) & 255
    return bytes(plain)


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def _as_rgb(row: bytes, channels: int) -> bytes:
    plain = bytearray(len(row) // channels * 3)
    for target in range(3):
        plain[target::3] = row[min(target, 2) :: channels] if channels == 4 else row[0::channels]
    return bytes(plain)
