"""What `diagnose` and `support-bundle` share: which logs are meant, and how a diagnosis is shown."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_deploy.cli import stages, ui
from ernie_deploy.diagnose.explain import Diagnosis, Finding, judge
from ernie_deploy.diagnose.read import opened
from ernie_deploy.diagnose.scan import scan
from ernie_deploy.diagnose.signatures import ENGINES
from ernie_deploy.errors import UsageError
from ernie_deploy.serve.journal import run_logs
from ernie_deploy.serve.state import KEPT_LOGS

STDIN = Path("-")


def read(logs: Sequence[Path], engine: str | None) -> Diagnosis:
    """Diagnose these files. Raises UsageError for one that cannot be read."""
    if engine is not None and engine not in ENGINES:
        raise UsageError(f"--engine: there is no engine {engine!r}", hint=f"known are {', '.join(ENGINES)}")
    seen = []
    for path in logs:
        try:
            if path == STDIN:
                seen.append(scan(sys.stdin.buffer, "stdin", engine=engine or ""))
                continue
            with opened(path) as stream:
                one = scan(stream, str(path), engine=engine or "")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        if one.problem and not one.bytes_read:
            raise UsageError(f"{path}: {one.problem}")
        seen.append(one)
    return judge(seen)


def logs_of_run(name: str | None, run: str) -> Diagnosis:
    """Diagnose a run of a deployment. Raises UsageError when it has left no log."""
    name = stages.named(name)
    store = stages.store_of(name)
    number = number_of(run)
    paths = run_logs(store.logs, number)
    if not paths:
        what = "no run of it is on record" if number == 0 else f"there is no log of the run {number} before the last"
        raise UsageError(f"{name!r}: {what}", hint="name log files, or a deployment: ernie-deploy status")
    record = store.read()
    return read(paths, record.launch.engine if record and not number else None)


def number_of(run: str) -> int:
    """`last` → 0, `1` → 1."""
    if run == "last":
        return 0
    if not run.isascii() or not run.isdigit() or not 0 <= int(run) <= KEPT_LOGS:
        raise UsageError(f"--run: expected last or a number from 1 to {KEPT_LOGS}, got {run!r}")
    return int(run)


def show(found: Diagnosis) -> None:
    """For people: the cause, what to do, how sure it is, and where it stands."""
    for log in found.read:
        if log.problem:
            ui.say(f"{log.file}: read in part: {log.problem}")
    if found.finding:
        _show_finding(found.finding)
    elif found.outcome == "ready":
        ui.out("nothing is wrong: the log shows a service that became ready")
    else:
        ui.out("unknown: no line of these logs is known to name a cause")
    for one in found.others:
        ui.out(f"also seen: {one.cause} ({one.confidence})  {one.evidence.file}:{one.evidence.line}")
    for one in found.notes:
        ui.out(f"note: {one.cause}; {one.fix}")
    if found.collect:
        ui.out("to find out more:")
        for command in found.collect:
            ui.out(f"  {command}")


def _show_finding(one: Finding) -> None:
    ui.out(f"cause:    {one.cause}")
    ui.out(f"fix:      {one.fix}")
    ui.out(f"sureness: {one.confidence} ({one.id}, known from: {one.source})")
    ui.out(f"evidence: {one.evidence.file}:{one.evidence.line}")
    ui.out(f"          {one.evidence.text}")
