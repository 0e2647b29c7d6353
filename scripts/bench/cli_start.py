"""How long the quick commands take to start, against a Typer program that does nothing.

    .venv/bin/python scripts/bench/cli_start.py

The two are run in turn, so that both see the same machine; what counts is the median of the paired differences. Exit
code 1 when a command takes more than the limit longer than the bare program.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_MS = 30.0
COMMANDS = (("--help",), ("version",), ("status",))
BARE = """
import typer

app = typer.Typer()


@app.command()
def one(name: str = "world") -> None:
    print(name)


@app.command()
def two(count: int = 1) -> None:
    print(count)


app()
"""


def main() -> int:
    """Print a line a command, and say whether all of them keep the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=21, help="how many pairs of runs a command")
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as directory:
        bare = Path(directory) / "bare.py"
        bare.write_text(BARE)
        # Both are started from compiled files: the first run of either writes them.
        environ = {**os.environ, "ERNIE_DEPLOY_STATE": directory}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        worst = max(compare(words, bare, pairs, environ) for words in COMMANDS)
    print(f"limit: {LIMIT_MS:.0f} ms more than the bare program; worst: {worst:+.1f} ms")
    return 0 if worst <= LIMIT_MS else 1


def compare(words: tuple[str, ...], bare: Path, pairs: int, environ: dict[str, str]) -> float:
    """The median of the paired differences, ms; printed with both medians and their ratio."""
    ours = (sys.executable, "-m", "ernie_deploy", *words)
    theirs = (sys.executable, str(bare), "--help" if words == ("--help",) else "one")
    for argv in (ours, theirs):
        timed(argv, environ)
    runs = [(timed(ours, environ), timed(theirs, environ)) for _ in range(pairs)]
    mine, other = (statistics.median(column) for column in zip(*runs, strict=True))
    difference = statistics.median(a - b for a, b in runs)
    name = " ".join(words)
    print(f"{name:8} {mine:6.1f} ms   bare {other:6.1f} ms   ratio {mine / other:4.2f}   {difference:+6.1f} ms")
    return difference


def timed(argv: tuple[str, ...], environ: dict[str, str]) -> float:
    """One run as a whole process, ms. Raises CalledProcessError when it fails."""
    began = time.perf_counter()
    subprocess.run(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
