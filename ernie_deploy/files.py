"""Files written whole or not at all, paths as people write them, and sizes as they say them."""

import os
from pathlib import Path

from ernie_deploy.errors import UsageError

DEVICES = Path("/dev")


def write_atomically(target: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Put `content` at `target`; after a crash or a full disk the old content is still there.

    The temporary file is created with 0600 and gets `mode` before it takes the name, so that a secret is never readable
    in between. What is there and no file, such as /dev/stdout or a pipe, is written to and never replaced. Raises
    OSError as the system gave it.
    """
    import tempfile  # takes as long to import as all that `status` imports for a look at the state directory

    data = content.encode() if isinstance(content, str) else content
    if is_a_stream(target):
        with target.open("ab", buffering=0) as stream:
            stream.write(data)
        return
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def is_a_stream(target: Path) -> bool:
    """Whether it is there and something else than a file or a directory of our own: a device, a pipe, /dev/stdout."""
    # /dev/stdout leads to a regular file when a shell sent it there.
    return target.exists() and not target.is_dir() and (not target.is_file() or target.absolute().parent == DEVICES)


def _sync_directory(directory: Path) -> None:
    """A rename is only on disk when its directory is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def absolute(text: str) -> Path:
    """`~/models` → `/home/me/models`, without looking whether it exists. Raises UsageError for a home that is not."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        user = text.partition("/")[0].removeprefix("~")
        why = f"there is no user {user!r}" if user else "there is no home directory for this user"
        raise UsageError(f"{text}: {why}", hint="write the whole path, beginning with /") from None


def human_size(size_bytes: float) -> str:
    """`59055800320` → `55.0 GiB`: binary units, one decimal."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size_bytes) < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"
