"""What `lint` does with one file: read it, judge it, mend it, write it."""

import difflib
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ernie_deploy.catalog.flags import DEVELOP, release
from ernie_deploy.cli import ui
from ernie_deploy.errors import UsageError
from ernie_deploy.files import write_atomically
from ernie_deploy.lint import output
from ernie_deploy.lint.decoding import MOST_BYTES, Decoded, decoded
from ernie_deploy.lint.judge import Judged, judged
from ernie_deploy.lint.mend import mended
from ernie_deploy.lint.reading import KINDS, Kind, read
from ernie_deploy.lint.rules import rules
from ernie_deploy.lint.values import Engine

STDIN = "-"


class Asked(NamedTuple):
    """How to judge: as what kind of file, by which versions, with which rules."""

    kind: Kind | None
    versions: dict[Engine, str]
    only: list[str]
    ignore: list[str]


def asked_for(kind: str, versions: Sequence[str], *, only: Sequence[str], ignore: Sequence[str]) -> Asked:
    """What stood on the command line, understood. Raises UsageError for a kind, version or rule that is none."""
    return Asked(_kind(kind), _versions(versions), _rules(only), _rules(ignore))


def linted(name: str, asked: Asked, *, fix: bool, diff: bool) -> Judged:
    """The findings of one file; with `fix` those that are left."""

    def judge(characters: str) -> Judged:
        return judged(read(name, characters, asked.kind, asked.versions), only=asked.only, ignore=asked.ignore)

    text = decoded(_bytes(name), name)
    reading = read(name, text.characters, asked.kind, asked.versions)
    for note in output.notes(reading, asked.versions):
        ui.say(f"note: {note}")
    if fix or diff:
        result = mended(text.characters, lambda characters: judge(characters).findings)
        if diff:
            _show_diff(name, text.characters, result.characters)
        elif name == STDIN:
            ui.piece(result.characters)
        if fix:
            _write(name, text, result.characters)
            ui.say(f"{name}: {len(result.findings)} fixed")
            return judge(result.characters)
    return judged(reading, only=asked.only, ignore=asked.ignore)


def _bytes(name: str) -> bytes:
    try:
        if name == STDIN:
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with Path(name).open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{name}: cannot be read: {why}") from None


def _write(name: str, before: Decoded, characters: str) -> None:
    """Whole or not at all, with the mode the file had; a link keeps being one."""
    if name == STDIN or characters == before.characters:
        return
    target = Path(name).resolve()
    try:
        write_atomically(target, before.encoded(characters), stat.S_IMODE(target.stat().st_mode))
    except OSError as error:
        raise UsageError(f"{name}: cannot be written: {error.strerror}") from None


def _show_diff(name: str, before: str, after: str) -> None:
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{name}", f"b/{name}")
    for line in lines:
        ui.piece(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")


def _kind(text: str) -> Kind | None:
    found = next((one for one in KINDS if one == text), None)
    if text and found is None:
        raise UsageError(f"--kind: there is no kind {text!r}", hint=f"known are {', '.join(KINDS)}")
    return found


def _versions(texts: Sequence[str]) -> dict[Engine, str]:
    """`2.5.0` is FastDeploy's, `vllm=0.32.0` says whose."""
    found: dict[Engine, str] = {}
    for text in texts:
        engine, _, version = text.rpartition("=")
        if engine not in ("", "fastdeploy", "vllm") or not (release(version) or version == DEVELOP):
            raise UsageError(
                f"--engine-version: expected a version, got {text!r}", hint="such as 2.5.0, or vllm=0.32.0"
            )
        found["vllm" if engine == "vllm" else "fastdeploy"] = version
    return found


def _rules(names: Sequence[str]) -> list[str]:
    for name in names:
        if name.upper() not in rules():
            raise UsageError(f"there is no rule {name!r}", hint="list them: ernie-deploy lint --list")
    return [name.upper() for name in names]
