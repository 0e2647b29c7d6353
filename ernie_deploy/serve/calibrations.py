"""What boots on this host have taught about memory: <state>/calibrations.json, for all deployments together.

A convenience like boots.json: when it cannot be read nothing is known, when it cannot be written nothing is lost but
what this boot would have taught.
"""

import contextlib
import time
from pathlib import Path
from typing import Literal

import msgspec

from ernie_deploy.engines.memory_report import MemoryReport, parse
from ernie_deploy.facts.calibrations import Calibration
from ernie_deploy.facts.values import Facts
from ernie_deploy.files import write_atomically
from ernie_deploy.plan.calibrate import Reported, Taught, teach, with_one_more
from ernie_deploy.plan.values import Plan
from ernie_deploy.serve.journal import run_logs, tail_lines

CALIBRATIONS_FILE = "calibrations.json"
MOST_CALIBRATIONS = 50
MOST_BYTES = 1 << 20
# The logs in which engines report. FastDeploy's others hold requests, or nothing about memory.
TELLING = ("engine.log", "console.log", "fastdeploy.log", "gpu_worker", "worker_process", "workerlog")


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    version: Literal[1]
    calibrations: tuple[Calibration, ...]


def read(root: Path) -> tuple[Calibration, ...]:
    """What is known; nothing when the file is missing, damaged, too large or of another version."""
    try:
        with (root / CALIBRATIONS_FILE).open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            return ()
        return msgspec.json.decode(content, type=Book).calibrations[-MOST_CALIBRATIONS:]
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()


def remember(root: Path, taught: Calibration) -> None:
    """Add one. Two that are added at the same moment may lose one of them; a full disk loses it too."""
    book = Book(1, with_one_more(read(root), taught, most=MOST_CALIBRATIONS))
    with contextlib.suppress(OSError):
        write_atomically(root / CALIBRATIONS_FILE, msgspec.json.encode(book), mode=0o600)


def report_of(engine: str, logs: Path) -> MemoryReport:
    """What the run whose logs are in this directory has reported."""
    telling = (path for path in run_logs(logs) if path.name.startswith(TELLING))
    return parse(engine, *map(tail_lines, telling))


def learn(root: Path, plan: Plan, facts: Facts, logs: Path) -> Taught:
    """Take to heart what a boot that is ready reported; `facts` are those of the moment before it."""
    report = report_of(plan.engine.value, logs)
    least = max(report.allocated_peak_bytes or 0, report.weights_bytes or 0)
    said = Reported(report.kv_bytes, report.kv_tokens, report.total_bytes, least)
    taught = teach(plan, facts, said, at=time.time())
    if taught.calibration:
        remember(root, taught.calibration)
    return taught
