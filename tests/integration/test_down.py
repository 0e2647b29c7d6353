"""`down` ends everything of a deployment, nothing else, and proves it."""

import fcntl
import json
import os
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from ernie_deploy.serve.state import Store
from tests.support import nvml
from tests.support.deployments import Place, eventually, finish, is_running, start_ticks_of, stranger


def downed(place: Place, *words: str) -> str:
    ended = place.run("down", *words)
    assert ended.code == 0, ended
    assert place.engine_pids() == []
    assert place.is_free()
    assert place.run_on_record() is None
    return ended.out


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def record_leader(place: Place, leader: tuple[int, int, str]) -> None:
    """Let run.json name this process, and no other."""
    run = place.run_on_record()
    assert run
    run |= {"leader": leader, "members": [leader]}
    place.record().write_text(json.dumps(run))


def test_an_engine_that_ignores_sigterm_is_killed_after_the_grace(place: Place) -> None:
    assert place.up(faults="ignore-term,orphan-worker").code == 0
    began = time.monotonic()
    said = downed(place, "--grace", "1")
    assert 1 <= time.monotonic() - began < 15
    assert "2 of them killed" in said
    assert "nothing of 'ernie' is left" in said


def test_workers_in_a_session_of_their_own_are_stopped_too(place: Place) -> None:
    assert place.up(faults="orphan-worker").code == 0
    leader = place.leader()
    assert leader
    (worker,) = set(place.engine_pids()) - {leader}
    assert os.getsid(worker) != os.getsid(leader)
    assert "1 of them killed" in downed(place, "--grace", "2")


def test_an_answer_in_flight_gets_its_grace(deployed: Place) -> None:
    """Nothing is killed when the engine leaves within its time."""
    assert downed(deployed) == "stopped 2 processes; nothing of 'ernie' is left\n"


def test_twice_is_no_error(deployed: Place) -> None:
    downed(deployed)
    assert downed(deployed) == "'ernie' was not running\n"


def test_where_nothing_was_ever_deployed_it_is_no_error_and_leaves_no_trace(place: Place) -> None:
    assert downed(place) == "'ernie' was not running\n"
    assert not place.state.exists()


def test_a_dry_run_names_the_processes_and_changes_nothing(deployed: Place) -> None:
    ended = deployed.run("down", "--dry-run")
    assert ended.code == 0
    pids = {int(line.split(":")[0].removeprefix("would stop ")) for line in ended.out.splitlines()}
    assert pids == set(deployed.engine_pids())
    assert deployed.status()["state"] == "ready"
    listed = deployed.run("down", "--dry-run", "--json").json()["would_stop"]
    assert {one["pid"] for one in listed} == pids
    downed(deployed)


def test_a_record_that_names_a_dead_process_is_cleared(deployed: Place) -> None:
    for pid in deployed.engine_pids():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not deployed.engine_pids())
    assert deployed.status()["state"] == "dead"
    assert "was not running" in downed(deployed)
    assert deployed.status()["state"] == "stopped"


@pytest.mark.parametrize("same_start", [True, False], ids=["same start time", "another start time"])
def test_a_stranger_who_got_the_pid_survives(deployed: Place, same_start: bool) -> None:
    """Two processes can have one number and, within a clock tick, one start time: the token tells them apart."""
    with stranger() as pid:
        ticks = start_ticks_of(pid)
        record_leader(deployed, (pid, ticks if same_start else ticks - 1, boot_id()))
        assert deployed.status()["state"] == "orphaned"
        assert "stopped 2 processes" in downed(deployed)
        assert is_running(pid)


def test_a_stranger_is_not_adopted_by_up(deployed: Place) -> None:
    ours = deployed.engine_pids()
    with stranger() as pid:
        record_leader(deployed, (pid, start_ticks_of(pid), boot_id()))
        again = deployed.up()
        assert again.code == 0, again.err
        assert "stopped 2 processes that an earlier run had left behind" in again.err
        assert is_running(pid)
    assert not set(ours) & set(deployed.engine_pids())
    downed(deployed)


def test_a_record_from_before_a_reboot_names_nobody(place: Place) -> None:
    assert place.up("--no-wait").code == 0
    pid = place.leader()
    assert pid
    record_leader(place, (pid, start_ticks_of(pid), "00000000-0000-0000-0000-000000000000"))
    assert place.status()["state"] == "orphaned"
    assert "stopped" in downed(place)


