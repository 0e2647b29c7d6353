"""What the headers of safetensors files say: 8 bytes length, JSON, then the tensors. No tensor is read.

A header comes from outside: its size is checked before it is read, and what it says is checked against the file.
"""

import hashlib
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from ernie_deploy.files import human_size
from ernie_deploy.weights.reading import in_words, shown, size_of, stranger

HEADER_LIMIT_BYTES: Final = 100_000_000
"""What the safetensors format allows its JSON header to take."""
ALL_HEADERS_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""Of all files of a model together: forty times what a model of 28 billion parameters needs."""
MOST_TENSORS: Final = 200_000
"""Of all files together. The 28B model has 11,000."""
# The name, its dtype, its shape, its data_offsets.
_COLONS_PER_TENSOR: Final = 4
_PLACE_KEY: Final = b'"data_offsets"'

BITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("BOOL", "U8", "I8"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **dict.fromkeys(("F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Bits of a number, by the format's names of types."""

_Place = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Tensor(msgspec.Struct, frozen=True, gc=False):
    """One entry of a header. `data_offsets` are where it begins and ends, in bytes after the header."""

    dtype: str
    shape: Annotated[tuple[_Place, ...], Meta(max_length=16)]
    data_offsets: tuple[_Place, _Place]

    @property
    def stored_bytes(self) -> int:
        return self.data_offsets[1] - self.data_offsets[0]


class Header(NamedTuple):
    """The tensors of one file by name. Of a header that cannot be understood none is known."""

    tensors: dict[str, Tensor]
    problem: str = ""
    size_bytes: int = 0
    digest: bytes = b""


_TABLE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TENSOR: Final = msgspec.json.Decoder(Tensor)


def read_headers(files: Mapping[str, Path]) -> dict[str, Header]:
    """The headers of these files, each by the name of its file."""
    headers: dict[str, Header] = {}
    room, tensors = ALL_HEADERS_LIMIT_BYTES, MOST_TENSORS
    for name, path in files.items():
        size = size_of(path)
        content, problem = _content(path, size, room=room)
        header = Header({}, problem) if problem else _parsed(content, size or 0, most=tensors)
        headers[name] = header
        room, tensors = room - len(content), tensors - len(header.tensors)
    return headers


def fingerprint(headers: Mapping[str, Header]) -> str:
    """Ties a measurement to these weights: file names, sizes and headers, 16 hex digits.

    Weights of the same names, shapes and types have the same one; memory does not depend on their numbers.
    """
    whole = hashlib.sha256()
    for name, header in sorted(headers.items()):
        whole.update(b"%s\0%d\0%s" % (os.fsencode(name), header.size_bytes, header.digest))
    return whole.hexdigest()[:16]


def _content(path: Path, size: int | None, *, room: int) -> tuple[bytes, str]:
    """The JSON of a header, at most `room` bytes of it, or why it cannot be had."""
    if size is None:
        return b"", "cannot be read"
    try:
        with path.open("rb") as stream:
            first = stream.read(512)
            if found := stranger(first):
                return b"", found
            if len(first) < 8:
                return b"", "is truncated inside its header" if first else "is empty"
            (length,) = struct.unpack("<Q", first[:8])
            if length > HEADER_LIMIT_BYTES:
                return b"", f"is not a safetensors file (its header would take {length} bytes)"
            if 8 + length > size:
                return b"", f"is truncated inside its header ({human_size(size)} of {human_size(8 + length)} or more)"
            if length > room:
                return b"", f"has a header that is too large: no model's take {human_size(ALL_HEADERS_LIMIT_BYTES)}"
            stream.seek(8)
            return stream.read(length), ""
    except OSError as error:
        return b"", f"cannot be read: {error.strerror}"


def _parsed(content: bytes, size: int, *, most: int) -> Header:
    # Counted before it is decoded: a table of nothing takes twenty times the memory of its text.
    if content.count(b":") > _COLONS_PER_TENSOR * (most + 100):
        return Header({}, f"has a header with too many tensors: no model has {MOST_TENSORS}")
    try:
        table = _TABLE.decode(content)
    except msgspec.ValidationError:
        return Header({}, "has a header that is not a table of tensors")
    except (ValueError, RecursionError):
        return Header({}, "has a header that is not JSON")
    metadata = bytes(table.pop("__metadata__", b""))
    tensors: dict[str, Tensor] = {}
    for name, entry in table.items():
        try:
            tensor = _TENSOR.decode(entry)
            wrong = _wrong(tensor)
        except msgspec.ValidationError as error:
            wrong = in_words(error)
        except (ValueError, RecursionError):
            return Header({}, "has a header that is not JSON")
        if wrong:
            return Header({}, f"has a header with an impossible tensor, {shown(name)}: {wrong}")
        tensors[name] = tensor
    if content.count(_PLACE_KEY) > len(tensors) + metadata.count(_PLACE_KEY):
        return Header({}, "has a header that names a tensor twice")
    problem = _misplaced(tensors, data_bytes=size - 8 - len(content))
    return Header(tensors, problem, size, hashlib.sha256(content).digest())


def _wrong(tensor: Tensor) -> str:
    """Why there can be no such tensor, if so."""
    begins, ends = tensor.data_offsets
    bits = BITS.get(tensor.dtype)
    if bits is None:
        return f"its type {shown(tensor.dtype)} is not known"
    if begins > ends:
        return "it ends before it begins"
    needed = math.prod(tensor.shape) * bits
    if needed != 8 * (ends - begins):
        return f"{list(tensor.shape)} of {tensor.dtype} are {needed / 8:.0f} bytes, and it has {ends - begins}"
    return ""


def _misplaced(tensors: Mapping[str, Tensor], *, data_bytes: int) -> str:
    """Tensors must follow each other without a gap and end where the file ends."""
    end = 0
    for begins, ends in sorted(tensor.data_offsets for tensor in tensors.values()):
        if begins != end:
            return f"has tensors that {'overlap' if begins < end else 'leave a gap'} at byte {end}"
        end = ends
    if end > data_bytes:
        return f"is truncated: {human_size(data_bytes)} of {human_size(end)} are there"
    if end < data_bytes:
        return f"has {human_size(data_bytes - end)} after its last tensor"
    return ""
