"""The only module that prints. The result goes to stdout, everything else to stderr.

rich is imported where a table is drawn: `version` and `status` must not wait for it.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from ernie_deploy.errors import DeployError

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {
    "pass": "green", "ready": "green",
    "warn": "yellow", "skip": "cyan", "unsupported": "cyan", "starting": "yellow",
    "fail": "red", "stopped": "", "dead": "red", "orphaned": "red",
}  # fmt: skip


COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def speak_any_locale() -> None:
    """Print what the terminal has no letters for as `?`, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def out(text: str) -> None:
    """The result."""
    print(text, flush=True)


def piece(text: str) -> None:
    """A part of the result, without a line break: an answer while it streams."""
    print(text, end="", flush=True)


def say(text: str) -> None:
    """Anything that is not the result. When nobody reads it any more, that is no reason to stop."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        # What is still in the buffer must go somewhere, or the interpreter ends with 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def progress(text: str) -> None:
    """What is being done, where somebody watches; a log needs the result only."""
    if sys.stderr.isatty():
        say(text)


def processes(count: int) -> str:
    """`1 process`, `2 processes`."""
    return "1 process" if count == 1 else f"{count} processes"


def objects(paths: Sequence[str]) -> str:
    """`1 shared-memory object`, `14 shared-memory objects`."""
    return "1 shared-memory object" if len(paths) == 1 else f"{len(paths)} shared-memory objects"


def heading(text: str) -> None:
    """A title above a part of the result; bold on a terminal."""
    print(_styled(text, 1, sys.stdout), flush=True)


def say_heading(text: str) -> None:
    """A title above what is said."""
    say(_styled(text, 1, sys.stderr))


def json(value: object) -> None:
    """A value as JSON, indented, on stdout; in UTF-8, whatever the locale."""
    import msgspec

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    out(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, status_column: int | None = None) -> None:
    """Rows under their titles; words of a status get their colour on a terminal."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        cells = [Text(cell) for cell in row]
        if status_column is not None:
            cells[status_column].stylize(COLOURS.get(row[status_column], ""))
        drawn.add_row(*cells)
    console = _console()
    if console.is_terminal:
        console.print(drawn)
        return
    with console.capture() as captured:
        console.print(drawn)
    # A file or a log keeps every row as long as it is, and no blanks after it.
    out("\n".join(line.rstrip() for line in captured.get().splitlines()))


def listing(columns: Sequence[str], rows: Iterable[Sequence[str]], *, as_json: bool) -> None:
    """A table, or the same as a list of objects."""
    if as_json:
        json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        table(columns, rows)


def finding(status: str, name: str, message: str, hint: str, *, to_stderr: bool = False) -> None:
    """One result; what to do stands on a line of its own, where it is not cut and can be copied."""
    stream = sys.stderr if to_stderr else sys.stdout
    shown = _styled(f"{status:<5}", {"green": 32, "yellow": 33, "red": 31, "cyan": 36}.get(COLOURS[status], 0), stream)
    write = say if to_stderr else out
    write(f"{shown}  {name}: {message}")
    if hint and status in ("warn", "fail"):
        write(f"       → {hint}")


def error(problem: DeployError) -> None:
    """What went wrong, the evidence, and what to do next: in that order, the last line being the one to act on."""
    if problem.details:
        say(_harmless(problem.details))
    say(f"{_styled('error:', 31, sys.stderr)} {_harmless(problem.message)}")
    if problem.hint:
        say(f"hint: {_harmless(problem.hint)}")


def _harmless(text: str) -> str:
    """What a service or a log says must not command the terminal; colours are left out, the rest is shown as marks."""
    from ernie_deploy.report.fitting import printable

    return printable(COLOUR.sub("", text))


def _console() -> "Console":
    from rich.console import Console

    # Piped output must not be cut at 80 columns: a script reads it.
    return Console(width=None if sys.stdout.isatty() else 10_000, highlight=False, soft_wrap=not sys.stdout.isatty())


def has_colour(stream: TextIO | None = None) -> bool:
    """Whether this is a terminal that wants colours; stdout unless another stream is named."""
    stream = stream or sys.stdout
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def has_blocks() -> bool:
    """Whether stdout has letters such as `█`."""
    return "utf" in (sys.stdout.encoding or "").lower()


def width() -> int:
    """Columns of the terminal, 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80


def _styled(text: str, code: int, stream: TextIO) -> str:
    """With an ANSI style on a terminal that wants it, else as it is."""
    return f"\x1b[{code}m{text}\x1b[0m" if has_colour(stream) else text
