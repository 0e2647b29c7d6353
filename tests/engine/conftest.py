"""Real engines on the CPU, each brought up once: they must have been installed (`scripts/test --engines` does)."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ernie_deploy.environments.locate import find
from tests.support.engines import free_port


class Deployed(NamedTuple):
    """A real engine that `up --rehearse` brought up; `cli` runs further commands on it."""

    engine: str
    state: Path
    planned: dict[str, Any]
    up: dict[str, Any]

    def cli(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return run_cli(self.state, *words, check=check)


def run_cli(state: Path, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """The command line as a process, with a state directory of its own."""
    environ = {**os.environ, "ERNIE_DEPLOY_STATE": str(state)}
    argv = (sys.executable, "-m", "ernie_deploy", *words)
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=600, check=False)
    if check and done.returncode:
        pytest.fail(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory with a short name: vLLM makes its sockets inside the state directory only where they fit."""
    with tempfile.TemporaryDirectory(prefix="e-") as name:
        yield Path(name)


@pytest.fixture(scope="module", params=["transformers", "vllm"])
def deployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    engine = request.param
    if find(engine, cpu=True) is None:
        pytest.fail(f"{engine} is not installed: ernie-deploy engine install {engine} --cpu")
    state = tmp_path_factory.mktemp(engine)
    flags = ("--port", str(free_port()))
    up = json.loads(run_cli(state, "up", "--rehearse", "--engine", engine, *flags, "--json").stdout)
    asked = ("plan", "--preset", f"rehearsal-{engine}", *flags, "--json")
    yield Deployed(engine, state, json.loads(run_cli(state, *asked).stdout), up)
    run_cli(state, "down", "--name", "rehearsal")
