"""How long `diagnose` takes for a large log, and how much memory.

    .venv/bin/python scripts/bench/diagnose_speed.py

Makes logs of 50 MB: an ordinary one of FastDeploy with progress bars and one cause near its end, one in which every
line speaks of an error, and one line of base64 that does not end. The CPU time tells what a
busy machine has added. Exit code 1 when one exceeds a limit.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

LIMIT_S = 5.0
LIMIT_MIB = 200.0
CAUSE = "ResourceExhaustedError: Out of memory error on GPU 0. Cannot allocate 3.5GB memory on GPU 0\n"
# In a process of its own, so that its peak of memory is that of the diagnosis.
JUDGE = """
import json, re, sys, time
from pathlib import Path
from ernie_deploy.diagnose.explain import diagnose
began, cpu = time.perf_counter(), time.process_time()
found = diagnose([Path(sys.argv[1])])
seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps([found.finding.id if found.finding else found.outcome, seconds, cpu, peak]))
"""


def main() -> int:
    """Print a line a log, and say whether all keep the limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=50, help="the size of each log, in MB")
    size = parser.parse_args().mb * 1_000_000
    is_kept = True
    with tempfile.TemporaryDirectory() as directory:
        for name, make, expected in KINDS:
            log = Path(directory) / "engine.log"
            log.write_bytes(make(size))
            found, seconds, cpu, peak = measured(log)
            is_right = found == expected and seconds <= LIMIT_S and peak <= LIMIT_MIB
            is_kept = is_kept and is_right
            size_mb = log.stat().st_size / 1e6
            took = f"{seconds:5.2f} s (CPU {cpu:.2f} s)"
            print(f"{name:<16} {size_mb:6.1f} MB  {took}  {peak:6.1f} MiB  {found}", flush=True)
    print(f"limits: {LIMIT_S:.0f} s and {LIMIT_MIB:.0f} MiB: {'kept' if is_kept else 'NOT kept'}")
    return 0 if is_kept else 1


def measured(log: Path) -> tuple[str, float, float, float]:
    """What was found, in how many seconds by the clock and of the CPU, with how many MiB at most."""
    ended = subprocess.run([sys.executable, "-c", JUDGE, str(log)], capture_output=True, text=True, check=True)
    found, seconds, cpu, peak = json.loads(ended.stdout)
    return found, seconds, cpu, peak


def ordinary(size: int) -> bytes:
    """What FastDeploy writes, with request bodies that speak of errors, and the cause two thirds down."""
    chance = random.Random(1)
    return _filled(size, lambda number: _line(number, chance))


def every_line(size: int) -> bytes:
    """Every line holds the text of a failure, and none is one."""
    chance = random.Random(2)
    return _filled(
        size,
        lambda number: (
            f"ERROR    {_time(number)} client.py[line:{number % 400}] "
            f"client {number} left after [Errno 104], no CUDA out of memory here, id {chance.getrandbits(64):x}\n"
        ),
    )


def endless(size: int) -> bytes:
    """A line that does not end."""
    return CAUSE.encode() + b'File "/opt/fastdeploy/x.py", line 1\n' + b"iVBORw0KGgo" * (size // 11)


def _line(number: int, chance: random.Random) -> str:
    when = _time(number)
    if number % 50 == 0:
        body = {"messages": [{"role": "user", "content": "why CUDA out of memory? " * 20}], "max_tokens": 512}
        return f"INFO     {when} api_server.py[line:310] Chat Received request: {json.dumps(body)}\n"
    if number % 400 == 1:
        return (
            "\r".join(f"Loading Layers:  {percent}%|####      | {percent}/100" for percent in range(10, 100, 7)) + "\n"
        )
    tasks = f"Put {number % 9} tasks to queue, remain {number % 300}, id chatcmpl-{chance.getrandbits(64):x}"
    return f"INFO     {when} engine_worker_queue.py[line:{number % 400}] {tasks}\n"


def _time(number: int) -> str:
    return f"2025-12-03 10:{number // 60 % 60:02d}:{number % 60:02d},417 41873"


def _filled(size: int, line: Callable[[int], str]) -> bytes:
    parts, length, number = [], 0, 1
    while length < size:
        text = CAUSE if number == size // 190 else line(number)
        parts.append(text)
        length += len(text)
        number += 1
    return "".join(parts).encode()


KINDS = (
    ("ordinary", ordinary, "cuda-out-of-memory"),
    ("every line", every_line, "cuda-out-of-memory"),
    ("endless line", endless, "cuda-out-of-memory"),
)

if __name__ == "__main__":
    began = time.perf_counter()
    code = main()
    print(f"all of it took {time.perf_counter() - began:.0f} s")
    sys.exit(code)
