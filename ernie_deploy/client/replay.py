"""Reading a recording (see recorded.py), and answering out of it as the service did."""

import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from ernie_deploy import __version__
from ernie_deploy.client.recorded import (
    EXCHANGES,
    KEY_OF_A_REPLAY,
    RUN,
    Entry,
    Exchanged,
    Failure,
    Kind,
    Observed,
    Told,
    as_bytes,
    place_of,
)
from ernie_deploy.client.wire import Chunk, Reply, Sent, Wire
from ernie_deploy.errors import DeployError, EngineError, UsageError, VerifyError

Read = TypeVar("Read")

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Recording(NamedTuple):
    """A recording that was read. `now` is the time of the recording, for whoever measures with a clock.

    `warnings` are in words. `why_missing` tells why nobody can judge what was asked under a label: None when all of it
    was there.
    """

    told: Told
    wire: Wire
    now: Callable[[], float]
    why_missing: Callable[[str], str | None]
    warnings: tuple[str, ...]


def open_recording(folder: Path) -> Recording:
    """Raises UsageError for what is no recording, or is damaged."""
    told = _told(folder / RUN)
    entries, warnings = _entries(folder / EXCHANGES)
    if told.version != __version__:
        warnings = (
            *warnings,
            f"it was recorded by version {told.version}, this is {__version__}: probes may ask otherwise by now",
        )
    wire = _ReplayWire(folder, entries)
    return Recording(told, wire, wire.now, wire.why_missing, warnings)


class _ReplayWire:
    """Answers as recorded; what was asked several times is answered in the order in which it was asked."""

    def __init__(self, folder: Path, entries: tuple[Entry, ...]) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._now_s = 0.0
        self._labels = frozenset(entry.label for entry in entries)
        self._lacked: dict[str, str] = {}
        self._exchanges: dict[tuple[str, ...], deque[Exchanged]] = defaultdict(deque)
        self._facts: dict[tuple[str, str], deque[Observed]] = defaultdict(deque)
        for entry in sorted(entries, key=lambda one: one.began_s):
            if isinstance(entry, Observed):
                self._facts[entry.label, entry.name].append(entry)
            else:
                request = None if entry.request is None else as_bytes(entry.request)
                place = place_of(entry.label, entry.method, entry.path, entry.key, request)
                self._exchanges[place].append(entry)

    def now(self) -> float:
        return self._now_s

    def close(self) -> None:
        """Nothing is open."""

    def why_missing(self, label: str) -> str | None:
        lacked = next((what for other, what in self._lacked.items() if other.split(" ")[0] == label), None)
        return "it is not in the recording" if lacked and label not in self._labels else lacked

    def observe(self, label: str, name: str, _look: Callable[[], object]) -> object:
        found = self._next(self._facts[label, name])
        if found is None:
            raise self._unknown(label, f"no observation {name!r} of {label}")
        return found.value

    @contextlib.contextmanager
    def open(self, sent: Sent) -> Iterator[Reply]:
        kind: Kind = "none" if not sent.api_key else "given" if sent.api_key == KEY_OF_A_REPLAY else "other"
        found = self._next(self._exchanges[place_of(sent.label, sent.method, sent.path, kind, sent.content)])
        if found is None:
            raise self._unknown(sent.label, f"no such request: {sent.method} {sent.path} of {sent.label or 'nobody'}")
        if found.status is None:
            raise _raised(found)
        yield Reply(found.status, found.headers, found.url, self._chunks(found))

    def _chunks(self, found: Exchanged) -> Iterator[Chunk]:
        for at_s, data in found.chunks:
            yield Chunk(at_s, as_bytes(data))
        if found.failure:
            raise _raised(found)
        if not found.is_whole:
            raise self._unknown(found.label, f"no more of this answer: {found.label} had closed {found.path} here")

    def _next(self, recorded: "deque[Read]") -> Read | None:
        with self._lock:
            if not recorded:
                return None
            found = recorded.popleft()
            self._now_s = max(self._now_s, getattr(found, "ended_s", 0.0))
            return found

    def _unknown(self, label: str, what: str) -> VerifyError:
        with self._lock:
            self._lacked.setdefault(label, f"the recording has {what}")
        return VerifyError(
            f"the recording in {self._folder} has {what}",
            hint="replay with the version of ernie-deploy that recorded it; an interrupted run lacks its end",
        )


def _raised(found: Exchanged) -> DeployError:
    failure = found.failure or Failure("EngineError", f"{found.url or found.path}: the run ended here", "", "")
    kind = {"EngineError": EngineError, "VerifyError": VerifyError}[failure.kind]
    return kind(failure.message, hint=failure.hint, details=failure.details)


def _told(path: Path) -> Told:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Told)
    except OSError as error:
        raise UsageError(
            f"{path.parent} is no recording: {RUN}: {error.strerror}", hint="give a folder that smoke --record made"
        ) from None
    except UNREADABLE as error:
        raise UsageError(f"{path}: not of a recording, or damaged: {error}") from None


def _entries(path: Path) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """All entries, and a warning about a last line that was being written when the run was killed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    *lines, rest = data.split(b"\n")
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(msgspec.json.decode(line, type=Entry))
        except UNREADABLE as error:
            raise UsageError(f"{path}:{number}: not of a recording, or damaged: {error}") from None
    warnings = (f"{path}:{len(lines) + 1}: the run was killed while it wrote this line",) if rest else ()
    return tuple(entries), warnings
