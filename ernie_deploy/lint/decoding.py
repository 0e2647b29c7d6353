"""Bytes of a file as text and back: what is no text is refused with the reason."""

import codecs
from typing import NamedTuple

from ernie_deploy.errors import SpecError

MOST_BYTES = 10 * 1024 * 1024
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Decoded(NamedTuple):
    """The text, and what is needed to write it as it was."""

    characters: str
    encoding: str = "utf-8"
    mark: bytes = b""

    def encoded(self, characters: str) -> bytes:
        """Other text in the same encoding, with the same mark."""
        return self.mark + characters.encode(self.encoding)


def decoded(data: bytes, path: str) -> Decoded:
    """The text of a file. Raises SpecError for one that is too large, binary, or in an unknown encoding."""
    if len(data) > MOST_BYTES:
        size = f"{len(data) / 1024 / 1024:.1f} MiB"
        raise SpecError(f"{path}: {size}: more than {MOST_BYTES // 1024 // 1024} MiB is no launch", hint=NO_LAUNCH)
    mark, encoding = next(((mark, name) for mark, name in MARKS if data.startswith(mark)), (b"", "utf-8"))
    try:
        characters = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start + len(mark)) + 1
        what = f"byte {data[error.start + len(mark)]:#04x} in line {line} is not {encoding.upper()}"
        raise SpecError(f"{path}: {what}", hint="write the file in UTF-8: iconv -f latin1 -t utf-8") from None
    if "\0" in characters:
        line = characters.count("\n", 0, characters.index("\0")) + 1
        raise SpecError(f"{path}: a NUL character in line {line}: this is a binary file", hint=NO_LAUNCH)
    return Decoded(characters, encoding, mark)


NO_LAUNCH = "give a shell script, a launch YAML, a compose file, a unit or a manifest"
