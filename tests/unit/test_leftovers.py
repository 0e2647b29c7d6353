"""What is removed from shared memory after a kill, and above all what is not."""

import contextlib
import mmap
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ernie_deploy.catalog.leftovers import WILD, Place, leftovers, pattern
from ernie_deploy.engines.base import Port
from ernie_deploy.engines.registry import ENGINES
from ernie_deploy.process import Identity, Kin, identify, kin_of
from ernie_deploy.serve import sightings
from ernie_deploy.serve.leftovers import named, remove, sweep
from ernie_deploy.serve.shared_objects import Object, in_use, object_at
from tests.support.plans import a_launch

LAUNCH = a_launch(ports=(Port(8180, "http", "0.0.0.0"), Port(8182, "engine queue", "0.0.0.0")))
OURS = (
    "worker_ready_signal.8182",
    "kv_cache_status.8182",
    "get_profile_block_num.8182",
    "fd_lock_prefix_tree.8182",
    "router_8180.ipc",
    "8180.socket",
    "response_8180_w4711.pull",
    "fd_task_queue_8182.sock",
    "fmq_ctrl_w2e_rank0_8182.ipc",
)
OTHERS = (
    "worker_ready_signal.8282",
    "worker_ready_signal.81821",
    "worker_ready_signal.8180",
    "worker_ready_signal",
    "xworker-ready_signal.8182",
    "router_8182.ipc",
    "router_18180.ipc",
    "response_8180_wx.pull",
    "processor_cache.ipc",
    "model.safetensors",
)


@pytest.fixture
def places(tmp_path: Path) -> dict[Place, Path]:
    """Directories in the place of /dev/shm and /tmp."""
    found: dict[Place, Path] = {"shm": tmp_path / "shm", "tmp": tmp_path / "tmp"}
    for directory in found.values():
        directory.mkdir()
    return found


def the(path: Path) -> Object:
    found = object_at(str(path))
    assert found
    return found[0]


def made(path: Path) -> Object:
    path.write_bytes(bytes(8))
    return the(path)


@contextlib.contextmanager
def listening(path: Path) -> Iterator[None]:
    """Somebody listens on a socket there; its file stays."""
    directory = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{directory}/{path.name}")
        server.listen()
        yield
    os.close(directory)


def me() -> Identity:
    found = identify(os.getpid())
    assert found
    return found


def test_names_with_our_ports_are_found_and_no_others(places: dict[Place, Path]) -> None:
    for name in (*OURS, *OTHERS):
        made(places["shm"] / name)
    made(places["tmp"] / "fd_weight_clear_update_lock__pid4711_port8180.lock")
    made(places["tmp"] / "fd_weight_clear_update_lock__pid4711_port8280.lock")
    found = {Path(one.path).name for one in named(LAUNCH, places)}
    assert found == {*OURS, "fd_weight_clear_update_lock__pid4711_port8180.lock"}


def test_without_a_known_queue_port_only_names_with_the_services_port_are_found(
    places: dict[Place, Path],
) -> None:
    for name in OURS:
        made(places["shm"] / name)
    unknown = a_launch(ports=LAUNCH.ports[:1])
    assert {Path(one.path).name for one in named(unknown, places)} == {name for name in OURS if "8180" in name}


def test_an_engine_without_names_of_its_own_leaves_nothing_to_find_by_name(places: dict[Place, Path]) -> None:
    made(places["shm"] / OURS[0])
    assert named(a_launch(engine="vllm", ports=LAUNCH.ports), places) == ()


def test_every_name_in_the_catalog_holds_a_port_and_is_understood() -> None:
    assert set(leftovers()) <= set(ENGINES)
    for name in (name for one in leftovers().values() for left in one for name in left.names):
        assert "port}" in name, name
        filled = name.replace("{port}", "80").replace("{queue_port}", "81").replace("{number}", "7")
        found = pattern(name, 80, 81)
        assert found, name
        assert found.fullmatch(filled.replace("{word}", "exist_task")), name
        assert "{" not in filled.replace("{word}", ""), f"{name}: known are {set(WILD)}"


def test_what_nobody_uses_is_removed_and_another_deployments_is_not(places: dict[Place, Path], tmp_path: Path) -> None:
    mine, other = made(places["shm"] / "exist_task_signal.8182"), made(places["shm"] / "exist_task_signal.8282")
    assert sweep(tmp_path, (LAUNCH,), places=places) == (mine.path,)
    assert not Path(mine.path).exists()
    assert Path(other.path).exists()
    assert sweep(tmp_path, (LAUNCH,), places=places) == ()


def test_what_is_mapped_stays_until_it_is_not(tmp_path: Path) -> None:
    one = made(tmp_path / "a_signal.1")
    with Path(one.path).open("r+b") as stream:
        mapped = mmap.mmap(stream.fileno(), 0)
    assert remove([one]) == ()
    mapped.close()
    assert remove([one]) == (one.path,)


def test_what_is_open_stays_until_it_is_not(tmp_path: Path) -> None:
    one = made(tmp_path / "a.lock")
    with Path(one.path).open("rb"):
        assert remove([one]) == ()
    assert remove([one]) == (one.path,)


def test_a_socket_goes_when_nobody_listens_on_it_any_more(tmp_path: Path) -> None:
    path = tmp_path / ("router_" + "8" * 60 + ".ipc")
    with listening(path):
        one = the(path)
        assert remove([one]) == ()
    assert remove([one]) == (one.path,)


