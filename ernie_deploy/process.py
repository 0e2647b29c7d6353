"""Processes by identity, found again by a token in their environment, and stopped to the last one.

A pid is a number that the kernel gives to somebody else later, so a pid alone is never believed: it counts together
with its start time, the boot it belongs to, and the token that we put into the environment of everything we start.
Engines start workers in sessions of their own, which outlive their leader; the token finds those too. A worker that
cleans its environment and loses its parent is found by what was seen of it before (`Kin`), by the session that it
shares with one of ours, or because it works in our directory and writes to our log (`Home`).
"""

import contextlib
import os
import re
import select
import signal
import time
from collections import defaultdict
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


class Kin(NamedTuple):
    """A process that was ours when it was seen, and the session it was in then.

    It is believed by these alone: the kernel gives nobody the number of a session that still has members, and a session
    cannot be entered from outside, so that a stranger with its number and start time is in another one.
    """

    identity: Identity
    session: int


class Home(NamedTuple):
    """Where an engine works and where its output goes; who does both is started by it, whatever else it hides."""

    working_dir: str
    logs: str


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
    found = (identify(pid) for pid in pids() if needle in b"\0" + _environment(pid))
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


def family(
    prefix: str, recorded: Iterable[Identity] = (), *, kin: Iterable[Kin] = (), home: Home | None = None
) -> tuple[Identity, ...]:
    """Everything that is ours: who carries the token, who was recorded or seen and is believed, who works at our home,
    and the children and session mates of all these."""
    boot, recorded, kin = boot_id(), tuple(recorded), tuple(kin)
    running = {one.pid: one for one in map(look, pids()) if one and not one.is_zombie}
    needle = f"\0{TOKEN_VARIABLE}={prefix}".encode()
    ours = {pid for pid in running if needle in b"\0" + _environment(pid)}
    ours |= {one.pid for one in recorded if one.pid in running and belongs(one, prefix)}
    ours |= {one.identity.pid for one in kin if _is_still(one, running.get(one.identity.pid), boot)}
    if home:
        ours |= {pid for pid in running.keys() - ours if _is_at(home, pid)}
    leaders = {one.pid: one.start_ticks for one in (*recorded, *(one.identity for one in kin)) if one.boot_id == boot}
    _add_near(ours, running, leaders)
    found = (Identity(pid, running[pid].start_ticks, boot) for pid in ours if pid in running)
    return tuple(sorted(found, key=lambda one: (one.start_ticks, one.pid)))


def kin_of(identities: Iterable[Identity]) -> tuple[Kin, ...]:
    """The same processes with their sessions; those that went meanwhile are left out."""
    seen = ((one, look(one.pid)) for one in identities)
    return tuple(Kin(one, now.session) for one, now in seen if now and now.start_ticks == one.start_ticks)


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


def pids() -> Iterator[int]:
    """The number of every process that is there now."""
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _is_still(kin: Kin, now: Seen | None, boot: str) -> bool:
    """Whether it is that process, in the session it was in or in one that it has founded since."""
    if now is None or kin.identity != Identity(now.pid, now.start_ticks, boot):
        return False
    return now.session in (kin.session, now.pid)


def _is_at(home: Home, pid: int) -> bool:
    """Whether its working directory is the engine's and its output goes to the engine's logs."""
    if _link(f"{pid}/cwd") != home.working_dir:
        return False
    return any(_link(f"{pid}/fd/{number}").startswith(home.logs + "/") for number in (1, 2))


def _link(name: str) -> str:
    """Where a link below /proc leads, also when that was deleted; empty when it is not ours to read."""
    try:
        return str((PROC / name).readlink()).removesuffix(" (deleted)")
    except OSError:
        return ""


def _add_near(ours: set[int], running: dict[int, Seen], leaders: dict[int, int]) -> None:
    """Add children, children of children, and who shares a session that one of ours has founded.

    `leaders` tells by pid the start time of those that we know to have been ours. As long as one of ours is in a
    session nobody else gets its number; a founder with another start time is a stranger with a session of his own.
    """
    children, mates = defaultdict(list), defaultdict(list)
    for one in running.values():
        children[one.parent].append(one.pid)
        mates[one.session].append(one.pid)
    unseen = list(ours)
    while unseen:
        pid = unseen.pop()
        near = list(children[pid])
        session = running[pid].session if pid in running else 0
        founder = running.get(session)
        is_founded_by_us = session in ours or (
            session in leaders and (founder is None or founder.start_ticks == leaders[session])
        )
        if is_founded_by_us:
            near += mates[session]
        unseen += set(near) - ours
        ours |= set(near)


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