@pytest.mark.parametrize("garbage", ["half", "{}", "[]", "\0\0\0", '{"leader": 1, "members": 7}'])
def test_a_damaged_record_is_called_that_and_its_processes_are_found_by_their_token(
    damaged: Place, garbage: str
) -> None:
    whole = damaged.record().read_bytes()
    try:
        damaged.record().write_bytes(whole[: len(whole) // 2] if garbage == "half" else garbage.encode())
        said = damaged.status()
        assert (said["state"], said["left"]) == ("damaged", 2)
        assert "its record is damaged or gone, 2 processes run" in damaged.run("status").out
    finally:
        damaged.record().write_bytes(whole)


@pytest.fixture(scope="module")
def damaged(running: Place) -> Place:
    """A deployment whose record each test spoils and mends."""
    return running


def test_behind_a_damaged_record_up_replaces_nothing_and_down_stops_all(deployed: Place) -> None:
    deployed.record().write_text('{"plan":')
    again = deployed.up()
    assert again.code == 4, again
    assert "the record of 'ernie' is damaged, and processes of it are running" in again.err
    assert "ernie-deploy down --name ernie" in again.err
    assert len(deployed.engine_pids()) == 2
    assert "stopped 2 processes" in downed(deployed)


def test_a_state_directory_that_was_deleted_does_not_hide_the_engine(deployed: Place) -> None:
    shutil.rmtree(deployed.state)
    assert deployed.status()["left"] == 2
    assert "stopped 2 processes" in downed(deployed)


def test_the_lock_of_who_was_killed_is_waited_for_while_its_last_child_lets_go(tmp_path: Path) -> None:
    """Between fork and exec the child of a killed `up` still holds what its parent held."""
    store = Store(tmp_path)
    with (tmp_path / "lock").open("wb") as child:
        fcntl.flock(child, fcntl.LOCK_EX)
        threading.Timer(0.2, lambda: fcntl.flock(child, fcntl.LOCK_UN)).start()
        with store.locked("down", only_stops=True):
            holder = store.holder()
            assert holder
            assert holder.identity.pid == os.getpid()


def test_two_downs_at_once_leave_the_grace_alone(place: Place) -> None:
    assert place.up(faults="ignore-term").code == 0
    first = place.start("down", "--grace", "2")
    eventually(lambda: b"down" in (place.state / "ernie/lock").read_bytes())
    began = time.monotonic()
    second = place.run("down")
    assert second.code == 0, second
    assert time.monotonic() - began > 1
    assert finish(first).code == 0
    assert place.engine_pids() == []


def test_ctrl_c_takes_away_the_grace(place: Place) -> None:
    assert place.up(faults="ignore-term").code == 0
    process = place.start("down", "--grace", "60")
    eventually(lambda: b"down" in (place.state / "ernie/lock").read_bytes())
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    ended = finish(process, timeout_s=15)
    assert ended.code == 0, ended
    assert "killed" in ended.out
    assert place.engine_pids() == []


def test_a_port_that_somebody_else_took_meanwhile_is_said(deployed: Place) -> None:
    with socket.socket(socket.AF_INET) as other:
        other.bind(("127.0.0.2", deployed.port))
        other.listen()
        ended = deployed.run("down")
    assert ended.code == 0, ended
    assert f"port {deployed.port} is held by somebody else" in ended.out


def test_memory_that_a_stopped_process_still_holds_on_the_card_is_an_error(deployed: Place) -> None:
    pid = deployed.leader()
    assert pid
    deployed.show(nvml.L20.with_(used_mib=30_000, processes=((pid, 29_000),)))
    ended = deployed.run("down")
    assert ended.code == 6, ended
    assert f"GPU memory is still held by {pid}" in ended.err


def test_memory_that_a_process_held_which_died_long_before_is_found_too(deployed: Place) -> None:
    """Killed, gone, and known only by what was seen while it lived."""
    pids = deployed.engine_pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not deployed.engine_pids())
    deployed.show(nvml.L20.with_(used_mib=30_000, processes=((pids[-1], 29_000),)))
    ended = deployed.run("down")
    assert ended.code == 6, ended
    assert f"GPU memory is still held by {pids[-1]}" in ended.err
