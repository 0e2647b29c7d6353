"""What is written is whole, and only files are replaced."""

import os
import stat
import threading
from pathlib import Path

import pytest

from ernie_deploy.files import is_a_stream, write_atomically


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "report"
    target.write_text("a long text of before")
    write_atomically(target, "new", 0o600)
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", 0o600)
    assert [found.name for found in tmp_path.iterdir()] == ["report"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    target = tmp_path / "pipe"
    os.mkfifo(target)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(target.read_text()))
    reader.start()
    write_atomically(target, "through")
    reader.join(10)
    assert read == ["through"]
    assert stat.S_ISFIFO(target.stat().st_mode)


def test_a_full_device_is_full_and_stays_a_device(tmp_path: Path) -> None:
    target = tmp_path / "full"
    target.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, "text")
    assert target.is_symlink()
    assert stat.S_ISCHR(target.stat().st_mode)


def test_a_directory_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "place", "text")
    assert [found.name for found in tmp_path.iterdir()] == ["place"]


def test_what_is_not_there_yet_is_no_stream_and_a_device_always_is(tmp_path: Path) -> None:
    assert not is_a_stream(tmp_path / "new")
    assert not is_a_stream(tmp_path)
    assert is_a_stream(Path("/dev/null"))
    assert is_a_stream(Path("/dev/stdout"))
