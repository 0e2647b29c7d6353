"""Pictures to ask about, written with zlib and struct alone: Pillow is only an extra, and the base install must do."""

import struct
import zlib

Rgb = tuple[int, int, int]


OPAQUE = b"\xff"


def png(width: int, height: int, rows: list[bytes], *, with_alpha: bool = False) -> bytes:
    """A picture of 8 bits per channel from rows of three bytes per pixel; alpha is a fourth channel, all opaque."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if with_alpha else 2, 0, 0, 0)
    rows = [_opaque(row) for row in rows] if with_alpha else rows
    unfiltered = b"".join(b"\x00" + row for row in rows)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(unfiltered)),
            chunk(b"IEND", b""),
        )
    )


def plain(colour: Rgb, width: int = 224, height: int = 224) -> bytes:
    """A PNG of one colour; 224 × 224 are 64 image tokens for this model, and some hundred bytes."""
    return png(width, height, [bytes(colour) * width] * height)


def _opaque(row: bytes) -> bytes:
    wide = bytearray(OPAQUE * (len(row) // 3 * 4))
    for channel in range(3):
        wide[channel::4] = row[channel::3]
    return bytes(wide)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
