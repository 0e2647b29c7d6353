"""How long the simulated FastDeploy takes to its first line and until it answers, and how much memory it holds.

Run as `python scripts/bench/sim_start.py [RUNS]`. Ends with 1 when a limit is broken: 1 second for the start (without
the loading that it plays, which is set to nothing), 60 MB for the server and both of its workers together.
"""

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

START_LIMIT_S = 1.0
MEMORY_LIMIT_MB = 60.0
PATIENCE_S = 30.0


class Run(NamedTuple):
    """Seconds since the start, and resident megabytes once it answers: the server alone, and with its workers."""

    first_line_s: float
    answers_s: float
    server_mb: float
    all_mb: float


def measure(directory: Path) -> Run:
    """Start one simulator, ask it for its health until it answers, and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {**os.environ, "ERNIE_SIM_LOAD_S": "0", "ERNIE_SIM_SHM_DIR": str(directory),
                   "ERNIE_SIM_LOOPBACK_ONLY": "1", "FD_LOG_DIR": str(directory / "log")}  # fmt: skip
    argv = (sys.executable, "-m", "ernie_deploy.sim.fastdeploy", "--model=any/model", "--host=127.0.0.1")
    began = time.monotonic()
    server = subprocess.Popen((*argv, f"--port={port}"), env=environment, stderr=subprocess.PIPE)
    try:
        assert server.stderr is not None
        server.stderr.readline()
        first_line_s = time.monotonic() - began
        _wait_until_it_answers(port)
        answers_s = time.monotonic() - began
        _ask(port, b"GET /metrics HTTP/1.0\r\n\r\n")
        members = [server.pid, *_descendants(server.pid)]
        return Run(first_line_s, answers_s, _resident_mb(server.pid), sum(map(_resident_mb, members)))
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=PATIENCE_S)


def _wait_until_it_answers(port: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if b" 200 " in _ask(port, b"GET /health HTTP/1.0\r\n\r\n"):
                return
        time.sleep(0.005)
    raise SystemExit("the simulator did not answer")


def _ask(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(request)
        return connection.recv(65536)


def _descendants(pid: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(below for child in children for below in _descendants(child))]


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    runs = []
    for _ in range(count):
        with tempfile.TemporaryDirectory() as directory:
            runs.append(measure(Path(directory)))
    first, answers = (statistics.median(getattr(run, key) for run in runs) for key in ("first_line_s", "answers_s"))
    server, together = (max(getattr(run, key) for run in runs) for key in ("server_mb", "all_mb"))
    print(f"first line   {first:6.3f} s   median of {count}")
    print(f"it answers   {answers:6.3f} s   median of {count}, limit {START_LIMIT_S:g} s")
    print(f"server       {server:6.1f} MB  largest of {count}")
    print(f"with workers {together:6.1f} MB  largest of {count}, limit {MEMORY_LIMIT_MB:g} MB")
    sys.exit(answers > START_LIMIT_S or together > MEMORY_LIMIT_MB)


if __name__ == "__main__":
    main()
