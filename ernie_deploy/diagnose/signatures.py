"""Known failures and the markers of a start, as data: what a line must look like, and what it means."""

import re
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
import yaml

Confidence = Literal["certain", "likely", "possible"]
Kind = Literal["cause", "symptom", "note"]
Level = Literal["error", "warning", "info"]
Step = Literal["begins", "loading", "launched", "ready", "stops"]
Place = Literal["console", "worker", "engine log", "kernel", "container"]

ENGINES = ("fastdeploy", "vllm", "transformers")


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A known failure.

    `literals`: one of them stands in every line that `pattern` can match; only such lines are looked at closely.
    `pattern` must match at the beginning of a message, behind timestamps and names of exceptions; its named groups fill
    `{name}` in `cause` and `fix`. `level` is the mildest level at which the line counts. `needs` and `unless` are
    patterns of the `window` lines around it. `kind`: a symptom follows from a cause and is named only for want of one;
    a note is worth knowing and fails nothing. `rank`: the lower, the nearer to the root. `phase`: whether it can also
    happen to a service that is ready. `until`: the step after which it cannot have been fatal. With `stands_alone` it
    needs no engine around it to be believed. `remedy` holds settings of the plan that cure it.
    """

    id: str
    engines: tuple[str, ...]
    seen_in: Place
    literals: tuple[str, ...]
    pattern: str
    cause: str
    fix: str
    source: str
    confidence: Confidence = "certain"
    kind: Kind = "cause"
    rank: int = 50
    level: Level = "error"
    phase: Literal["start", "any"] = "start"
    until: Literal["loading", "launched", "ready"] = "ready"
    stands_alone: bool = False
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    window: int = 20
    remedy: dict[str, float] = {}


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line that says whose log this is (`engine`), or how far a start has come (`step`)."""

    literals: tuple[str, ...]
    pattern: str
    engine: str = ""
    step: Step | None = None


class Knowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    markers: tuple[Marker, ...]
    signatures: tuple[Signature, ...]


@cache
def knowledge() -> Knowledge:
    text = files("ernie_deploy.diagnose").joinpath("signatures.yaml").read_text(encoding="utf-8")
    document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return msgspec.convert(document, Knowledge)


def signatures() -> tuple[Signature, ...]:
    """All known failures."""
    return knowledge().signatures


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def filled(text: str, found: re.Match[str]) -> str:
    """`{name}` replaced by what the pattern's group of that name has caught."""
    for name, value in found.groupdict().items():
        text = text.replace(f"{{{name}}}", value or "?")
    return text
