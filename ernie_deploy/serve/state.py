"""What is remembered of a deployment between commands, and who may work on it.

<state>/<name>/lock        held with flock by the command at work; the kernel drops it when that command dies
<state>/<name>/run.json    the run: token, leader, plan and launch; written before anything is spawned
<state>/<name>/seen.jsonl  processes of the run and the shared memory they use, written down as they appear
<state>/<name>/logs/       engine.log, the engine's own logs in engine/, and those of earlier runs
<state>/<name>/run/        the working directory of the engine
"""

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from ernie_deploy.engines.base import Launch
from ernie_deploy.errors import PreflightError
from ernie_deploy.files import write_atomically
from ernie_deploy.plan.values import Plan
from ernie_deploy.process import Identity, belongs, identify, is_alive
from ernie_deploy.serve import sightings
from ernie_deploy.serve.places import RUN_FILE, engine_log, token_prefix

Phase = Literal["starting", "ready"]
KEPT_LOGS = 5
ENGINE_LOGS = "engine"
# For how long the lock of a command that is gone may still be held: a program that it was just starting lets go of it
# the moment it runs.
GHOST_PATIENCE_S = 2.0
GHOST_POLL_S = 0.02
# A record takes about 8 KiB, and for a moment there are two of them; the first sightings and logs come on top.
ROOM_BYTES = 5 << 13


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One start of an engine. `started_at` is seconds since the epoch, for people to read."""

    plan: Plan
    launch: Launch
    phase: Phase
    started_at: float
    leader: Identity | None = None
    members: tuple[Identity, ...] = ()
    ready_after_s: float | None = None


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who holds the lock."""

    identity: Identity
    verb: str
    since: float


class Store:
    """The state directory of one deployment."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.logs = directory / "logs"
        self.engine_log = engine_log(directory)
        self._run = directory / RUN_FILE
        self._lock = directory / "lock"

    @property
    def token_prefix(self) -> str:
        """Marks every process of this deployment."""
        return token_prefix(self.directory)

    def prepare(self) -> None:
        """Make the directories. Raises PreflightError when nothing can be written there."""
        with self._writing():
            self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.directory / ".writable"
            write_atomically(probe, os.urandom(ROOM_BYTES))
            probe.unlink()

    def read(self) -> Run | None:
        """The run on record; None when there is none or when it cannot be read. It is never believed unchecked."""
        try:
            return msgspec.json.decode(self._run.read_bytes(), type=Run)
        except (OSError, msgspec.MsgspecError):
            return None

    def is_damaged(self) -> bool:
        """Whether there is a record that cannot be understood: half written by a full disk, or by another version."""
        return self._run.exists() and self.read() is None

    def write(self, run: Run) -> None:
        """Put the run on record, whole or not at all. Raises PreflightError when there is no room for it."""
        with self._writing():
            write_atomically(self._run, msgspec.json.encode(run), mode=0o600)

    def forget(self) -> None:
        """Take the run off the record; logs stay. Raises PreflightError when the file system is read-only."""
        with self._writing():
            self._run.unlink(missing_ok=True)
            sightings.end(self.directory)

    def begin_sightings(self) -> None:
        """A new run begins: what was seen of earlier ones is over. Raises OSError."""
        sightings.begin(self.directory)

    def family(self) -> tuple[Identity, ...]:
        """Every process of this deployment that runs now, whatever run.json says."""
        run = self.read()
        recorded = (*run.members, *((run.leader,) if run.leader else ())) if run else ()
        return sightings.members(self.directory, self.token_prefix, recorded)

    def observed(self) -> tuple[Identity, ...]:
        """The family; who and which shared memory is new in it goes on record, to be found when all ties are cut."""
        found, run = self.family(), self.read()
        if run:
            sightings.observe(self.directory, found, since=run.started_at)
        return found

    def leader(self) -> Identity | None:
        """The server process on record, if it still is that process and ours."""
        run = self.read()
        if run and run.leader and belongs(run.leader, self.token_prefix):
            return run.leader
        return None

    @contextlib.contextmanager
    def locked(self, verb: str, *, only_stops: bool = False) -> Iterator[None]:
        """Be the only command at work on this deployment. The engine never inherits the lock: Python opens with
        O_CLOEXEC. Raises PreflightError, naming the holder, when somebody else is at work, or when nothing can be
        written here; who `only_stops` needs no room, for a full disk is no reason to let an engine run."""
        with self._writing():
            descriptor = self._open_lock()
        try:
            self._take(descriptor)
            if not only_stops:
                self.prepare()
            self._sign(descriptor, verb)
            yield
        finally:
            os.close(descriptor)

    def holder(self) -> Holder | None:
        """Who is at work on this deployment now; None when nobody is."""
        try:
            holder = msgspec.json.decode(self._lock.read_bytes(), type=Holder)
        except (OSError, msgspec.MsgspecError):
            return None
        return holder if is_alive(holder.identity) and self._is_locked() else None

    def rotate_logs(self) -> None:
        """Keep the logs of the last starts: engine.log → engine.log.1 → … ; a failed start must stay readable, and
        must not be taken for the next one's. The directory of an engine's own logs is `engine`, `engine.1` …"""
        for name in (self.engine_log.name, ENGINE_LOGS):
            kept = [self.logs / name, *(self.logs / f"{name}.{number}" for number in range(1, KEPT_LOGS + 1))]
            if kept[-1].is_dir():
                shutil.rmtree(kept[-1])
            for newer, older in reversed(list(pairwise(kept))):
                if newer.exists():
                    newer.replace(older)

    def remove(self) -> None:
        """Delete everything of this deployment."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _open_lock(self) -> int:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            # A lock can be held on a file that cannot be written.
            return os.open(self._lock, os.O_RDONLY)

    def _take(self, descriptor: int) -> None:
        """Take the lock; who was killed holds it for a moment more through a child that is just being started."""
        deadline = time.monotonic() + GHOST_PATIENCE_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.holder() or time.monotonic() > deadline:
                    raise self._busy() from None
                time.sleep(GHOST_POLL_S)
            else:
                return

    def _sign(self, descriptor: int, verb: str) -> None:
        """Say in the lock who holds it. On a full disk others only learn that somebody does."""
        me = identify(os.getpid())
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            if me:
                os.pwrite(descriptor, msgspec.json.encode(Holder(me, verb, time.time())), 0)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PreflightError(
                f"{self.directory}: the state directory cannot be written: {error.strerror}",
                hint="free some space there, or name another place: ERNIE_DEPLOY_STATE=DIR",
            ) from None

    def _is_locked(self) -> bool:
        with self._lock.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _busy(self) -> PreflightError:
        holder = self.holder()
        who = f"`ernie-deploy {holder.verb}` (pid {holder.identity.pid})" if holder else "another ernie-deploy"
        name = self.directory.name
        return PreflightError(
            f"{who} is at work on the deployment {name!r}",
            hint=f"wait for it to end, or stop both with: ernie-deploy down --name {name}",
        )
