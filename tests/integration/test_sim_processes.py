"""The simulated FastDeploy as processes: how starts fail, who outlives whom, what is left in shared memory."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from ernie_deploy.environments import simulated
from ernie_deploy.facts.collect import look_at_python
from tests.support.deployments import eventually, is_running
from tests.support.engines import free_port
from tests.support.simulator import PARSERS, ask, is_open, sequence, simulator


class Ended(NamedTuple):
    code: int
    out: str
    worker_log: str


def start(directory: Path, *argv: str, faults: str = "", **dials: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "ERNIE_SIM_LOAD_S": "0.1", "ERNIE_SIM_MAX_S": "60", "ERNIE_SIM_FAULTS": faults,
                   "ERNIE_SIM_SHM_DIR": str(directory), "ERNIE_SIM_LOOPBACK_ONLY": "1",
                   "FD_LOG_DIR": str(directory / "log")}  # fmt: skip
    environment |= {f"ERNIE_SIM_{name.upper()}": value for name, value in dials.items()}
    command = (sys.executable, "-m", "ernie_deploy.sim.fastdeploy", "--model=any/model", "--host=127.0.0.1")
    with (directory / "out").open("wb") as out:
        return subprocess.Popen((*command, *argv), env=environment, stdout=out, stderr=out, cwd=directory)


def ended(directory: Path, process: "subprocess.Popen[bytes]") -> Ended:
    code = process.wait(20)
    logs = [path.read_text() for path in (directory / "log").rglob("workerlog.0")]
    return Ended(code, (directory / "out").read_text(), "".join(logs))


def side_by_side(tmp_path: Path, starts: Mapping[str, tuple[str, ...]]) -> dict[str, Ended]:
    """Many starts at once, each told its fault and further arguments."""
    running = {}
    for name, argv in starts.items():
        (tmp_path / name).mkdir()
        running[name] = start(tmp_path / name, f"--port={free_port()}", *argv[1:], faults=argv[0])
    return {name: ended(tmp_path / name, process) for name, process in running.items()}


FAILED = "Failed to launch worker processes, check log/workerlog.* for more details."


def test_failed_starts_end_as_the_real_ones_do(tmp_path: Path) -> None:
    """A start that failed exits 0; only what nobody catches exits 1, and a wrong argument 2."""
    found = side_by_side(
        tmp_path,
        {
            "die-arguments": ("die-arguments",),
            "die-ports": ("die-ports",),
            "oom": ("oom",),
            "profiling": ("kv-none:0.95",),
            "segfault": ("segfault",),
            "exit-0": ("exit-0",),
            "die-http": ("die-http",),
            "parser": ("", "--reasoning-parser=ernie45"),
            "model": ("", "--model=/nowhere"),
        },
    )
    assert {name: one.code for name, one in found.items()} == {
        "die-arguments": 2, "die-ports": 1, "oom": 0, "profiling": 1, "segfault": 0, "exit-0": 0, "die-http": 1,
        "parser": 0, "model": 1,
    }  # fmt: skip
    assert "is already in use." in found["die-ports"].out
    assert "ResourceExhaustedError: Out of memory error on GPU 0." in found["oom"].worker_log
    assert FAILED in found["oom"].out
    assert "Worker process failed to start.Please check log/workerlog.* for details." in found["profiling"].out
    assert "cannot be less than zero bug got" in found["profiling"].worker_log
    assert FAILED in found["segfault"].out
    assert "Loading Layers: 100%" in found["die-http"].out
    assert "The parameter `port`" in found["die-http"].out
    assert "'ernie45' not found in reasoning_parsers" in found["parser"].worker_log
    assert "The master of /nowhere is not exist." in found["model"].out


def test_a_cured_fault_does_not_strike(tmp_path: Path) -> None:
    with simulator(tmp_path / "sim", "--gpu-memory-utilization=0.95", faults="kv-none:0.95") as service:
        assert ask(service, "GET", "/health").status == 200


def test_lines_and_places_of_a_start_are_the_engines(tmp_path: Path) -> None:
    with simulator(tmp_path / "sim", *PARSERS, version="2.4.0") as service:
        directory = service.directory
        ready = sequence(
            (directory / "out").read_text(),
            ("Number of api-server workers: 1.", "Waiting for worker processes to be ready...", "Loading Weights: 100%",
             "Loading Layers: 100%", "Worker processes are launched with", "Detected 2370 gpu blocks",
             "Launching chat completion service at", "Listening at: http", "Application startup complete."),
        )  # fmt: skip
        assert ready
        names = {path.name for path in (directory / "log").iterdir()}
        assert {"console.log", "fastdeploy.log", "api_server.log", "workerlog.0", "gpu_worker.log"} <= names
        assert any(name.startswith("backup_env.") for name in names)
        assert (directory / f"router_{service.port}.ipc").exists()
        beats = next(directory.glob("worker_healthy_live_signal.*"))
        logs = [path for path in (directory / "log").iterdir() if path.suffix != ".json"]
        unlabelled = [path.name for path in logs if "SIMULATED" not in path.read_text().partition("\n")[0]]
        assert unlabelled == []
    assert not beats.exists(), "an orderly end takes them away"
    with simulator(tmp_path / "new", version="develop") as service:
        log = service.directory / "log"
        assert (log / "paddle" / "workerlog.0").exists()
        assert not (log / "console.log").exists()


def test_nobody_reading_its_terminal_ends_no_server_and_leaves_no_worker(tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, "ERNIE_SIM_LOAD_S": "0.1", "ERNIE_SIM_SHM_DIR": str(tmp_path), "ERNIE_SIM_MAX_S": "60",
                   "ERNIE_SIM_LOOPBACK_ONLY": "1", "FD_LOG_DIR": str(tmp_path / "log")}  # fmt: skip
    argv = (sys.executable, "-m", "ernie_deploy.sim.fastdeploy", "--model=any/model", "--host=127.0.0.1")
    process = subprocess.Popen((*argv, f"--port={port}"), env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    eventually(lambda: is_open(port))
    members = family(process.pid)
    process.terminate()
    assert process.wait(10) == 0
    eventually(lambda: not any(is_running(member) for member in members))


def test_a_log_directory_that_cannot_be_written_is_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    done = ended_early(tmp_path)
    assert done.startswith("SIMULATED")
    assert "FileExistsError: " in done


def ended_early(directory: Path) -> str:
    process = start(directory, f"--port={free_port()}")
    assert process.wait(20) == 1
    return (directory / "out").read_text()


def test_a_busy_queue_port_hangs_before_2_4(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        port = free_port()
        argv = (f"--port={port}", f"--engine-worker-queue-port={number}")
        process = start(tmp_path, *argv, version="2.3.0", load_s="0")
        time.sleep(1.5)
        assert process.poll() is None
        assert not is_open(port)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def family(server: int) -> tuple[int, int]:
    """The launcher and the worker of a server."""
    (launcher,) = children(server)
    (worker,) = children(launcher)
    return launcher, worker


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_worker_outlives_a_killed_server(tmp_path: Path) -> None:
    with simulator(tmp_path / "sim") as service:
        launcher, worker = family(service.process.pid)
        assert os.getsid(worker) == launcher != os.getsid(service.process.pid)
        service.process.kill()
        service.process.wait(10)
        time.sleep(0.3)
        assert is_running(worker)
        assert list(service.directory.glob("worker_ready_signal.*")), "nobody has taken it away"
        os.killpg(launcher, signal.SIGTERM)
        eventually(lambda: not is_running(worker))


def test_the_watchdog_ends_a_server_whose_worker_died(tmp_path: Path) -> None:
    with simulator(tmp_path / "sim", watchdog_s="0.2") as service:
        os.kill(family(service.process.pid)[1], signal.SIGKILL)
        assert service.process.wait(10) == 0
        out = (service.directory / "out").read_text()
    assert "Worker process has died in the background (code=247). API server is forced to stop." in out


def test_a_stopped_worker_is_unhealthy_only_after_its_time(tmp_path: Path) -> None:
    with simulator(tmp_path / "sim", faults="worker-stops@ready+0.1-3.0", alive_timeout_s="2") as service:
        assert ask(service, "GET", "/health").status == 200
        eventually(lambda: ask(service, "GET", "/health").status == 404)
        eventually(lambda: ask(service, "GET", "/health").status == 200)


def test_a_worker_that_ignores_term_stays(tmp_path: Path) -> None:
    with simulator(tmp_path / "sim", faults="worker-ignores-term") as service:
        launcher, worker = family(service.process.pid)
        service.process.terminate()
        service.process.wait(10)
        time.sleep(0.2)
        assert is_running(worker)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(launcher, signal.SIGKILL)
        eventually(lambda: not is_running(worker))


def test_a_simulated_environment_looks_and_starts_like_fastdeploy(tmp_path: Path) -> None:
    python = simulated.make(tmp_path / "env", "2.4.0")
    seen = look_at_python(str(python), "asked", import_engine="fastdeploy")
    assert (seen.engine, seen.engine_version, seen.problem) == ("fastdeploy", "2.4.0+simulated", "")
    environment = {"ERNIE_SIM_FAULTS": "die-workers", "ERNIE_SIM_SHM_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    argv = (tmp_path / "env" / "bin" / "fastdeploy", "serve", "--model=any/model", f"--port={free_port()}")
    done = subprocess.run(argv, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("Starting server (PID: ")
    assert "SIMULATED FastDeploy 2.4.0" in done.stderr
    assert FAILED in done.stderr


@pytest.mark.parametrize("variable", ["ERNIE_SIM_FAULTS=nonsense", "ERNIE_SIM_NOTHING=1"])
def test_a_dial_that_means_nothing_ends_it_at_once(variable: str) -> None:
    name, _, value = variable.partition("=")
    argv = (sys.executable, "-m", "ernie_deploy.sim.fastdeploy")
    done = subprocess.run(
        argv, env={**os.environ, name: value}, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("simulator: ")
