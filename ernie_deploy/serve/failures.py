"""Starts of a plan that failed of late: whoever starts it again and again should look at the cause instead.

<state>/<name>/failures.jsonl holds when and which plan; it outlives `down`, and a start that succeeds ends it.
"""

import contextlib
import time
from pathlib import Path

import msgspec

from ernie_deploy.files import write_atomically

FAILURES_FILE = "failures.jsonl"
WITHIN_S = 3600.0
MOST = 50
# So many within that time are no accident.
MANY = 3

Failures = list[tuple[float, str]]


def recent(directory: Path, key: str, *, now: float | None = None) -> int:
    """How often the plan with this key failed to start within the last hour."""
    now = time.time() if now is None else now
    return sum(plan == key and 0 <= now - at <= WITHIN_S for at, plan in _read(directory))


def note(directory: Path, key: str, *, now: float | None = None) -> None:
    """One more. A full disk loses it."""
    failures = [*_read(directory), (time.time() if now is None else now, key)]
    _write(directory, failures[-MOST:])


def forget(directory: Path, key: str) -> None:
    """The plan has started: what failed before is mended."""
    failures = _read(directory)
    if any(plan == key for _, plan in failures):
        _write(directory, [one for one in failures if one[1] != key])


def _read(directory: Path) -> Failures:
    try:
        return msgspec.json.Decoder(tuple[float, str]).decode_lines((directory / FAILURES_FILE).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return []


def _write(directory: Path, failures: Failures) -> None:
    with contextlib.suppress(OSError):
        write_atomically(directory / FAILURES_FILE, msgspec.json.Encoder().encode_lines(failures))
