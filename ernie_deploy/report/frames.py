"""The frames of the videos that probes send, as pictures: no browser plays an AVI of raw frames.

Written with struct and zlib alone, as the videos are. What is not such an AVI has no frames here.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MOST_FRAMES = 16
WIDEST = 4096


class Frame(NamedTuple):
    """One frame as PNG, and when it is seen."""

    at_s: float
    png: bytes


class Shape(NamedTuple):
    """How a frame is stored: 24 bits per pixel, blue first; from the top down when `height` is negative."""

    width: int
    height: int

    @property
    def stride(self) -> int:
        """Bytes of a row, which is filled up to a multiple of four."""
        return (self.width * 3 + 3) // 4 * 4

    @property
    def size(self) -> int:
        return self.stride * abs(self.height)


def frames(video: bytes) -> tuple[Frame, ...]:
    """At most MOST_FRAMES, evenly spread; none of what is no AVI of raw frames."""
    if video[:4] != b"RIFF" or video[8:12] != b"AVI ":
        return ()
    found = [(kind, body) for kind, body in _chunks(video) if kind in (b"avih", b"strf", b"00db")]
    heads = {kind: body for kind, body in found if kind != b"00db"}
    shape = _shape(heads.get(b"strf", b""))
    step_us = int.from_bytes(heads.get(b"avih", b"")[:4], "little")
    stored = [body for kind, body in found if kind == b"00db"]
    if shape is None or any(len(body) != shape.size for body in stored):
        return ()
    return tuple(Frame(at * step_us / 1e6, _png(stored[at], shape)) for at in _spread(len(stored)))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every chunk that holds no others, in its order. Lists are entered, not nested, so their depth does not matter."""
    at = 0
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind in (b"RIFF", b"LIST"):
            at += 12
            continue
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _shape(head: bytes) -> Shape | None:
    if len(head) < 20:
        return None
    width, height, _planes, bits, compression = struct.unpack_from("<iiHHI", head, 4)
    is_known = (bits, compression) == (24, 0) and 0 < width <= WIDEST and 0 < abs(height) <= WIDEST
    return Shape(width, height) if is_known else None


def _spread(count: int) -> list[int]:
    if count <= MOST_FRAMES:
        return list(range(count))
    return [round(at * (count - 1) / (MOST_FRAMES - 1)) for at in range(MOST_FRAMES)]


def _png(stored: bytes, shape: Shape) -> bytes:
    rows = [stored[at : at + shape.width * 3] for at in range(0, shape.size, shape.stride)]
    lines = b"".join(b"\x00" + _turned(row) for row in (rows if shape.height < 0 else reversed(rows)))
    header = struct.pack(">IIBBBBB", shape.width, abs(shape.height), 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(kind, data) for kind, data in parts)


def _turned(row: bytes) -> bytes:
    """Red before blue."""
    turned = bytearray(row)
    turned[0::3], turned[2::3] = row[2::3], row[0::3]
    return bytes(turned)


def _part(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
