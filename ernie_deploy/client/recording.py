"""Writing a recording (see recorded.py): each exchange as it ends, durably, and never the key."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from ernie_deploy.client.recorded import (
    EXCHANGES,
    RUN,
    Bytes,
    Entry,
    Exchanged,
    Failure,
    Kind,
    Observed,
    Told,
    readable,
)
from ernie_deploy.client.wire import Chunk, Reply, Sent, Wire
from ernie_deploy.errors import DeployError, EngineError, UsageError, VerifyError
from ernie_deploy.hidden import Hidden

NOT_KEPT = frozenset({"set-cookie", "authorization", "proxy-authorization", "www-authenticate", "x-api-key"})


class Recorder:
    """Writes one recording; several wires, and threads, may write to it.

    A disk that is full does not end the run, because its verdicts would be lost or wrong: nothing more is written, and
    `require_complete` says so afterwards.
    """

    def __init__(self, folder: Path, told: Told, key: str = "", *, now: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._key = key
        self._hidden = Hidden(key)
        self._now = now
        self._started = now()
        self._lock = threading.Lock()
        self._why_incomplete: str | None = None
        self._is_closed = False
        _make_empty(folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            _write_whole(os.open(folder / RUN, flags, 0o600), msgspec.json.format(msgspec.json.encode(told)) + b"\n")
            self._file = os.open(folder / EXCHANGES, flags | os.O_APPEND, 0o600)
        except OSError as error:
            raise UsageError(f"{folder}: the recording cannot be written: {error.strerror}") from None

    def around(self, wire: Wire) -> Wire:
        """The same wire, recorded."""
        return _RecordingWire(wire, self)

    def close(self) -> None:
        """Who is still asking, after Ctrl-C among several requests, writes nothing any more."""
        with self._lock:
            self._is_closed = True
            os.close(self._file)

    def require_complete(self) -> None:
        """Raise UsageError when something could not be written."""
        if self._why_incomplete:
            raise UsageError(
                f"{self._folder}: the recording is not complete: {self._why_incomplete}",
                hint="the verdicts are right; record again where there is room",
            )

    def seconds(self) -> float:
        return round(self._now() - self._started, 6)

    def kind_of(self, api_key: str) -> Kind:
        return "none" if not api_key else "given" if api_key == self._key else "other"

    def without_key(self, chunks: tuple[Chunk, ...]) -> tuple[tuple[float, Bytes], ...]:
        """A careless server echoes the headers that it gets, in pieces as it likes."""
        whole = b"".join(chunk.data for chunk in chunks)
        clean = self.clean(whole)
        if clean != whole:
            return ((chunks[0].at_s, readable(clean)), (chunks[-1].at_s, ""))
        return tuple((round(chunk.at_s, 6), readable(chunk.data)) for chunk in chunks)

    def clean(self, data: bytes) -> bytes:
        return self._hidden.data(data)

    def clean_text(self, text: str) -> str:
        return self.clean(text.encode(errors="replace")).decode(errors="replace")

    def append(self, entry: Entry) -> None:
        """On the disk when it returns, or not at all."""
        line = msgspec.json.encode(entry) + b"\n"
        with self._lock:
            # The number of the closed file may be another file's by now, a report's for example.
            if self._why_incomplete or self._is_closed:
                return
            size = os.fstat(self._file).st_size
            try:
                _write_all(self._file, line)
                os.fdatasync(self._file)
            except OSError as error:
                self._why_incomplete = str(error.strerror)
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, size)


class _Taken:
    """What has come of one request until now."""

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.chunks: list[Chunk] = []
        self.is_whole = False
        self.broke = False

    def taking(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        self.broke = True
        for chunk in chunks:
            self.chunks.append(chunk)
            # While the asker has the chunk, whatever goes wrong is not the wire's doing.
            self.broke = False
            yield chunk
            self.broke = True
        self.broke, self.is_whole = False, True


class _RecordingWire:
    def __init__(self, inner: Wire, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def close(self) -> None:
        self._inner.close()

    def observe(self, label: str, name: str, look: Callable[[], object]) -> object:
        began_s = self._recorder.seconds()
        value = self._inner.observe(label, name, look)
        self._recorder.append(Observed(label, name, value, began_s, self._recorder.seconds()))
        return value

    @contextlib.contextmanager
    def open(self, sent: Sent) -> Iterator[Reply]:
        began_s = self._recorder.seconds()
        taken = _Taken()
        failure: Failure | None = None
        try:
            with self._inner.open(sent) as reply:
                taken.reply = reply
                yield reply._replace(chunks=taken.taking(reply.chunks))
        except (EngineError, VerifyError) as error:
            if taken.reply is None or taken.broke:
                failure = self._failure(error)
            raise
        finally:
            self._recorder.append(self._entry(sent, taken, failure, began_s))

    def _failure(self, error: DeployError) -> Failure:
        clean = self._recorder.clean_text
        kind: Literal["EngineError", "VerifyError"] = "EngineError" if isinstance(error, EngineError) else "VerifyError"
        return Failure(kind, clean(error.message), clean(error.hint), clean(error.details))

    def _entry(self, sent: Sent, taken: _Taken, failure: Failure | None, began_s: float) -> Exchanged:
        clean = self._recorder.clean_text
        headers = taken.reply.headers if taken.reply else {}
        return Exchanged(
            label=sent.label,
            method=sent.method,
            path=clean(sent.path),
            key=self._recorder.kind_of(sent.api_key),
            request=None if sent.content is None else readable(self._recorder.clean(sent.content)),
            began_s=began_s,
            ended_s=self._recorder.seconds(),
            status=taken.reply.status if taken.reply else None,
            headers={name: clean(value) for name, value in headers.items() if name not in NOT_KEPT},
            url=clean(taken.reply.url) if taken.reply else "",
            chunks=self._recorder.without_key(tuple(taken.chunks)),
            is_whole=taken.is_whole,
            failure=failure,
        )


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
        # Somebody's folder that will not be used, /tmp say, keeps its mode.
        if is_empty:
            folder.chmod(0o700)
    except OSError as error:
        raise UsageError(f"{folder}: the recording cannot be written: {error.strerror}") from None
    if not is_empty:
        raise UsageError(f"{folder} is not empty", hint="record into a new folder: nothing is overwritten")


def _write_whole(descriptor: int, data: bytes) -> None:
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
