"""Processes by identity, found again by a token in their environment, and stopped to the last one.

A pid is a number that the kernel gives to somebody else later, so a pid alone is never believed: it counts together
with its start time, the boot it belongs to, and the token that we put into the environment of everything we start.
Engines start workers in sessions of their own, which outlive their leader; the token finds those too.
"""

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TOKEN_VARIABLE = "ERNIE_DEPLOY_TOKEN"
POLL_S = 0.05
# After KILL only the kernel is left to act; a process in an uninterruptible call can outlast any patience.
KILL_PATIENCE_S = 10.0
# How long workers may take to notice that their leader went.
WORKER_GRACE_S = 15.0


class Identity(NamedTuple):
    """One process, not merely a number: `start_ticks` is field 22 of /proc/PID/stat, `boot_id` the kernel's own."""

    pid: int
    start_ticks: int
    boot_id: str


class Seen(NamedTuple):
    """What /proc/PID/stat says about a process."""

    pid: int
    parent: int
    group: int
    session: int
    start_ticks: int
    is_zombie: bool


class Stopped(NamedTuple):
    """How a stop went: how many processes there were, how many needed KILL, and the pids that still stand.

    `hurried` tells that somebody asked for haste meanwhile, so that nothing new should be started after it.
    """

    found: int
    killed: int
    left: tuple[int, ...]
    hurried: bool = False


def boot_id() -> str:
    """Changes with every boot, and voids every pid recorded before."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def look(pid: int) -> Seen | None:
    """The process with this number now; None when there is none."""
    try:
        data = (PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The command stands in parentheses; it may itself hold spaces and parentheses, and is cut in mid-character.
    fields = data.rpartition(b")")[2].split()
    return Seen(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), fields[0] in (b"Z", b"X"))


def identify(pid: int) -> Identity | None:
    """The identity of a running process; None when it is gone or only its exit code is left."""
    seen = look(pid)
    return Identity(pid, seen.start_ticks, boot_id()) if seen and not seen.is_zombie else None


def is_alive(identity: Identity) -> bool:
    """Whether that very process still runs."""
    return identify(identity.pid) == identity


def command_of(pid: int) -> str:
    """Its command line as text, `""` when it is gone or not ours to read."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return raw.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


def argv_of(pid: int) -> tuple[str, ...]:
    """Its argument vector, byte for byte as it was started."""
    raw = (PROC / str(pid) / "cmdline").read_bytes()
    return tuple(os.fsdecode(word) for word in raw.removesuffix(b"\0").split(b"\0"))


def with_token(prefix: str) -> tuple[Identity, ...]:
    """Every running process whose environment carries our token beginning with `prefix`."""
    needle = f"\0{TOKEN_VARIABLE}={prefix}".encode()
    found = (identify(pid) for pid in _pids() if needle in b"\0" + _environment(pid))
    return tuple(identity for identity in found if identity)


def belongs(identity: Identity, prefix: str) -> bool:
    """Whether a *recorded* process still is that process and really one of ours.

    Two processes can share a number and, within one clock tick, a start time. So the token decides; only a process
    whose environment cannot be read as one (it renamed itself over it) is believed by its start time alone.
    """
    if not is_alive(identity):
        return False
    environment = _environment(identity.pid)
    if f"\0{TOKEN_VARIABLE}={prefix}".encode() in b"\0" + environment:
        return True
    return _is_overwritten(environment)


def family(prefix: str, recorded: Iterable[Identity] = ()) -> tuple[Identity, ...]:
    """Everything that is ours: who carries the token, who was recorded and is believed, and all their children."""
    ours = {*with_token(prefix), *(one for one in recorded if belongs(one, prefix))}
    children: dict[int, list[int]] = {}
    for pid in _pids():
        seen = look(pid)
        if seen:
            children.setdefault(seen.parent, []).append(pid)
    open_pids = [one.pid for one in ours]
    while open_pids:
        for child in children.get(open_pids.pop(), ()):
            identity = identify(child)
            if identity and identity not in ours:
                ours.add(identity)
                open_pids.append(child)
    return tuple(sorted(ours, key=lambda one: (one.start_ticks, one.pid)))


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signal that very process through a pidfd, so that nobody who got its number meanwhile is hit."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(identity):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def stop(
    leader: Identity | None,
    find: Callable[[], tuple[Identity, ...]],
    *,
    grace_s: float,
    reap: Callable[[], object] = lambda: None,
    is_in_a_hurry: Callable[[], bool] = lambda: False,
    now: Callable[[], float] = time.monotonic,
) -> Stopped:
    """TERM the leader, wait `grace_s`; TERM what outlived it, wait a little; KILL what is left.

    The leader goes first and alone: workers that are told to leave at the same moment cut the answers in flight that
    the leader is draining. `find` is asked again each time, for new processes may appear while old ones leave; `reap`
    collects exit codes when they are our own children. Once `is_in_a_hurry`, nobody gets any more time.
    """
    seen = set(find())
    killed: set[Identity] = set()
    if leader and leader in seen and not is_in_a_hurry():
        send(leader, signal.SIGTERM)
        _gone(lambda: () if not is_alive(leader) else (leader,), grace_s, reap, now, is_in_a_hurry)
    left = find()
    if left and not is_in_a_hurry():
        for one in left:
            send(one, signal.SIGTERM)
        left = _gone(find, min(grace_s, WORKER_GRACE_S), reap, now, is_in_a_hurry)
    deadline = now() + KILL_PATIENCE_S
    while left and now() < deadline:
        killed |= {one for one in left if send(one, signal.SIGKILL)}
        left = _gone(find, 1.0, reap, now)
    return Stopped(len(seen | killed), len(killed), tuple(one.pid for one in left), is_in_a_hurry())


def exited(descriptor: int) -> bool:
    """Whether the process behind a pidfd has ended; works for processes that are not our children."""
    return bool(select.select([descriptor], [], [], 0)[0])


def bytes_read(identities: Iterable[Identity]) -> int:
    """How many bytes these processes have read so far, from files and pipes: a sign of life while weights load."""
    total = 0
    for one in identities:
        with contextlib.suppress(OSError):
            text = (PROC / str(one.pid) / "io").read_text()
            found = re.search(r"^rchar: (\d+)$", text, re.MULTILINE)
            total += int(found[1]) if found else 0
    return total


def _gone(
    find: Callable[[], tuple[Identity, ...]],
    patience_s: float,
    reap: Callable[[], object],
    now: Callable[[], float],
    is_in_a_hurry: Callable[[], bool] = lambda: False,
) -> tuple[Identity, ...]:
    """Wait until `find` finds nobody, at most `patience_s`; who is still there."""
    deadline = now() + patience_s
    while True:
        reap()
        left = find()
        if not left or now() >= deadline or is_in_a_hurry():
            return left
        time.sleep(POLL_S)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _environment(pid: int) -> bytes:
    """Empty for a process that is gone, another user's, or the kernel's own."""
    try:
        return (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return b""


def _is_overwritten(environment: bytes) -> bool:
    """Whether this is no list of NAME=value: what a process leaves that writes its title over its environment."""
    entries = [entry for entry in environment.split(b"\0") if entry]
    return bool(entries) and not any(re.match(rb"[A-Za-z_][A-Za-z0-9_]*=", entry) for entry in entries)