def test_a_socket_whose_name_is_too_long_to_be_asked_stays(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{directory}/s")
    os.close(directory)
    path = (tmp_path / "s").rename(tmp_path / ("s" * 200))
    assert remove([the(path)]) == ()


def test_a_link_in_the_place_of_a_file_is_not_followed_and_not_removed(tmp_path: Path) -> None:
    one = made(tmp_path / "a_signal.1")
    victim = made(tmp_path / "victim")
    Path(one.path).unlink()
    Path(one.path).symlink_to(victim.path)
    assert remove([one]) == ()
    assert Path(one.path).is_symlink()
    assert Path(victim.path).exists()


@pytest.mark.parametrize("kind", ["symlink", "directory", "pipe"])
def test_only_files_and_sockets_bear_a_name_that_counts(places: dict[Place, Path], kind: str) -> None:
    path = places["shm"] / OURS[0]
    if kind == "symlink":
        path.symlink_to("/etc/passwd")
    elif kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert named(LAUNCH, places) == ()


def test_another_file_of_the_same_name_stays(tmp_path: Path) -> None:
    one = made(tmp_path / "psm_1")
    with Path(one.path).open("rb"):  # or its number would be given to the next one
        Path(one.path).unlink()
        other = made(tmp_path / "psm_1")
    assert other.inode != one.inode
    assert remove([one]) == ()
    assert Path(other.path).exists()


def test_a_file_of_another_user_stays(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    one = made(tmp_path / "a_signal.1")
    os.chown(one.path, 65534, 65534)
    assert remove([one]) == ()
    assert Path(one.path).exists()


def test_what_a_process_writes_to_there_is_seen(tmp_path: Path) -> None:
    begun = time.time()
    with contextlib.ExitStack() as stack:
        mapped = made(tmp_path / "psm_1")
        with Path(mapped.path).open("r+b") as stream:
            stack.enter_context(mmap.mmap(stream.fileno(), 0))
        opened = made(tmp_path / "lock")
        stack.enter_context(Path(opened.path).open("ab"))
        stack.enter_context(listening(tmp_path / "router.ipc"))
        found = in_use([me()], since=begun, directory=tmp_path)
        # A path through a descriptor is what the kernel remembers of this socket, so it is not among them.
        assert found == tuple(sorted((mapped, opened)))


def test_a_bound_socket_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.ipc"))
        assert in_use([me()], since=0, directory=tmp_path) == (the(tmp_path / "s.ipc"),)


def test_weights_that_somebody_keeps_there_are_not_taken_for_shared_memory(tmp_path: Path) -> None:
    """Mapped for reading only, or made before the run, or in a directory: none of that is the engine's."""
    old = made(tmp_path / "kept")
    with contextlib.ExitStack() as stack:
        stack.enter_context(Path(old.path).open("r+b"))
        (tmp_path / "models").mkdir()
        stack.enter_context(Path(made(tmp_path / "models" / "w.safetensors").path).open("r+b"))
        with Path(made(tmp_path / "model.safetensors").path).open("rb") as stream:
            stack.enter_context(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        assert in_use([me()], since=time.time() + 10, directory=tmp_path) == ()
        assert in_use([me()], since=0, directory=tmp_path) == (old,)


def test_sightings_are_read_as_they_were_written_once_each(tmp_path: Path) -> None:
    (kin,), one = kin_of([me()]), Object('/dev/shm/psm "b"\n', 1, 2)
    sightings.begin(tmp_path)
    for _ in range(2):
        sightings.add(tmp_path, [kin], [one])
    assert sightings.read(tmp_path) == ((kin,), (one,))
    assert (tmp_path / sightings.SEEN_FILE).read_bytes().count(b"psm") == 1


def test_half_a_line_and_nonsense_among_the_sightings_are_left_out(tmp_path: Path) -> None:
    kin = Kin(Identity(7, 8, "boot"), 7)
    path = tmp_path / sightings.SEEN_FILE
    path.write_bytes(b'[1, 2, "b", 3]\n{}\nnull\n[1]\n\xff\xfe\n[[[["\n["/dev/shm/x", 1, 2.5]\n[4, 5, "boo')
    sightings.add(tmp_path, [kin], [])
    assert sightings.read(tmp_path) == ((Kin(Identity(1, 2, "b"), 3), kin), ())


def test_a_record_of_100_mb_is_read_at_once_and_its_end_counts(tmp_path: Path) -> None:
    kin = Kin(Identity(7, 8, "boot"), 7)
    with (tmp_path / sightings.SEEN_FILE).open("wb") as stream:
        stream.write(b"\0" * 100_000_000)
    sightings.add(tmp_path, [kin], [])
    began = time.monotonic()
    assert sightings.read(tmp_path) == ((kin,), ())
    assert time.monotonic() - began < 1


def test_a_record_that_lies_removes_nothing_elsewhere(tmp_path: Path, places: dict[Place, Path]) -> None:
    mine, precious = made(places["shm"] / "psm_1"), made(tmp_path / "precious")
    around = mine._replace(path=str(places["shm"] / ".." / "precious"), inode=precious.inode)
    (tmp_path / sightings.SEEN_FILE).touch()
    sightings.add(tmp_path, [], [mine, precious, around, mine._replace(path=str(places["shm"]) + "/a\0b")])
    assert sweep(tmp_path, (), places=places) == (mine.path,)
    assert Path(precious.path).exists()


def test_of_a_run_that_was_forgotten_nothing_is_written(tmp_path: Path) -> None:
    sightings.add(tmp_path, kin_of([me()]), [])
    assert list(tmp_path.iterdir()) == []
    assert sightings.read(tmp_path) == ((), ())
