"""Commands that are cut off at the worst moment, and two that want the same at once."""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import nvml
from tests.support.deployments import Place, eventually, finish, is_running

# From before the lock is taken to long after the engine answers; scripts/bench/kill_sweep.py takes two hundred.
MOMENTS_S = (0.02, 0.2, 0.35, 0.5, 0.65, 0.85, 1.1, 1.5)


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    finish(process)


def test_after_kill_9_of_up_at_any_moment_status_is_true_and_down_leaves_nothing(
    make_place: Callable[..., Place],
) -> None:
    places = {moment_s: make_place() for moment_s in MOMENTS_S}
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(killed_after, places.values(), places))


def killed_after(place: Place, moment_s: float) -> None:
    process = place.start_up()
    time.sleep(moment_s)
    kill(process)
    said = place.status()
    engines = place.engine_pids()
    if said["state"] in ("starting", "ready", "unhealthy"):
        assert said["pid"] in engines
    elif said["state"] in ("orphaned", "dead", "damaged"):
        assert said["left"] == len(engines)
    else:
        assert (said["state"], engines) == ("stopped", [])
    if moment_s in MOMENTS_S[::3]:
        again = place.up()
        assert again.code == 0, again.err
        assert place.status()["state"] == "ready"
    down = place.run("down")
    assert down.code == 0, down.err
    assert place.engine_pids() == []
    assert place.is_free()
    assert place.run_on_record() is None


def test_up_after_kill_9_adopts_the_engine_that_is_loading(place: Place) -> None:
    process = place.start_up(faults="slow-load:2")
    pid = place.wait_for_engine(line="Loading")
    kill(process)
    assert (place.status()["state"], place.status()["pid"]) == ("starting", pid)
    again = place.up()
    assert again.code == 0, again.err
    assert "already running" in again.out
    assert place.leader() == pid
    place.leave()


def test_up_clears_what_a_killed_engine_left_behind_and_starts_anew(place: Place) -> None:
    """The worker still holds the memory of the card: that is no reason to refuse, for it goes."""
    assert place.up(faults="orphan-worker").code == 0
    pid = place.leader()
    assert pid
    (worker,) = set(place.engine_pids()) - {pid}
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_running(pid))
    said = place.status()
    assert (said["state"], said["left"]) == ("orphaned", 1)
    place.show(nvml.L20.with_(used_mib=40_003, processes=((worker, 40_000),)))
    again = place.up("--grace", "2")
    assert again.code == 0, again.err
    assert "stopped 1 process that an earlier run had left behind" in again.err
    assert not is_running(worker)
    assert place.leader() not in (None, pid)
    place.show(nvml.L20)
    place.leave()


def test_of_two_ups_at_once_one_starts_and_the_other_says_who_is_at_work(place: Place) -> None:
    first = place.start_up(faults="slow-load:3")
    eventually(lambda: place.leader() is not None)
    second = place.up()
    assert second.code == 4, second
    assert second.seconds < 3
    assert f"`ernie-deploy up` (pid {first.pid}) is at work on the deployment 'ernie'" in second.err
    ended = finish(first)
    assert ended.code == 0, ended.err
    assert len(place.engine_pids()) == 2
    place.leave()


def test_of_many_ups_in_the_same_moment_exactly_one_engine_comes_out(place: Place) -> None:
    ended = [finish(process) for process in [place.start_up() for _ in range(4)]]
    assert {one.code for one in ended} <= {0, 4}, ended
    assert any(one.code == 0 for one in ended)
    for one in ended:
        assert one.code == 0 or "at work on the deployment" in one.err, one.err
    assert len(place.engine_pids()) == 2
    place.leave()


def test_the_engine_does_not_hold_the_lock(deployed: Place) -> None:
    with (deployed.state / "ernie/lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    deployed.leave()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_waiting_stops_what_was_started(place: Place, number: signal.Signals) -> None:
    process = place.start_up(faults="hang-loading")
    place.wait_for_engine(line="Loading Layers")
    process.send_signal(number)
    ended = finish(process)
    assert ended.code == 130, ended
    assert "error: interrupted; stopped 2 processes" in ended.err
    assert "Traceback" not in ended.err
    assert place.engine_pids() == []
    assert place.status()["state"] == "stopped"


def test_a_second_ctrl_c_kills_at_once_an_engine_that_does_not_listen(place: Place) -> None:
    process = place.start_up(faults="hang-loading,ignore-term,orphan-worker")
    place.wait_for_engine(line="Loading Layers")
    process.send_signal(signal.SIGINT)
    assert process.stderr
    line = ""
    while "Ctrl-C again to kill it" not in line:
        line = process.stderr.readline()
        assert line, "it was never said"
    time.sleep(0.3)
    assert len(place.engine_pids()) == 2
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    ended = finish(process)
    assert time.monotonic() - asked < 4
    assert ended.code == 130, ended
    assert place.engine_pids() == []


def test_a_hail_of_signals_leaves_nothing_behind(place: Place) -> None:
    process = place.start_up(faults="hang-loading,ignore-term,orphan-worker")
    place.wait_for_engine(line="Loading Layers")
    for number in (signal.SIGINT, signal.SIGTERM) * 20:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
    ended = finish(process)
    assert ended.code == 130, ended
    assert "Traceback" not in ended.err
    assert place.engine_pids() == []
    assert place.status()["state"] == "stopped"


def test_ctrl_c_before_anything_was_started_is_no_traceback(place: Place) -> None:
    process = place.start_up()
    time.sleep(0.45)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code in (130, -signal.SIGINT), ended
    assert place.engine_pids() == []


def test_ctrl_c_to_an_up_that_found_the_service_running_lets_it_run(place: Place) -> None:
    assert place.up("--no-wait", faults="hang-loading").code == 0
    pid = place.wait_for_engine(line="Loading Layers")
    process = place.start_up(faults="hang-loading")
    eventually(lambda: (place.state / "ernie/lock").read_bytes().find(str(process.pid).encode()) >= 0)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130, ended
    assert "was there before and goes on" in ended.err
    assert is_running(pid)
    place.leave()


def test_down_interrupts_an_up_that_is_waiting(place: Place) -> None:
    process = place.start_up(faults="hang-loading")
    place.wait_for_engine(line="Loading Layers")
    down = place.run("down")
    assert down.code == 0, down.err
    assert down.out.startswith("interrupted `up`; stopped 2 processes")
    assert finish(process).code == 130
    assert place.engine_pids() == []
    assert place.run_on_record() is None


def test_down_interrupts_an_up_in_the_background_of_a_script(place: Place) -> None:
    """A shell without job control lets its background jobs ignore Ctrl-C."""
    process = place.start_up(faults="hang-loading", before=("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    place.wait_for_engine(line="Loading Layers")
    down = place.run("down")
    assert down.code == 0, down.err
    assert down.seconds < 20
    assert finish(process).code == 130
    assert place.engine_pids() == []


def test_a_restart_that_is_interrupted_while_it_stops_starts_nothing(place: Place) -> None:
    assert place.up(faults="ignore-term").code == 0
    process = place.start("restart", *place.flags(), "--max-num-seqs", "8")
    eventually(lambda: b"restart" in (place.state / "ernie/lock").read_bytes())
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130, ended
    assert place.engine_pids() == []
    assert place.status()["state"] == "stopped"
