"""What has been seen of a deployment while it ran: its processes and the objects it shares memory through.

A worker that lost its parent and its environment cannot be asked whose it is, nor can a file in /dev/shm whose users
were killed. So both are written down as they appear, by every command that looks. Only appended to, so that nobody
needs the lock for it and nothing that is written at the same time is lost; never created by a look, so that a run that
was forgotten meanwhile stays so. Quick to import.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ernie_deploy.process import Home, Identity, Kin, family, kin_of
from ernie_deploy.serve.shared_objects import Object, in_use

SEEN_FILE = "seen.jsonl"
# Some twenty thousand sightings, the last ones: every look reads them.
MOST_BYTES = 1 << 20


class Sightings(NamedTuple):
    """All that was seen since the start."""

    kin: tuple[Kin, ...] = ()
    objects: tuple[Object, ...] = ()


def begin(directory: Path) -> None:
    """Forget what was seen of earlier runs. Raises OSError."""
    with (directory / SEEN_FILE).open("wb") as stream:
        os.fchmod(stream.fileno(), 0o600)


def end(directory: Path) -> None:
    """The run is over. Raises OSError."""
    (directory / SEEN_FILE).unlink(missing_ok=True)


def read(directory: Path) -> Sightings:
    """What was seen so far; lines that make no sense are left out, for a disk may have been full."""
    try:
        with (directory / SEEN_FILE).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - MOST_BYTES))
            lines = stream.read(MOST_BYTES).splitlines()
    except OSError:
        return Sightings()
    kin: dict[Kin, None] = {}
    objects: dict[Object, None] = {}
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            match json.loads(line):
                case [int(pid), int(ticks), str(boot), int(session)]:
                    kin[Kin(Identity(pid, ticks, boot), session)] = None
                case [str(path), int(device), int(inode)]:
                    objects[Object(path, device, inode)] = None
    return Sightings(tuple(kin), tuple(objects))


def add(directory: Path, kin: Iterable[Kin], objects: Iterable[Object]) -> None:
    """Write down what is new among these. A disk that is full is no reason to stop looking."""
    known = read(directory)
    news: list[object] = [[*one.identity, one.session] for one in kin if one not in known.kin]
    news += [list(one) for one in objects if one not in known.objects]
    if not news:
        return
    # It begins with a line break: what was cut off before is closed by it.
    text = "".join(f"\n{json.dumps(line)}" for line in news) + "\n"
    with contextlib.suppress(OSError):
        descriptor = os.open(directory / SEEN_FILE, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def observe(directory: Path, found: Iterable[Identity], *, since: float) -> None:
    """Write down who these are and what they share; `since` is the start of the run, in seconds since the epoch."""
    found = tuple(found)
    add(directory, kin_of(found), in_use(found, since=since))


def members(directory: Path, prefix: str, recorded: Iterable[Identity]) -> tuple[Identity, ...]:
    """Every process of the deployment in `directory` that runs now."""
    place = directory.resolve()
    home = Home(str(place / "run"), str(place / "logs"))
    return family(prefix, recorded, kin=read(directory).kin, home=home)
