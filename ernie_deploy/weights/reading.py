"""One file of a model directory, looked at without believing it: its size, what stands in its place, its JSON."""

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from ernie_deploy.files import human_size

_JSON_LIMIT_BYTES: Final = 64 * 1024 * 1024
_NAME_LIMIT: Final = 120
MISSING: Final = "Object missing required field "
"""How msgspec begins to say so."""


def stranger(first: bytes) -> str:
    """What a download can leave in the place of a file: a Git LFS pointer or a web page."""
    head = first.lstrip()[:64].lower()
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself (fetch it with git lfs pull)"
    if head.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "is a web page, not the file itself (an error page was saved in its place)"
    return ""


def load_json(path: Path) -> tuple[dict[str, Any], str]:
    """The object in a JSON file, and what is wrong with it."""
    size = size_of(path)
    if size is None:
        return {}, f"{path.name} is missing"
    if size > _JSON_LIMIT_BYTES:
        return {}, f"{path.name} is too large to be right ({human_size(size)})"
    try:
        data = path.read_bytes()
        if found := stranger(data):
            return {}, f"{path.name} {found}"
        value = json.loads(data)
    except OSError as error:
        return {}, f"{path.name} cannot be read: {error.strerror}"
    except (ValueError, RecursionError) as error:
        return {}, f"{path.name} is not JSON ({error})" if data else f"{path.name} is empty"
    return (value, "") if isinstance(value, dict) else ({}, f"{path.name} is not a JSON object")


def first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(512)
    except OSError:
        return b""


def size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def shown(name: str) -> str:
    """A name out of a file as it may stand in a sentence: a file can hold terminal codes, or names without end."""
    short = name if len(name) <= _NAME_LIMIT else f"{name[: _NAME_LIMIT - 1]}…"
    return short if short.isprintable() else ascii(short)


def in_words(error: msgspec.ValidationError, *, within: str = "") -> str:
    """``Expected `int` >= 1 - at `$.hidden_size` `` → `hidden_size: expected int >= 1`."""
    reason, _, place = str(error).replace("`", "").partition(" - at $.")
    if reason.startswith(MISSING):
        return f"{'.'.join(filter(None, (within, place, reason.removeprefix(MISSING))))} is missing"
    return ": ".join(filter(None, (".".join(filter(None, (within, place))), reason[:1].lower() + reason[1:])))
