"""What a killed engine leaves behind is found and cleared away: workers without ties, and shared memory."""

import contextlib
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ernie_deploy import process
from ernie_deploy.environments.simulated import make
from ernie_deploy.serve import sightings
from ernie_deploy.serve.down import take_down
from ernie_deploy.serve.glance import glance
from ernie_deploy.serve.launch import start
from ernie_deploy.serve.shared_objects import SHM
from ernie_deploy.serve.state import Store
from tests.support.deployments import Place, eventually, is_running
from tests.support.plans import a_launch, a_plan

# An engine whose worker has no token and a session of its own, and holds shared memory.
WORKER = """
import mmap, os, sys, time
with open(sys.argv[1], "x+b") as stream:
    stream.truncate(4096)
    held = mmap.mmap(stream.fileno(), 4096)
os.chdir("/")
print("up", flush=True)
time.sleep(60)
"""
ENGINE = """
import subprocess, sys, time
worker = [sys.executable, "-c", sys.argv[1], sys.argv[2]]
with subprocess.Popen(worker, env={}, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as one:
    one.stdout.readline()
    print("worker", one.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A name in shared memory that is free, and is free again after the test."""
    path = SHM / f"psm_{uuid.uuid4().hex[:8]}"
    yield path
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def kept_in_memory(*names: str) -> Iterator[list[Path]]:
    """Files in shared memory that nobody uses."""
    paths = [SHM / name for name in names]
    for path in paths:
        path.write_bytes(bytes(8))
    try:
        yield paths
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def test_a_worker_that_cut_all_ties_is_stopped_and_its_shared_memory_removed(tmp_path: Path, shared: Path) -> None:
    store = Store(tmp_path / "state" / "tied")
    store.prepare()
    plan = a_plan(name="tied", state_dir=str(store.directory), device="cpu")
    argv = (sys.executable, "-c", ENGINE, WORKER, str(shared))
    launch = a_launch(argv=argv, env={}, working_dir=str(store.directory / "run"), log_dir="")
    with start(plan, launch, store, os.environ) as engine:
        eventually(lambda: "worker" in store.engine_log.read_text())
        worker = int(store.engine_log.read_text().split()[1])
        try:
            assert {one.pid for one in store.observed()} == {engine.pid, worker}
            engine.kill()
            engine.wait()
            assert process.with_token(store.token_prefix) == ()
            seen = glance("tied", {"ERNIE_DEPLOY_STATE": str(tmp_path / "state")})
            assert (seen.state, seen.left) == ("orphaned", 1)
            assert "its server is gone, 1 process of it left; stop them" in seen.in_words()
            assert "ernie-deploy down --name tied" in seen.in_words()
            began = time.monotonic()
            stopped = take_down(store, grace_s=1)
            assert time.monotonic() - began < 5
            assert (stopped.found, stopped.left, stopped.removed) == (1, (), (str(shared),))
            assert not is_running(worker)
            assert not shared.exists()
            assert store.family() == ()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def test_down_removes_the_shared_memory_of_a_killed_engine_and_not_another_deployments(deployed: Place) -> None:
    queue, other = deployed.port + 2, deployed.port + 200
    seen = {one.identity.pid for one in sightings.read(deployed.state / "ernie").kin}
    assert seen == set(deployed.engine_pids())
    for pid in deployed.engine_pids():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not deployed.engine_pids())
    names = (f"worker_ready_signal.{queue}", f"router_{deployed.port}.ipc", f"worker_ready_signal.{other}")
    with kept_in_memory(*names) as (signals, router, others):
        ended = deployed.run("down", "--json")
        assert ended.code == 0, ended.err
        assert sorted(ended.json()["removed"]) == sorted([str(signals), str(router)])
        assert not signals.exists()
        assert others.exists()
    again = deployed.run("down")
    assert again.out == "'ernie' was not running\n"


def test_up_removes_what_would_stand_in_the_way_of_a_new_engine(place: Place) -> None:
    """Nothing is on record any more; the names say that it is in our way, and nobody uses it."""
    with kept_in_memory(f"exist_task_signal.{place.port + 2}") as (left,):
        started = place.up("--no-wait")
        assert started.code == 0, started.err
        assert "removed 1 shared-memory object that an earlier run had left behind" in started.err
        assert not left.exists()
    place.leave()


def test_after_kill_9_of_the_server_down_stops_its_worker_session_and_removes_what_it_shared(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    make(tmp_path / "engines" / "fastdeploy", "2.5.0")
    place = make_place(engines=tmp_path / "engines")
    # The worker is started through a shell, as FastDeploy's own.
    place.environ["PATH"] += ":/usr/bin:/bin"
    place.environ |= {"ERNIE_SIM_LOAD_S": "0", "ERNIE_SIM_MAX_S": "120"}
    assert place.up().code == 0
    leader = place.leader()
    assert leader
    os.kill(leader, signal.SIGKILL)
    eventually(lambda: not is_running(leader))
    workers = place.engine_pids()
    assert {os.getsid(pid) for pid in workers} != {leader}
    assert (place.status()["state"], place.status()["left"]) == ("orphaned", len(workers))
    ended = place.run("down")
    assert ended.code == 0, ended.err
    counted = f"stopped {len(workers)} processes; removed 14 shared-memory objects"
    assert ended.out == f"{counted}; nothing of 'ernie' is left\n"
    assert not [path.name for path in SHM.iterdir() if str(place.port + 2) in path.name]
