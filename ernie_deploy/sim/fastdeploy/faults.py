"""Faults that can be switched on: `NAME[@WHEN][:ARGUMENT]`, comma separated. What there is stands in faults.yaml.

WHEN is in seconds since the start (`@5`) or since the service became ready (`@ready+5`); a range (`@5-20`) ends the
fault again. Without WHEN a fault holds all the time, and one of the start strikes at its own stage.
"""

import re
import time
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

import msgspec
import yaml

Stage = Literal["arguments", "ports", "workers", "weights", "layers", "profiling", "graphs", "http"]
Kind = Literal["worker", "server", "process", "health", "metrics", "key", "request", "answer", "load", "wire"]
SYNTAX = re.compile(
    r"(?P<name>[a-z0-9-]+?)(?:@(?P<ready>ready\+)?(?P<at>\d+(?:\.\d+)?)(?:-(?P<until>\d+(?:\.\d+)?))?)?(?::(?P<argument>.*))?"
)


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One switch. `kind` says who acts it out: `worker` and `server` faults belong to the start.

    A fault of the worker writes `lines` into its log at `stage`, then ends with `code` (a negative one is a signal),
    or hangs when it `hangs`. `argument` says what can follow the colon. `once` is for what happens and cannot be taken
    back, `untimed` for what holds from the start on or not at all: one takes no range, the other no time.
    """

    name: str
    kind: Kind
    says: str
    stage: Stage | None = None
    argument: str = ""
    lines: tuple[str, ...] = ()
    code: int = 1
    hangs: bool = False
    once: bool = False
    untimed: bool = False

    @property
    def is_of_the_start(self) -> bool:
        return self.kind in ("worker", "server")

    @property
    def can_end(self) -> bool:
        return self.hangs if self.kind == "worker" else not self.once


class Armed(NamedTuple):
    """A fault that was asked for, and when it holds."""

    fault: Fault
    after_ready: bool = False
    at_s: float | None = None
    until_s: float | None = None
    argument: str = ""

    def number(self, otherwise: float) -> float:
        return float(self.argument) if self.argument else otherwise


class FaultError(Exception):
    """A fault that does not exist, or cannot be read."""


@cache
def known() -> dict[str, Fault]:
    """All faults, by name."""
    text = files("ernie_deploy.sim.fastdeploy").joinpath("faults.yaml").read_text(encoding="utf-8")
    listed = msgspec.convert(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), tuple[Fault, ...])
    return {fault.name: fault for fault in listed}


def parse(text: str) -> tuple[Armed, ...]:
    """Raises FaultError, naming what is meant perhaps."""
    return tuple(_parse_one(word.strip()) for word in text.split(",") if word.strip())


def _parse_one(word: str) -> Armed:
    match = SYNTAX.fullmatch(word)
    if match is None:
        raise FaultError(f"{word!r} is not NAME[@SECONDS][:ARGUMENT]")
    fault = known().get(match["name"])
    if fault is None:
        raise FaultError(f"there is no fault {match['name']!r}; there are: {', '.join(known())}")
    argument = match["argument"] or ""
    if argument and not fault.argument:
        raise FaultError(f"{fault.name} takes no argument, got {argument!r}")
    if argument and fault.argument != "a word" and not re.fullmatch(r"-?\d+(\.\d+)?", argument):
        raise FaultError(f"{fault.name}:{argument}: expected {fault.argument}")
    at_s, until_s = (float(match[key]) if match[key] else None for key in ("at", "until"))
    armed = Armed(fault, bool(match["ready"]), at_s, until_s, argument)
    if problem := _why_not_at_that_time(armed):
        raise FaultError(f"{word}: {problem}")
    return armed


def _why_not_at_that_time(armed: Armed) -> str:
    fault = armed.fault
    if armed.at_s is not None and fault.untimed:
        return f"{fault.name} holds from the start on; leave the time out"
    if armed.after_ready and fault.is_of_the_start:
        return f"{fault.name} belongs to the start, which is over when the service is ready"
    if armed.until_s is None or armed.at_s is None:
        return ""
    if not fault.can_end:
        return f"{fault.name} cannot be taken back; give one time, no range"
    return "it would end before it begins" if armed.until_s <= armed.at_s else ""


class Faults:
    """The armed faults of one run, and which of them hold now."""

    def __init__(self, armed: Iterable[Armed], now: Callable[[], float] = time.monotonic) -> None:
        self.armed = tuple(armed)
        self._now = now
        self._began = now()
        self._ready_at: float | None = None

    def became_ready(self) -> None:
        self._ready_at = self._now()

    @property
    def elapsed_s(self) -> float:
        """Since the start."""
        return self._now() - self._began

    @property
    def ready_s(self) -> float | None:
        """Since the service became ready; None before."""
        return None if self._ready_at is None else self._now() - self._ready_at

    def on(self, name: str) -> Armed | None:
        """The fault of that name, when it holds now."""
        return next((one for one in self.armed if one.fault.name == name and self._holds(one)), None)

    def holding(self) -> frozenset[str]:
        """The names of all that hold now."""
        return frozenset(one.fault.name for one in self.armed if self._holds(one))

    def first(self, kind: Kind) -> Armed | None:
        """The first fault of a kind that holds now."""
        return next((one for one in self.armed if one.fault.kind == kind and self._holds(one)), None)

    def of(self, kind: Kind) -> tuple[Armed, ...]:
        """All armed faults of a kind, whether they hold or not."""
        return tuple(one for one in self.armed if one.fault.kind == kind)

    def _holds(self, one: Armed) -> bool:
        since = self.ready_s if one.after_ready else self.elapsed_s
        if since is None:
            return False
        return since >= (one.at_s or 0.0) and (one.until_s is None or since < one.until_s)
