"""How much later than the engine `up` is: with the good news, and with the bad.

    .venv/bin/python scripts/bench/up_overhead.py

A fake FastDeploy (a real process on a real port) loads for a second. Ready: from the moment its port accepts a
connection to the end of `up`, which has seen a token by then. Crash: from SIGKILL of the loading engine to the end of
`up`, which has named it by then. Exit code 1 when a median is over its limit.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.engines import free_port, make_engine_env

READY_LIMIT_S = 0.5
CRASH_LIMIT_S = 1.0
PATIENCE_S = 60.0


def main() -> int:
    """Print both delays against their limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        python = make_engine_env(directory / "engine")
        ready = [ready_delay(python, directory / f"ready-{number}") for number in range(runs)]
        crash = [crash_delay(python, directory / f"crash-{number}") for number in range(runs)]
    fine = report("ready", ready, READY_LIMIT_S)
    return 0 if report("crash", crash, CRASH_LIMIT_S) and fine else 1


def report(name: str, delays: list[float], limit: float) -> bool:
    """One line: median, worst, and their ratio to the limit."""
    median = statistics.median(delays)
    print(f"{name}: median {median:.2f} s, worst {max(delays):.2f} s, limit {limit} s, ratio {median / limit:.2f}")
    return median <= limit


def ready_delay(python: Path, state: Path) -> float:
    """Seconds from the first accepted connection to the end of `up`."""
    port = free_port()
    up = start(python, state, port, load_s=1.0)
    opened = when(lambda: accepts(port))
    code = up.wait(PATIENCE_S)
    delay = time.monotonic() - opened
    subprocess.run((sys.executable, "-m", "ernie_deploy", "down"), env=environ(state, 1.0), check=True)
    if code != 0:
        raise SystemExit(f"`up` ended with {code}")
    return delay


def crash_delay(python: Path, state: Path) -> float:
    """Seconds from the death of the engine to the end of `up`."""
    up = start(python, state, free_port(), load_s=PATIENCE_S)
    when(lambda: leader(state) is not None)
    pid = leader(state) or 0
    time.sleep(0.5)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    code = up.wait(PATIENCE_S)
    if code != 6:
        raise SystemExit(f"`up` ended with {code} after a crash")
    return time.monotonic() - killed


def start(python: Path, state: Path, port: int, *, load_s: float) -> "subprocess.Popen[bytes]":
    """`up` for a host without a card: what it needs is not there, and said not to matter."""
    ignored = ("gpu", "model", "ram", "disk", "shm")
    flags = ["--engine-python", str(python), "--port", str(port), "--host", "127.0.0.1"]
    flags += [word for name in ignored for word in ("--ignore", name)]
    argv = (sys.executable, "-m", "ernie_deploy", "up", *flags)
    return subprocess.Popen(argv, env=environ(state, load_s), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def environ(state: Path, load_s: float) -> dict[str, str]:
    """The environment of one run, with a state directory of its own."""
    return {**os.environ, "ERNIE_DEPLOY_STATE": str(state), "FAKE_LOAD_S": str(load_s)}


def leader(state: Path) -> int | None:
    """The pid of the engine, once it is on record."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return int(json.loads((state / "ernie" / "run.json").read_text())["leader"][0])
    return None


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def when(is_so: Callable[[], bool]) -> float:
    """The moment it became so. Raises SystemExit when it does not."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if is_so():
            return time.monotonic()
        time.sleep(0.005)
    raise SystemExit("the engine never came up")


if __name__ == "__main__":
    sys.exit(main())
