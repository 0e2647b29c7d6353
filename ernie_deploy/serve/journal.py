"""Reading an engine's log while it is written: new lines once, in order, and the last words of a dead one."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
MOST_BYTES_AT_ONCE = 1 << 20
LAST_LINES = 40
LONGEST_LINE = 2000


class Tail:
    """Follows one file. A progress bar that rewrites its line with carriage returns counts as lines of its own."""

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self._path = path
        self._offset = path.stat().st_size if from_end and path.exists() else 0
        self._rest = b""

    def lines(self) -> list[str]:
        """What was written since the last call; at most 1 MiB of it, so that a flood cannot stop us from waiting."""
        try:
            with self._path.open("rb") as stream:
                if stream.seek(0, 2) < self._offset:
                    self._offset, self._rest = 0, b""  # the file was rotated or cut
                stream.seek(self._offset)
                chunk = stream.read(MOST_BYTES_AT_ONCE)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return []
        self._offset += len(chunk)
        *whole, self._rest = re.split(rb"\r\n|[\r\n]", self._rest + chunk)
        self._rest = self._rest[-MOST_BYTES_AT_ONCE:]
        return [text for line in whole if (text := readable(line))]


def readable(line: bytes) -> str:
    """A line without colours and control characters, in whatever encoding it came."""
    text = ANSI.sub("", line.decode("utf-8", errors="replace"))
    return "".join(char for char in text if char.isprintable() or char == "\t").rstrip()[:LONGEST_LINE]


def last_words(paths: Iterable[Path], count: int = LAST_LINES) -> str:
    """The last lines of each log that says anything, the most telling file last."""
    parts = []
    for path in paths:
        lines = list(deque(tail_lines(path), maxlen=count))
        if lines:
            parts.append("\n".join([f"--- {path}", *lines]))
    return "\n".join(parts)


def text_of(paths: Iterable[Path]) -> str:
    """The end of all logs as one text, for looking up a cause."""
    return "\n".join(line for path in paths for line in tail_lines(path))


def tail_lines(path: Path) -> Iterator[str]:
    """The lines in the last MiB of a file; none when it cannot be read."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - MOST_BYTES_AT_ONCE))
            data = stream.read()
    except OSError:
        return
    for line in re.split(rb"[\r\n]+", data):
        text = readable(line)
        if text:
            yield text


def worker_log(directory: Path, number: int) -> Path:
    """The log of FastDeploy's worker `number`; later versions keep it one directory deeper."""
    deeper = directory / "paddle" / f"workerlog.{number}"
    return deeper if deeper.exists() else directory / f"workerlog.{number}"
