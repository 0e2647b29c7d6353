"""The simulated FastDeploy as a process of its own, for tests."""

import base64
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from ernie_deploy.smoke.pictures import colour_field
from tests.support.deployments import eventually
from tests.support.engines import REPOSITORY, free_port

KEY = "sk-simulated"
PARSERS = ("--reasoning-parser=ernie-45-vl-thinking", "--tool-call-parser=ernie-45-vl-thinking")


class Running(NamedTuple):
    """A simulator that serves."""

    port: int
    process: "subprocess.Popen[bytes]"
    directory: Path


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def simulator(directory: Path, *argv: str, version: str = "2.5.0", **dials: str) -> Iterator[Running]:
    """Run one with everything of its own in `directory`, until it answers; gone afterwards."""
    port = free_port()
    directory.mkdir(exist_ok=True)
    environment = {**os.environ, "ERNIE_SIM_VERSION": version, "ERNIE_SIM_LOAD_S": "0", "ERNIE_SIM_MAX_S": "60",
                   "ERNIE_SIM_SHM_DIR": str(directory), "ERNIE_SIM_LOOPBACK_ONLY": "1", "ERNIE_SIM_ITL_S": "0.001",
                   "FD_LOG_DIR": str(directory / "log")}  # fmt: skip
    environment |= {f"ERNIE_SIM_{name.upper()}": value for name, value in dials.items()}
    command = (sys.executable, "-m", "ernie_deploy.sim.fastdeploy", "--model=any/model", "--host=127.0.0.1")
    with (directory / "out").open("wb") as out:
        process = subprocess.Popen((*command, f"--port={port}", *argv), env=environment, stderr=out, cwd=directory)
    try:
        eventually(lambda: process.poll() is not None or is_open(port))
        assert process.poll() is None, (directory / "out").read_text()
        yield Running(port, process, directory)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(service: Running, method: str, path: str, body: object = None, **headers: str) -> Answered:
    connection = HTTPConnection("127.0.0.1", service.port, timeout=20)
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    try:
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        return Answered(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def chat(service: Running, text: object = "Say hello.", *, key: str = KEY, **fields: object) -> Answered:
    body = {"messages": [{"role": "user", "content": text}], **fields}
    return ask(service, "POST", "/v1/chat/completions", body, authorization=f"Bearer {key}")


def events(answered: Answered) -> list[str]:
    return [line.removeprefix("data: ") for line in answered.body.decode().split("\n\n") if line]


def picture(width: int = 224, height: int = 224) -> dict[str, Any]:
    data = base64.b64encode(colour_field("blue", random.Random(3), width=width, height=height)).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def sequence(log: str, wanted: Sequence[str]) -> bool:
    """Whether the log has these in this order."""
    at = 0
    for text in wanted:
        at = log.find(text, at)
        if at < 0:
            return False
    return True


def command(directory: Path, *argv: str) -> "subprocess.CompletedProcess[str]":
    """One `ernie-deploy` command with state, engines, shared memory and fast dials of its own in `directory`."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "ERNIE_DEPLOY_STATE": str(directory / "state"),
                   "ERNIE_DEPLOY_ENGINES": str(directory / "engines"), "ERNIE_SIM_SHM_DIR": str(directory / "shm"),
                   "ERNIE_SIM_LOAD_S": "0.1", "ERNIE_SIM_ITL_S": "0", "ERNIE_SIM_MAX_S": "60"}  # fmt: skip
    (directory / "shm").mkdir(parents=True, exist_ok=True)
    command = (sys.executable, "-m", "ernie_deploy", *argv)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def left_by(directory: Path) -> list[str]:
    """Processes that name the directory on their command line, and what is in the shared memory there."""
    found = [path.name for path in (directory / "shm").iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found += [line] if str(directory) in line else []
    return found
