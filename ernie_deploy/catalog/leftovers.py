"""What engines leave behind outside their own directories when they are killed: the values in leftovers.yaml."""

import re
from functools import cache
from typing import Literal

import msgspec

from ernie_deploy.catalog.load import read

Place = Literal["shm", "tmp"]
WILD = {"{number}": r"\d+", "{word}": "[a-z][a-z0-9_]*"}
PORTS = ("{port}", "{queue_port}")


class Left(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of files in one place, and what they are for."""

    place: Place
    names: tuple[str, ...]
    why: str


@cache
def leftovers() -> dict[str, tuple[Left, ...]]:
    """All of it by engine, decoded strictly: a wrong catalog is a bug."""
    return msgspec.convert(read("leftovers.yaml"), dict[str, tuple[Left, ...]])


def pattern(name: str, port: int, queue_port: int | None) -> re.Pattern[str] | None:
    """What a name looks like for these ports; None when it holds a port that is not known."""
    if queue_port is None and "{queue_port}" in name:
        return None
    known = {**WILD, "{port}": str(port), "{queue_port}": str(queue_port)}
    parts = re.split(r"(\{\w+\})", name)
    return re.compile("".join(known[part] if part.startswith("{") else re.escape(part) for part in parts))
