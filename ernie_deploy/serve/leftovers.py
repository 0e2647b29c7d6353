"""Shared memory and sockets that a killed engine leaves behind: found by what was seen, and by name, and removed.

/dev/shm and /tmp are open to everybody. So only a file goes that belongs to this user, is what it was when it was seen
(no link, no other file of that name), and that no process has mapped, open or bound any more.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ernie_deploy.catalog.leftovers import Place, leftovers, pattern
from ernie_deploy.engines.base import Launch
from ernie_deploy.serve.shared_objects import SHM, Object, object_at, used
from ernie_deploy.serve.sightings import read

PLACES: Mapping[Place, Path] = {"shm": SHM, "tmp": Path("/tmp")}
QUEUE_ROLE = "engine queue"


def named(launch: Launch, places: Mapping[Place, Path] = PLACES) -> tuple[Object, ...]:
    """The files that have the names which this engine gives to such objects at these ports, whoever made them."""
    port = launch.ports[0].number
    queue_port = next((one.number for one in launch.ports if one.role == QUEUE_ROLE), None)
    found = []
    for left in leftovers().get(launch.engine, ()):
        patterns = [one for one in (pattern(name, port, queue_port) for name in left.names) if one]
        with contextlib.suppress(OSError):
            for path in places[left.place].iterdir():
                if any(one.fullmatch(path.name) for one in patterns):
                    found.append(object_at(str(path)))
    return tuple(sorted(one[0] for one in found if one))


def remove(objects: Iterable[Object]) -> tuple[str, ...]:
    """Remove those that are ours and that nobody uses any more; the paths of those that were removed."""
    ours = {one for one in objects if _is_ours(one)}
    free = sorted(ours - used(ours))
    return tuple(one.path for one in free if _remove(one))


def sweep(directory: Path, launches: Iterable[Launch], *, places: Mapping[Place, Path] = PLACES) -> tuple[str, ...]:
    """Remove what was seen of the deployment in `directory`, and what bears the names that these launches give.

    Whatever the record says, nothing outside of `places` goes.
    """
    seen = (one for one in read(directory).objects if Path(one.path).parent in places.values())
    return remove({*seen, *(one for launch in launches for one in named(launch, places))})


def _is_ours(one: Object) -> bool:
    """Whether it still is that file, and this user's."""
    found = object_at(one.path)
    try:
        return found is not None and found[0] == one and Path(one.path).lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _remove(one: Object) -> bool:
    """Remove this file: the directory is held, and what it names is looked at once more without following a link."""
    path = Path(one.path)
    try:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        found = os.stat(path.name, dir_fd=directory, follow_symlinks=False)
        if (found.st_dev, found.st_ino, found.st_uid) != (one.device, one.inode, os.geteuid()):
            return False
        os.unlink(path.name, dir_fd=directory)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(directory)
