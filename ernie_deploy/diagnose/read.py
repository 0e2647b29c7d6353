"""The bytes of a log, whatever they are: packed or not, in any encoding, with colours, NULs and endless lines."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

CHUNK_BYTES = 1 << 20
# A line that names a cause does so at its beginning; what follows is a request body or a dump of settings.
LONGEST_LINE = 4096
# The end of a log tells how it ended; more than this is not waited for.
MOST_BYTES = 1 << 30
# Where a progress bar begins anew: a line for us, no line for an editor.
REDRAW = b"\x1e"
ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\))")
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
GZIP = b"\x1f\x8b"


class Stream(Protocol):
    """What can be read: a file, a packed one, stdin."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


def opened(path: Path) -> io.BufferedIOBase:
    """A log to read, unpacked when it is packed; a very large one from near its end. Raises OSError."""
    stream = path.open("rb")
    if stream.peek(len(GZIP)).startswith(GZIP):
        stream.close()
        return gzip.open(path)
    if stream.seekable():
        stream.seek(max(0, stream.seek(0, io.SEEK_END) - MOST_BYTES))
    return stream


def chunks(stream: Stream) -> Iterator[bytes]:
    """Text in portions of about 1 MiB that end with a line; a line that has no end yet comes last.

    Lines are told apart by `\\n` and, where a progress bar redraws itself, by REDRAW. Raises OSError, and EOFError or
    zlib.error for a damaged archive.
    """
    rest = b""
    for raw in _decoded(stream):
        data = rest + raw
        cut = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if cut:
            yield _clean(data[:cut])
        # Of a line that does not end only the head is kept, however long it grows.
        rest = data[cut:][: 2 * LONGEST_LINE]
    if rest:
        yield _clean(rest)


def _decoded(stream: Stream) -> Iterator[bytes]:
    """Bytes of an encoding in which ASCII is ASCII, without NULs: those of a hole in the file as those of UTF-16."""
    first = stream.read(CHUNK_BYTES)
    mark, encoding = next(((mark, name) for mark, name in BOMS if first.startswith(mark)), (b"", ""))
    decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding.startswith("utf-16") else None
    raw, left = first[len(mark) :], MOST_BYTES
    while raw and left > 0:
        left -= len(raw)
        text = decoder.decode(raw).encode("utf-8", "replace") if decoder else raw
        yield text.replace(b"\0", b"") if b"\0" in text else text
        raw = stream.read(CHUNK_BYTES)


def _clean(data: bytes) -> bytes:
    if b"\x1b" in data:
        data = ANSI.sub(b"", data)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", REDRAW)
    lines = data.split(b"\n")
    if max(map(len, lines)) <= LONGEST_LINE:
        return data
    return b"\n".join(REDRAW.join(part[:LONGEST_LINE] for part in line.split(REDRAW)) for line in lines)


DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
