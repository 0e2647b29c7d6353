"""Files that processes share memory or speak through: which ones some processes use, and which ones nobody uses.

Looked up in /proc, for who made such a file need not be alive any more. Quick to import: `status` looks too.
"""

import contextlib
import errno
import os
import re
import socket
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ernie_deploy.process import PROC, Identity, pids

SHM = Path("/dev/shm")
# The clock of a file system ticks a little behind ours.
CLOCK_SLACK_S = 1.0
WRITABLE = 0o200


class Object(NamedTuple):
    """A file that processes share: not merely a name, but that very file."""

    path: str
    device: int
    inode: int


def in_use(identities: Iterable[Identity], *, since: float, directory: Path = SHM) -> tuple[Object, ...]:
    """The files directly in /dev/shm that these processes write to. Only what was made or changed since the start of
    the run counts, so that weights that somebody keeps there are none of them."""
    paths = {path for one in identities for path in _written(one.pid, directory)}
    found = (object_at(path) for path in paths)
    return tuple(sorted(one for one, changed in filter(None, found) if changed >= since - CLOCK_SLACK_S))


def used(objects: set[Object]) -> set[Object]:
    """Those that a living process has mapped, open or bound. Processes that we may not look into count for nothing."""
    if not objects:
        return set()
    found = {one for one in objects if _is_bound(one)}
    names = {Path(one.path).name for one in objects}
    inodes = "|".join(str(one.inode) for one in objects)
    # Lines of /proc/PID/maps: range, rights, offset, major:minor, inode, path.
    mapping = re.compile(rf"^\S+ \S+ \S+ (\w+):(\w+) ({inodes}) +(/.*)$".encode(), re.MULTILINE)
    for pid in pids():
        for major, minor, inode, path in mapping.findall(_maps(pid)):
            device = os.makedev(int(major, 16), int(minor, 16))
            # Some file systems show another device here than to `stat`.
            found |= {
                one for one in objects
                if int(inode) == one.inode and (device == one.device or os.fsdecode(path) == one.path)
            }  # fmt: skip
        for link, target in _open_files(pid):
            # Only these are asked further: a file on a dead network drive would never answer.
            if target.rpartition("/")[2] in names:
                with contextlib.suppress(OSError):
                    is_this = link.stat()
                    found |= {one for one in objects if (one.device, one.inode) == (is_this.st_dev, is_this.st_ino)}
    return found


def object_at(path: str) -> tuple[Object, float] | None:
    """The file there and when it was last changed; None for what is neither a file nor a socket."""
    try:
        found = Path(path).lstat()
    except (OSError, ValueError):  # the latter: a damaged record has any name
        return None
    is_one = stat.S_ISREG(found.st_mode) or stat.S_ISSOCK(found.st_mode)
    return (Object(path, found.st_dev, found.st_ino), found.st_ctime) if is_one else None


def _written(pid: int, directory: Path) -> Iterator[str]:
    """Paths of files directly in `directory` that a process maps for writing, has open for writing, or has bound."""
    within = re.escape(os.fsencode(directory)) + rb"/[^/\n]+"
    inside = re.compile(within)
    # Mapped for writing, and shared.
    mapping = re.compile(rb"^\S+ .w.s \S+ \S+ \d+ +(" + within + rb")$", re.MULTILINE)
    yield from map(os.fsdecode, mapping.findall(_maps(pid)))
    sockets = set()
    for link, target in _open_files(pid):
        if target.startswith("socket:["):
            sockets.add(target[len("socket:[") : -1])
        elif inside.fullmatch(os.fsencode(target)):
            with contextlib.suppress(OSError):
                if link.lstat().st_mode & WRITABLE:
                    yield target
    if sockets:
        with contextlib.suppress(OSError):
            for line in (PROC / str(pid) / "net/unix").read_text(errors="surrogateescape").splitlines()[1:]:
                *_, inode, path = [*line.split(maxsplit=7), ""][:8]
                if inode in sockets and inside.fullmatch(os.fsencode(path)):
                    yield path


def _is_bound(one: Object) -> bool:
    """Whether somebody listens on it: a connection to a socket that nobody has bound any more is refused."""
    path = Path(one.path)
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    # Through the descriptor, for the path of a socket must be shorter than many a directory's.
    through = f"/proc/self/fd/{directory}/{path.name}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            return probe.connect_ex(through) != errno.ECONNREFUSED
    except OSError:  # a name that is too long to be asked
        return True
    finally:
        os.close(directory)


def _maps(pid: int) -> bytes:
    try:
        return (PROC / str(pid) / "maps").read_bytes()
    except OSError:
        return b""


def _open_files(pid: int) -> Iterator[tuple[Path, str]]:
    """Each descriptor of a process, as its link below /proc and where that leads."""
    with contextlib.suppress(OSError):
        for link in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield link, str(link.readlink())
