"""Pictures as the simulator sees them: how large they are, and which colours are where. Pure.

The size is read from the first bytes of PNG, JPEG, GIF, WebP and BMP files. Colours are read from PNG files by hand;
from the others with Pillow, when it is there.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple

Rgb = tuple[int, int, int]
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
WITH_ALPHA = (4, 6)
# Rows that lean on others are undone byte by byte: a photograph of full size would take minutes.
MOST_FILTERED_BYTES = 3_000_000
# Of a larger picture only some rows are kept: enough for its colours, not for what is written in it.
MOST_KEPT_BYTES = 3_000_000
# Twice what Pillow warns of is what it refuses.
MOST_PIXELS = 178_956_970
ROWS = 64


class UnreadableError(Exception):
    """The bytes are no picture that is known."""


class Picture(NamedTuple):
    """Its size, and its rows (three bytes a pixel); some, evenly spread, of a large one, none without colours."""

    width: int
    height: int
    rows: tuple[bytes, ...] = ()
    has_alpha: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every pixel is there."""
        return len(self.rows) == self.height and len(self.rows[0]) == 3 * self.width

    def at(self, x: int, y: int) -> Rgb:
        """A pixel of a whole picture."""
        red, green, blue = self.rows[y][3 * x : 3 * x + 3]
        return red, green, blue

    def average(self, left: int, top: int, right: int, bottom: int) -> Rgb:
        """The mean colour of a box in thousandths of the picture."""
        width = len(self.rows[0]) // 3
        x0, x1 = left * width // 1000, max(left * width // 1000 + 1, right * width // 1000)
        count = len(self.rows)
        y0, y1 = top * count // 1000, max(top * count // 1000 + 1, bottom * count // 1000)
        rows = [row[3 * x0 : 3 * x1] for row in self.rows[y0 : y1 : max(1, (y1 - y0) // ROWS)]]
        pixels = len(rows) * (x1 - x0)
        red, green, blue = (sum(sum(row[channel::3]) for row in rows) // pixels for channel in range(3))
        return red, green, blue


def read(data: bytes) -> Picture:
    """Raises UnreadableError for what is no picture, in the words of the library that the engine reads them with."""
    try:
        width, height = size(data)
    except (struct.error, IndexError, ValueError):
        raise UnreadableError("cannot identify image file") from None
    if not width * height:
        raise UnreadableError("cannot identify image file")
    if width * height > MOST_PIXELS:
        limit = f"exceeds limit of {MOST_PIXELS} pixels, could be decompression bomb DOS attack"
        raise UnreadableError(f"Image size ({width * height} pixels) {limit}.")
    if data.startswith(b"\x89PNG"):
        try:
            return Picture(width, height, _png_rows(data, width, height), data[25] in WITH_ALPHA)
        except (zlib.error, struct.error, IndexError, KeyError):
            raise UnreadableError("cannot identify image file: broken PNG data") from None
    return Picture(width, height, _rows_with_pillow(data))


def size(data: bytes) -> tuple[int, int]:
    """Width and height, from the first bytes. Raises what the broken bytes make it raise."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return struct.unpack(">II", data[16:24])
    if data.startswith((b"GIF87a", b"GIF89a")):
        return struct.unpack("<HH", data[6:10])
    if data.startswith(b"BM"):
        width, height = struct.unpack("<ii", data[18:26])
        return width, abs(height)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    raise ValueError("not a picture")


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while True:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if data[at] != 0xFF or length < 2:
            raise ValueError("not a JPEG")
        # Start-of-frame markers; three numbers of that row mean something else.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length


# PNG ------------------------------------------------------------------------------------------------------------------


def _png_rows(data: bytes, width: int, height: int) -> tuple[bytes, ...]:
    depth, colour_type, _, _, interlace = struct.unpack(">BBBBB", data[24:29])
    if depth != 8 or interlace or colour_type not in CHANNELS:
        return _rows_with_pillow(data)
    channels = CHANNELS[colour_type]
    stride = width * channels
    length = height * (stride + 1)
    # Not one byte more than the picture can have, whatever the file claims.
    packed = zlib.decompressobj().decompress(b"".join(_chunks(data, b"IDAT")), length)
    if len(packed) < length:
        raise zlib.error("incomplete")
    wanted = [row * height // ROWS for row in range(ROWS)] if length > MOST_KEPT_BYTES else range(height)
    kinds = packed[:: stride + 1]
    if not any(kinds):
        bare = [packed[y * (stride + 1) + 1 : (y + 1) * (stride + 1)] for y in wanted]
    elif length <= MOST_FILTERED_BYTES:
        plain = list(_unfiltered(packed, stride, height, channels))
        bare = [plain[y] for y in wanted]
    else:
        return _rows_with_pillow(data)
    return tuple(row if channels == 3 else _as_rgb(row, channels) for row in bare)


def _chunks(data: bytes, wanted: bytes) -> Iterator[bytes]:
    at = 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == wanted:
            yield data[at + 8 : at + 8 + length]
        at += 12 + length


def _unfiltered(packed: bytes, stride: int, height: int, channels: int) -> Iterator[bytes]:
    above = bytes(stride)
    for y in range(height):
        start = y * (stride + 1)
        above = _unfilter(packed[start], packed[start + 1 : start + 1 + stride], above, channels)
        yield above


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


def _rows_with_pillow(data: bytes) -> tuple[bytes, ...]:
    """None when Pillow is not here: then the picture has a size and no colour."""
    try:
        image = import_module("PIL.Image")
    except ImportError:
        return ()
    try:
        small = image.open(io.BytesIO(data)).convert("RGB").resize((ROWS, ROWS))
    except (OSError, ValueError, SyntaxError):
        raise UnreadableError("cannot identify image file") from None
    pixels = bytes(small.tobytes())
    return tuple(pixels[y * ROWS * 3 : (y + 1) * ROWS * 3] for y in range(ROWS))
