"""Engines that do not come up: what is said, how soon, and that nothing stays behind."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.deployments import Ended, Place, eventually, finish, is_running, side_by_side

# What the issue demands, and what the operator sees: from the death to the end of the command.
AT_ONCE_S = 1.0
SILENT = ("--no-progress-timeout", "2")
# Faults, engine and flags.
FAULTS = {
    "slow-load:4": ("fastdeploy", SILENT),
    "hang-loading": ("fastdeploy", SILENT),
    "exit-0": ("fastdeploy", ()),
    "oom": ("fastdeploy", ()),
    "never-ready": ("fastdeploy", ("--timeout", "1.5")),
    "health-200-no-tokens": ("fastdeploy", SILENT),
    "health-304": ("fastdeploy", SILENT),
    "empty-answers": ("fastdeploy", ("--no-progress-timeout", "4")),
    "kv-small:2": ("vllm", ()),
}


class Failed:
    """How `up` ended with each fault, and where."""

    def __init__(self, places: dict[str, Place], ended: dict[str, Ended]) -> None:
        self.places = places
        self.ended = ended

    def with_(self, fault: str) -> Ended:
        return failed(self.places[fault], self.ended[fault])


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory, nvml_library: Path, engine_envs: Path) -> Iterator[Failed]:
    """Nothing here is about moments, so they wait side by side."""
    places = {fault: Place(tmp_path_factory.mktemp("fails"), nvml_library, engine_envs) for fault in FAULTS}
    jobs = {
        fault: partial(places[fault].up, *flags, engine=engine, faults=fault)
        for fault, (engine, flags) in FAULTS.items()
    }
    yield Failed(places, side_by_side(jobs))
    for place in places.values():
        place.leave()


def failed(place: Place, ended: Ended) -> Ended:
    assert ended.code == 6, ended
    assert ended.out == ""
    assert "Traceback" not in ended.err.replace(place.log(), "").rpartition("error:")[2]
    assert place.engine_pids() == []
    assert place.run_on_record() is None
    return ended


def test_a_crash_is_reported_at_once_with_its_last_words(place: Place) -> None:
    ended = failed(place, place.up(faults="die-at-start"))
    died_at = (place.state / "ernie/logs/engine.log").stat().st_mtime
    assert ended.at - died_at < AT_ONCE_S
    assert "RuntimeError: the fake engine was told to die at its start" in ended.err
    assert "the engine ended by itself (exit code 1)" in ended.err.splitlines()[-2]
    assert "hint: the whole log: ernie-deploy logs" in ended.err


def test_a_failed_start_that_exits_0_is_a_failure_all_the_same(starts: Failed) -> None:
    ended = starts.with_("exit-0")
    assert "(exit code 0)" in ended.err
    assert "RuntimeError: the fake worker was told to fail" in ended.err
    assert "FastDeploy's worker process died while loading" in ended.err


def test_a_kill_of_the_engine_while_it_loads_is_reported_at_once(place: Place) -> None:
    process = place.start_up(faults="hang-loading")
    pid = place.wait_for_engine(line="Loading Weights")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_running(pid))
    died_at = time.time()
    line = ""
    assert process.stderr
    while "the engine ended by itself (signal SIGKILL) while loading" not in line:
        line = process.stderr.readline()
        assert line, "it was never said"
    assert time.time() - died_at < AT_ONCE_S
    failed(place, finish(process))


def test_out_of_memory_is_named_with_what_to_do(starts: Failed) -> None:
    ended = starts.with_("oom")
    assert "ResourceExhaustedError" in ended.err
    assert "the card ran out of memory" in ended.err
    assert ended.err.splitlines()[-1].startswith("hint: see what else holds it")


def test_a_cause_of_an_earlier_start_is_not_given_for_this_one(starts: Failed) -> None:
    starts.with_("oom")
    place = starts.places["oom"]
    ended = failed(place, place.up(faults="die-at-start"))
    assert "out of memory" not in ended.err
    assert "ResourceExhaustedError" not in ended.err


def test_an_engine_that_falls_silent_is_stopped_at_the_deadline_without_progress(starts: Failed) -> None:
    assert "no progress for 2 s while loading layers" in starts.with_("hang-loading").err


def test_an_engine_that_never_opens_its_port_is_stopped_at_the_total_deadline(starts: Failed) -> None:
    assert "not ready after 2 s, still starting" in starts.with_("never-ready").err


def test_a_slow_start_that_moves_is_not_cut(starts: Failed) -> None:
    ended = starts.ended["slow-load:4"]
    assert ended.code == 0, ended.err


def test_health_200_without_a_token_is_not_ready(starts: Failed) -> None:
    ended = starts.with_("health-200-no-tokens")
    assert "while waiting for the first token: it accepts a request and generates nothing" in ended.err


def test_health_304_is_not_ready(starts: Failed) -> None:
    assert "/health says 304, which is not ready" in starts.with_("health-304").err


def test_empty_answers_are_not_ready(starts: Failed) -> None:
    assert "the answer ended without a token" in starts.with_("empty-answers").err


def test_workers_that_outlive_a_failed_start_are_stopped_and_the_failure_is_said_before(place: Place) -> None:
    process = place.start_up("--grace", "2", faults="hang-loading,orphan-worker")
    pid = place.wait_for_engine(line="Loading Layers")
    assert len(place.engine_pids()) == 2
    os.kill(pid, signal.SIGKILL)
    died_at = time.time()
    line = ""
    assert process.stderr
    while "the engine ended by itself" not in line:
        line = process.stderr.readline()
        assert line, "it was never said"
    assert time.time() - died_at < AT_ONCE_S
    failed(place, finish(process))


def test_an_engine_that_cannot_be_executed_is_no_traceback(place: Place) -> None:
    python = place.directory / "python"
    real = place.engines / "fastdeploy/bin/python"
    # It answers once, when it is looked at, and is gone when it is to be started.
    python.write_text(f'#!/bin/sh\n[ -e "$0.asked" ] && exec rm "$0"\n: > "$0.asked"\nrm "$0"\nexec {real} "$@"\n')
    python.chmod(0o755)
    ended = place.up("--engine-python", str(python), env={"PATH": "/usr/bin:/bin"})
    assert ended.code == 6, ended
    assert f"{python}: cannot be started: No such file or directory" in ended.err
    assert place.status()["state"] == "stopped"


def test_the_known_remedy_is_said_aloud_and_tried_once(place: Place) -> None:
    ended = place.up(engine="vllm", faults="kv-small")
    assert ended.code == 0, ended.err
    assert ended.err.count("trying once more with --gpu-memory-utilization 0.95") == 1
    run = place.run_on_record()
    assert run
    argv = run["launch"]["argv"]
    assert argv[argv.index("--gpu-memory-utilization") + 1] == "0.95"
    pid = place.leader()
    again = place.up(engine="vllm", faults="kv-small")
    assert (again.code, place.leader()) == (0, pid), again.err
    assert "already running" in again.out
    place.leave()


def test_a_remedy_that_does_not_help_is_not_tried_again(starts: Failed) -> None:
    ended = starts.with_("kv-small:2")
    assert ended.err.count("trying once more") == 1
    assert "To serve at least one request" in ended.err
    logs = (starts.places["kv-small:2"].state / "ernie/logs").glob("engine.log*")
    assert len(list(logs)) == 2


def test_a_check_that_is_ignored_only_warns(starts: Failed) -> None:
    # vLLM in bf16 does not fit the card at hand, and was started all the same.
    refusal = next(line for line in starts.with_("kv-small:2").err.splitlines() if "memory-fit: " in line)
    assert refusal.startswith("warn   memory-fit")
    assert refusal.endswith("(ignored)")
