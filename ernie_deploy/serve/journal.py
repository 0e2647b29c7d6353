"""Reading an engine's log while it is written: new lines once, in order, and the last words of a dead one."""

import contextlib
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
MOST_BYTES_AT_ONCE = 1 << 20
LAST_LINES = 40
LONGEST_LINE = 2000
# Where FastDeploy's own logs are, beside the engine's output.
ENGINE_LOGS = "engine"


class Tail:
    """Follows one file. A progress bar that rewrites its line with carriage returns counts as lines of its own."""

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self._path = path
        self._offset, self._file = 0, 0
        self._rest = b""
        if from_end:
            with contextlib.suppress(OSError):
                found = path.stat()
                self._offset, self._file = found.st_size, found.st_ino

    def lines(self) -> list[str]:
        """What was written since the last call; at most 1 MiB of it, so that a flood cannot stop us from waiting."""
        try:
            with self._path.open("rb") as stream:
                found = os.fstat(stream.fileno())
                if found.st_size < self._offset or found.st_ino != self._file:
                    self._offset, self._rest = 0, b""  # the file was cut, or rotated
                self._file = found.st_ino
                stream.seek(self._offset)
                chunk = stream.read(MOST_BYTES_AT_ONCE)
        except OSError:  # not there yet, or not ours to read: its lines are no sign then
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


def run_logs(logs: Path, run: int = 0) -> tuple[Path, ...]:
    """The logs of one run in a deployment's log directory: of the last one, or `run` starts earlier.

    Those of the workers come first, for they hold the tracebacks, and the engine's output comes last. Copies of the
    environment are no logs, and what a plain name only links to is not taken twice.
    """
    suffix = f".{run}" if run else ""
    own = logs / f"{ENGINE_LOGS}{suffix}"
    workers = [*own.glob("workerlog.*"), *own.glob("paddle/workerlog.*")]
    others = [*own.glob("*.log"), *own.glob("paddle/*.log")]
    first = {"launch_worker.log": 0, "error.log": 1}
    others.sort(key=lambda path: (first.get(path.name, 2), str(path)))
    found = (*sorted(workers), *others, logs / f"engine.log{suffix}")
    return tuple(path for path in found if path.is_file() and not path.name.startswith(("envlog", "backup_env")))


def worker_log(directory: Path, number: int) -> Path:
    """The log of FastDeploy's worker `number`; later versions keep it one directory deeper."""
    deeper = directory / "paddle" / f"workerlog.{number}"
    return deeper if deeper.exists() else directory / f"workerlog.{number}"
