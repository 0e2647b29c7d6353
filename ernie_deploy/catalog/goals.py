"""What people want to do with the model, and what each of that needs: the values in goals.yaml."""

import difflib
from functools import cache

import msgspec

from ernie_deploy.catalog.fit import Typical
from ernie_deploy.catalog.load import read
from ernie_deploy.errors import UsageError

LONGEST_NAME = 60


class Rung(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One level of a goal; the YAML file explains the fields."""

    bits: int
    max_model_len: int
    at_once: int = 1
    picture_tokens: int
    pictures: int = 1
    images: int = 10
    video_frames: int = 30


class Goal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is wanted, and what is given up first. A goal that `sees` is pointless without pictures."""

    title: str
    sees: bool = False
    request: Typical
    steps: tuple[int, ...]
    step_why: str
    picture_why: str
    length_why: str
    source: str
    rungs: tuple[Rung, ...]


class Goals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    certainty_is_worth_rungs: int
    goals: dict[str, Goal]


@cache
def goals() -> Goals:
    """All of it, decoded strictly: a wrong catalog is a bug."""
    return msgspec.convert(read("goals.yaml"), Goals)


def goal_named(text: str) -> Goal:
    """The goal of this name. Raises UsageError, with the nearest name, for any other word."""
    known = goals().goals
    if text in known:
        return known[text]
    close = difflib.get_close_matches(text[:LONGEST_NAME].strip().lower(), known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}?" if close else f"known are: {', '.join(known)}"
    raise UsageError(f"--for: {text[:LONGEST_NAME]!r} is no goal", hint=hint)
