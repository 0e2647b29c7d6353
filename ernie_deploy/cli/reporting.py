"""What the smoke probes found: shown, written where it was asked for, and turned into success or failure."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from ernie_deploy import report
from ernie_deploy.cli import ui
from ernie_deploy.errors import UsageError, UserInterruptError, VerifyError
from ernie_deploy.files import is_a_stream, write_atomically
from ernie_deploy.smoke.run import is_left_out, why_failed

LONGEST_CELL = 1200
"""Characters of what was found, in a table; the other reports have more."""


def require_places(files: Mapping[str, Path | None]) -> None:
    """Raise UsageError when a report cannot be written where it was asked for: a run takes minutes, so before it."""
    taken: dict[Path, str] = {}
    for name, path in files.items():
        if path is None:
            continue
        where = path.absolute()
        if where.is_dir():
            raise UsageError(f"--{name} {path}: it is a directory", hint="name a file in it")
        if is_a_stream(where):
            continue
        if not where.parent.is_dir():
            hint = f"make it first: mkdir -p {where.parent}"
            raise UsageError(f"--{name} {path}: {where.parent}: it is not there", hint=hint)
        if not os.access(where.parent, os.W_OK | os.X_OK):
            hint = "name a file in a directory that you may write in"
            raise UsageError(f"--{name} {path}: {where.parent}: it cannot be written in", hint=hint)
        if where in taken:
            raise UsageError(f"--{name} {path}: --{taken[where]} is written there", hint="give each a file of its own")
        taken[where] = name


def write(found: report.Report, files: Mapping[str, Path | None]) -> None:
    """Write the report files that were asked for, by the name of their format; all that can be, then say which not."""
    writers = {
        "junit": report.as_junit,
        "ctrf": report.as_ctrf,
        "markdown": report.as_markdown,
        "html": report.as_html,
    }
    problems = []
    for name, path in files.items():
        if path:
            try:
                write_atomically(path, writers[name](found))
            except OSError as error:
                problems.append(f"{path}: cannot be written: {error.strerror}")
    if problems:
        raise UsageError("; ".join(problems), hint="name files in a directory that is there and has room")


def show(found: report.Report, *, as_json: bool) -> None:
    """A table, or the JSON report."""
    if as_json:
        ui.out(report.as_json(found).rstrip())
        return
    chosen = [case for case in found.cases if not is_left_out(case)]
    rows = [(case.id, case.verdict, f"{case.seconds:.2f} s", in_words(case)) for case in chosen]
    ui.table(("probe", "verdict", "time", "what was found"), rows, status_column=1)
    for case in found.cases:
        if case.verdict == "fail" and case.hint:
            ui.say(f"{case.id}: {report.loggable(case.hint, LONGEST_CELL)}")
    counts = [f"{number} {verdict}" for verdict, number in report.summary(chosen).items() if number]
    rest = len(found.cases) - len(chosen)
    ui.say(", ".join(counts) + (f"; {rest} of {len(found.cases)} probes were left out" if rest else ""))


def in_words(case: report.Case) -> str:
    """What was found; for what an engine cannot do, who says so."""
    words = f"{case.message} ({case.reference})" if case.reference else case.message
    return report.loggable(words, LONGEST_CELL)


def require_success(found: report.Report, fail_on: Collection[str] = ()) -> None:
    """Raise VerifyError when a probe failed, when none passed, or for another verdict that was not to be."""
    if found.was_interrupted:
        raise UserInterruptError("interrupted", hint="the reports show what was found until then")
    why = why_failed(found.cases, fail_on)
    if why:
        raise VerifyError(why, hint="see what was asked and answered with: ernie-deploy smoke --html smoke.html")
