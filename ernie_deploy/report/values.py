"""What was looked at and what was found, as values."""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

Verdict = Literal["pass", "fail", "skip", "unsupported"]
VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "skip", "unsupported")


class Box(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A box in a picture, in thousandths of it from the top left; `picture` counts from 0."""

    picture: int
    left: float
    top: float
    right: float
    bottom: float
    label: str
    kind: Literal["expected", "answered"]

    @property
    def is_drawable(self) -> bool:
        """A model may answer NaN or 1e999, which no picture has a place for and no JSON a word."""
        return all(math.isfinite(side) for side in (self.left, self.top, self.right, self.bottom))


class Picture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture or video that was sent, as it was sent."""

    media_type: str
    data: bytes


class Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request and what came of it. Media in `request` are words; they stand in the pictures of the case.

    `answer` is what the client understood, or the beginning of a raw body. `status` is None when nothing answered;
    then `error` says why. `key` says what the request went out with.
    """

    method: str
    path: str
    request: object
    status: int | None
    answer: object
    total_s: float
    ttft_s: float | None = None
    error: str = ""
    key: Literal["given", "none", "other"] = "none"


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that was looked at. `unsupported` means the engine cannot do it, and `reference` says who says so.

    `attempts` is 2 or more when it was tried again.
    """

    id: str
    title: str
    verdict: Verdict
    message: str
    hint: str = ""
    reference: str = ""
    seconds: float = 0.0
    evidence: dict[str, object] = {}
    tier: str = ""
    attempts: int = 1
    exchanges: tuple[Exchange, ...] = ()
    pictures: tuple[Picture, ...] = ()
    boxes: tuple[Box, ...] = ()


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All cases of one run. `created` is the UTC time of its end in ISO 8601, `""` where it must be reproducible.

    When a recording is judged again, it is the time at which that began. `seed` draws the same pictures again,
    `profile` is what was expected of the answers, `tier` which probes were meant.
    """

    tool: str
    version: str
    endpoint: str
    engine: str
    model: str
    cases: tuple[Case, ...]
    created: str = ""
    seed: int | None = None
    profile: str = ""
    tier: str = ""
    is_simulated: bool = False
    was_interrupted: bool = False


def summary(cases: Sequence[Case]) -> dict[Verdict, int]:
    return {verdict: sum(case.verdict == verdict for case in cases) for verdict in VERDICTS}
