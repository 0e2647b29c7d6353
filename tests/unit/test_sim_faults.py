"""Faults of the simulator: how they are asked for, when they hold, and what the worker makes of them."""

import os
import time
from pathlib import Path

import pytest

from ernie_deploy.sim.fastdeploy import dials, faults, scenario
from ernie_deploy.sim.fastdeploy.worker_process import Worker


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_there_are_many_faults_and_each_says_what_it_does() -> None:
    known = faults.known()
    assert len(known) >= 25
    assert all(fault.says for fault in known.values())
    assert {fault.stage for fault in known.values()} >= set(scenario.SHARES)


def test_a_fault_has_a_time_and_an_argument() -> None:
    (one, other) = faults.parse("health-404@ready+2-7:30, oom@1.5")
    assert (one.fault.name, one.after_ready, one.at_s, one.until_s, one.argument) == ("health-404", True, 2, 7, "30")
    assert (other.after_ready, other.at_s, other.until_s) == (False, 1.5, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("health-405", "there is no fault"),
        ("oom:3", "takes no argument"),
        ("health-404:soon", "expected seconds"),
        ("oom@soon", "is not NAME"),
        ("!", "is not NAME"),
    ],
)
def test_what_is_no_fault_is_refused(text: str, said: str) -> None:
    with pytest.raises(faults.FaultError, match=said):
        faults.parse(text)


def test_a_fault_holds_from_its_time_to_its_end() -> None:
    clock = Clock()
    armed = faults.Faults(faults.parse("blind@2-4,garbled@ready+1"), clock)
    seen = []
    for at in (100, 102, 104):
        clock.at = at
        seen.append(armed.on("blind") is not None)
    assert seen == [False, True, False]
    assert armed.on("garbled") is None
    armed.became_ready()
    assert armed.on("garbled") is None
    clock.at = 105
    assert armed.on("garbled") is not None


def played(text: str, load_s: float = 10.0, elapsed_s: float = 0.0) -> list[scenario.Step]:
    return scenario.play(load_s, faults.parse(text), elapsed_s=elapsed_s, has_new_logs=False)


def said(steps: list[scenario.Step]) -> str:
    return "\n".join(str(step[1]) for step in steps if step[0] == "say")


def test_without_a_fault_the_worker_becomes_ready() -> None:
    steps = played("")
    assert steps[-1] == ["signal", "worker_ready_signal", 1]
    assert "checkpoint shards: 100%" in said(steps)
    assert "Start load layer 27" in said(steps)


@pytest.mark.parametrize("load_s", [0.0, 10.0])
@pytest.mark.parametrize(
    ("fault", "has", "has_not"),
    [
        ("die-workers", "No module named", "shards"),
        ("die-weights", "shards: 41%", "shards: 100%"),
        ("die-layers", "shards: 100%", "layer 27"),
        ("kv-none", "layer 27", "xxx"),
    ],
)
def test_a_fault_strikes_at_its_stage(fault: str, has: str, has_not: str, load_s: float) -> None:
    steps = played(fault, load_s)
    assert steps[-1] == ["end", 1]
    assert has in said(steps)
    assert has_not not in said(steps)


def test_memory_is_measured_before_graphs_are_captured() -> None:
    assert ["signal", "get_profile_block_num", scenario.BLOCKS] not in played("die-profiling")
    assert ["signal", "loaded_model_signal", 1] in played("die-profiling")
    assert ["signal", "get_profile_block_num", scenario.BLOCKS] in played("cuda-700")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("oom@ready+5", "belongs to the start"),
        ("slow-load@5:3", "holds from the start on"),
        ("server-killed@5-8", "cannot be taken back"),
        ("die-loading@5-8", "cannot be taken back"),
        ("no-tokens@8-5", "end before it begins"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(faults.FaultError, match=said):
        faults.parse(text)


def test_a_hang_with_an_end_makes_everything_after_it_late() -> None:
    steps = played("hang-weights@2-5", load_s=10.0)
    assert steps[-1] == ["signal", "worker_ready_signal", 1]
    assert max(step[1] for step in steps if step[0] == "at") == pytest.approx(10.0 + 5.0 - 3.0, abs=0.5)
    assert ["hang"] not in steps
    both = played("hang-loading@1-3,oom@4", load_s=10.0)
    assert both[-1] == ["end", 1]
    assert ["at", 4.0] in both


def test_a_worker_is_forgotten_only_when_its_server_is_gone(tmp_path: Path) -> None:
    manners = {"log_dir": str(tmp_path), "shm_dir": str(tmp_path), "suffix": "1", "max_s": 0.1}
    Worker({**manners, "server": os.getpid()}).wait(time.monotonic() + 0.4)
    with pytest.raises(SystemExit):
        Worker({**manners, "server": 2**22 + 1}).wait(time.monotonic() + 0.4)


def test_a_time_counts_from_the_start_of_the_server() -> None:
    steps = played("hang-loading@4", elapsed_s=1.0)
    assert steps[-2:] == [["at", 3.0], ["hang"]]
    assert all(step[1] <= 3.0 for step in steps if step[0] == "at")
    assert played("hang-loading@400") == played("")


def test_a_stage_that_comes_later_than_the_time_is_waited_for() -> None:
    assert played("die-layers@0.1")[-1] == ["end", 1]
    assert "shards: 100%" in said(played("die-layers@0.1"))


def test_dials_come_from_variables() -> None:
    environ = {"ERNIE_SIM_LOAD_S": "2.5", "ERNIE_SIM_LOOPBACK_ONLY": "1", "HOME": "/"}
    found = dials.from_environment(environ, version="2.4.0")
    assert (found.load_s, found.loopback_only, found.version) == (2.5, True, "2.4.0")
    assert dials.from_environment({"ERNIE_SIM_VERSION": "2.3.0"}, version="2.4.0").version == "2.3.0"


@pytest.mark.parametrize(
    "environ", [{"ERNIE_SIM_LAOD_S": "1"}, {"ERNIE_SIM_LOAD_S": "long"}, {"ERNIE_SIM_TTFT_S": "-1"}]
)
def test_a_dial_that_means_nothing_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(dials.DialError):
        dials.from_environment(environ)


def test_the_page_names_every_fault_and_every_dial() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "simulator.md").read_text(encoding="utf-8")
    for fault in faults.known().values():
        assert f"| `{fault.name}` | {fault.kind} | {fault.argument} | {fault.says} |" in page
    for name in dials.Dials.__struct_fields__:
        assert f"| `ERNIE_SIM_{name.upper()}` |" in page
