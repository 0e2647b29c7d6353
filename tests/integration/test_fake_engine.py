"""The fake engine keeps its promises, so that a test that leans on it proves something."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.engines import PARSERS, free_port, make_engine_env, make_impostor_env

SERVER = "fastdeploy.entrypoints.openai.api_server"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_engine_env(tmp_path_factory.mktemp("fastdeploy") / "env")


def start(python: Path, directory: Path, *arguments: str, faults: str = "") -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "FAKE_FAULTS": faults, "FAKE_LOAD_S": "0.1", "FD_LOG_DIR": str(directory / "log")}
    with (directory / "console").open("wb") as log:
        command = [str(python), "-m", SERVER, "--model=m", f"--port={free_port()}", "--host=127.0.0.1", *arguments]
        return subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log, start_new_session=True)


def run(python: Path, directory: Path, *arguments: str, faults: str = "") -> tuple[int, str]:
    code = start(python, directory, *arguments, faults=faults).wait(20)
    logs = [directory / "console", *sorted((directory / "log").glob("*"))]
    return code, "\n".join(log.read_text() for log in logs)


@contextlib.contextmanager
def serving(python: Path, directory: Path, faults: str = "") -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """The server and its worker, once it serves; both are ended afterwards."""
    process = start(python, directory, *PARSERS["fastdeploy"], faults=faults)
    workers: list[psutil.Process] = []
    try:
        wait_for(lambda: "Application startup complete." in (directory / "console").read_text())
        workers = psutil.Process(process.pid).children()
        yield psutil.Process(process.pid), workers[0]
    finally:
        process.kill()
        process.wait()
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("faults", "code", "words"),
    [
        ("die-at-start", 1, "Traceback"),
        ("exit-0", 0, "Failed to initialize FastDeploy LLM engine, service exit now!"),
        ("oom", 1, "ResourceExhaustedError: Out of memory"),
        ("kv-small", 1, "The total number of blocks cannot be less than zero"),
    ],
)
def test_a_start_fails_as_told(python: Path, tmp_path: Path, faults: str, code: int, words: str) -> None:
    ended, text = run(python, tmp_path, faults=faults)
    assert (ended, words in text) == (code, True), text


def test_an_unknown_flag_ends_with_2(python: Path, tmp_path: Path) -> None:
    ended, text = run(python, tmp_path, "--no-such-flag")
    assert (ended, "unrecognized arguments: --no-such-flag" in text) == (2, True)


def test_the_worker_has_a_session_of_its_own_and_ends_with_the_server(python: Path, tmp_path: Path) -> None:
    with serving(python, tmp_path) as (server, worker):
        assert "worker_process.py" in " ".join(worker.cmdline())
        assert os.getsid(worker.pid) == worker.pid != os.getsid(server.pid)
        server.terminate()
        wait_for(lambda: is_gone(server) and is_gone(worker))


def test_an_orphan_worker_outlives_its_server(python: Path, tmp_path: Path) -> None:
    with serving(python, tmp_path, faults="orphan-worker") as (server, worker):
        server.terminate()
        wait_for(lambda: is_gone(server))
        assert not is_gone(worker)


def test_a_server_that_ignores_term_ends_by_kill(python: Path, tmp_path: Path) -> None:
    with serving(python, tmp_path, faults="ignore-term") as (server, _worker):
        server.terminate()
        time.sleep(0.3)
        assert not is_gone(server)


def test_a_dead_worker_stops_the_server(python: Path, tmp_path: Path) -> None:
    with serving(python, tmp_path) as (server, worker):
        worker.kill()
        wait_for(lambda: is_gone(server))
        assert "Worker process has died in the background (code=-9)" in (tmp_path / "console").read_text()


def test_a_yaml_file_counts_only_where_its_keys_have_underscores(python: Path, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("gpu_memory_utilization: 0.95\nmax_model_len: word\n")
    assert run(python, tmp_path, "--config=good.yaml", faults="kv-small")[0] == 2
    (tmp_path / "dashed.yaml").write_text("gpu-memory-utilization: 0.95\n")
    assert run(python, tmp_path, "--config=dashed.yaml", faults="kv-small")[0] == 1


def test_the_impostor_has_the_name_and_not_the_server(tmp_path: Path) -> None:
    python = make_impostor_env(tmp_path / "env")
    command = [str(python), "-m", SERVER]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "No module named 'fastdeploy.entrypoints'" in ended.stderr
