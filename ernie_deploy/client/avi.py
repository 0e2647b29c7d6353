"""Videos to ask about, written with struct alone: whole frames in an AVI, without compression.

No encoder is needed, and no frame differs from what was drawn: vLLM's OpenCV, FastDeploy's decord and FFmpeg 8, which
its newest source reads with, give it back to the last pixel (measured). An MP4 would gain nothing: a probe's video of
16 small frames is a few hundred kilobytes.

The rows run from the top down, told by a negative height: the other order, more usual in this format, is not decoded
by OpenCV 5.0.0, and a server that uses it would not survive the probe.
"""

import struct
from collections.abc import Sequence

_HAS_INDEX = 0x10
_KEY_FRAME = 0x10


def avi(frames: Sequence[bytes], width: int, height: int, fps: int) -> bytes:
    """A video of 24 bits per pixel from frames of RGB bytes, top row first."""
    stored = [_as_stored(frame, width, height) for frame in frames]
    count, size = len(stored), len(stored[0])
    main = (1_000_000 // fps, size * fps, 0, _HAS_INDEX, count, 0, 1, size, width, height, 0, 0, 0, 0)
    stream = (b"vids", b"DIB ", 0, 0, 0, 0, 1, fps, 0, count, size, 0xFFFFFFFF, 0, 0, 0, width, height)
    picture = (40, width, -height, 1, 24, 0, size, 0, 0, 0, 0)
    headers = _list(
        b"hdrl",
        _chunk(b"avih", struct.pack("<14I", *main)),
        _list(
            b"strl",
            _chunk(b"strh", struct.pack("<4s4sIHHIIIIIIII4H", *stream)),
            _chunk(b"strf", struct.pack("<IiiHHIIiiII", *picture)),
        ),
    )
    movie = _list(b"movi", *(_chunk(b"00db", frame) for frame in stored))
    # Places count from the four letters `movi`; each frame before adds its bytes and eight of its head.
    index = b"".join(struct.pack("<4sIII", b"00db", _KEY_FRAME, 4 + at * (size + 8), size) for at in range(count))
    return _chunk(b"RIFF", b"AVI " + headers + movie + _chunk(b"idx1", index))


def _as_stored(frame: bytes, width: int, height: int) -> bytes:
    """Blue before red, each row filled up to a multiple of four bytes."""
    if len(frame) != width * height * 3:
        raise ValueError(f"a frame of {width} × {height} has {width * height * 3} bytes of RGB, not {len(frame)}")
    turned = bytearray(frame)
    turned[0::3], turned[2::3] = frame[2::3], frame[0::3]
    if not width % 4:
        return bytes(turned)
    row, filling = width * 3, b"\x00" * (width % 4)
    return b"".join(bytes(turned[start : start + row]) + filling for start in range(0, len(turned), row))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\x00" * (len(data) % 2)


def _list(kind: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", kind + b"".join(chunks))
