"""How long the planner takes to answer, against a Typer program that does nothing.

    .venv/bin/python scripts/bench/plan_speed.py

Ours and the bare program are run in turn, so that both see the same machine; what counts is the median of the paired
differences. The interpreter of this environment comes first on PATH, as where a newcomer has activated it: a version
manager in front of `python3` takes 120 ms of its own, which are no time of ours. Nothing is asked of a network: inside
`unshare -n` these commands answer the same. Exit code 1 when a command takes more than the limit longer than the bare
program.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import msgspec
from cli_start import BARE

from tests.support import hosts, nvml

LIMIT_MS = 300.0
# A check may refuse: 4 is an answer too.
ANSWERS = (0, 4)


def main() -> int:
    """Print a line a command, and say whether all of them keep the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=11, help="how many pairs of runs a command")
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        bare, facts = directory / "bare.py", directory / "facts.json"
        bare.write_text(BARE)
        facts.write_bytes(msgspec.json.encode(hosts.some_facts(gpu=hosts.gpus(nvml.L20))))
        commands = (
            ("plan",),
            ("plan", "--gpu", "L20"),
            ("plan", "--gpu", "L20", "--ledger"),
            ("plan", "--facts", str(facts)),
            ("check", "--only", "memory-fit", "--facts", str(facts)),
        )
        environ = {**os.environ, "ERNIE_DEPLOY_STATE": str(directory / "state"), "HF_HUB_OFFLINE": "1"}
        environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        worst = max(compare(words, bare, pairs, environ) for words in commands)
    print(f"limit: {LIMIT_MS:.0f} ms more than the bare program; worst: {worst:+.1f} ms")
    return 0 if worst <= LIMIT_MS else 1


def compare(words: tuple[str, ...], bare: Path, pairs: int, environ: dict[str, str]) -> float:
    """The median of the paired differences, ms; printed with both medians."""
    ours = (sys.executable, "-m", "ernie_deploy", *words)
    theirs = (sys.executable, str(bare), "one")
    for argv in (ours, theirs):
        timed(argv, environ)
    runs = [(timed(ours, environ), timed(theirs, environ)) for _ in range(pairs)]
    mine, other = (statistics.median(column) for column in zip(*runs, strict=True))
    difference = statistics.median(a - b for a, b in runs)
    name = " ".join(word if "/" not in word else Path(word).name for word in words)
    print(f"{name:45} {mine:6.1f} ms   bare {other:6.1f} ms   {difference:+6.1f} ms")
    return difference


def timed(argv: tuple[str, ...], environ: dict[str, str]) -> float:
    """One run as a whole process, ms. Ends the program when it gives no answer."""
    began = time.perf_counter()
    done = subprocess.run(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode not in ANSWERS:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
