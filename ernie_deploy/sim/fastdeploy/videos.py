"""Videos as the simulator sees them: how large and how long they are, and of raw frames what is in them. Pure.

Frames are read from an AVI without compression, as our own client writes it; of an MP4 or QuickTime file only its
size and length are, and WebM and Matroska are taken for 8 seconds of 1280 × 720.
"""

import struct
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from ernie_deploy.architecture.tokens import Video
from ernie_deploy.sim.fastdeploy.pictures import Picture, UnreadableError

ASSUMED = Video(1280, 720, 8.0, is_assumed=True)
MATROSKA = b"\x1a\x45\xdf\xa3"
BROKEN = "Failed to open video stream"
RAW_BITS = 24


class Clip(NamedTuple):
    """`frames` is empty when nobody here can decode them."""

    size: Video
    frames: tuple[Picture, ...] = ()
    fps: float = 0.0

    def seconds(self) -> tuple[Picture, ...]:
        """The first frame of every second."""
        return tuple(self.frames[int(at)] for at in _steps(self.fps, len(self.frames)))


def _steps(fps: float, count: int) -> Iterator[float]:
    at = 0.0
    while at < count:
        yield at
        at += max(1.0, fps)


def read(data: bytes) -> Clip:
    """Raises UnreadableError for what is no video."""
    try:
        if data[4:8] == b"ftyp":
            boxes = dict(_boxes(data, 0, len(data)))
            return Clip(_movie(boxes[b"moov"]))
        if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
            return _avi(data)
    except (KeyError, struct.error, IndexError, ZeroDivisionError, StopIteration):
        raise UnreadableError(BROKEN) from None
    if data.startswith(MATROSKA):
        return Clip(ASSUMED)
    raise UnreadableError(BROKEN)


# AVI ------------------------------------------------------------------------------------------------------------------


def _avi(data: bytes) -> Clip:
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise UnreadableError(BROKEN)
    chunks = list(_chunks(data, 12, len(data)))
    stream = next(body for kind, body in chunks if kind == b"strh")
    picture = next(body for kind, body in chunks if kind == b"strf")
    scale, rate, _, count = struct.unpack_from("<4I", stream, 20)
    width, height = struct.unpack_from("<ii", picture, 4)
    fps = rate / scale
    size = Video(width, abs(height), count / fps)
    bits, compression = struct.unpack_from("<HI", picture, 14)
    if bits != RAW_BITS or compression:
        return Clip(size)
    stored = [body for kind, body in chunks if kind in (b"00db", b"00dc")]
    return Clip(size, tuple(_frame(body, width, height) for body in stored), fps)


def _chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that hold something, those within lists too."""
    while at + 8 <= end:
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind == b"LIST":
            yield from _chunks(data, at + 12, min(end, at + 8 + size))
        else:
            yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _frame(body: bytes, width: int, height: int) -> Picture:
    """Rows are stored from the last to the first unless the height is negative, blue before red."""
    stride = -(-width * 3 // 4) * 4
    rows = []
    for row in range(abs(height)):
        line = body[row * stride : row * stride + 3 * width]
        turned = bytearray(3 * width)
        for channel in range(3):
            turned[channel::3] = line[2 - channel :: 3]
        rows.append(bytes(turned))
    return Picture(width, abs(height), tuple(rows if height < 0 else reversed(rows)))


# MP4 and QuickTime ----------------------------------------------------------------------------------------------------


def _movie(moov: bytes) -> Video:
    inside = list(_boxes(moov, 0, len(moov)))
    header = next(body for kind, body in inside if kind == b"mvhd")
    scale, length = struct.unpack(">II", header[12:20]) if header[0] == 0 else struct.unpack(">IQ", header[20:32])
    for track in (body for kind, body in inside if kind == b"trak"):
        head = next(body for kind, body in _boxes(track, 0, len(track)) if kind == b"tkhd")
        width, height = struct.unpack(">II", head[-8:])
        if width and height:
            return Video(width >> 16, height >> 16, length / scale)
    return ASSUMED


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    unpack = partial(struct.unpack_from, ">I4s")
    while at + 8 <= end:
        size, kind = unpack(data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size
