"""The simulator's own settings, as `ERNIE_SIM_…` variables, so that the engine's argv stays the engine's."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

PREFIX = "ERNIE_SIM_"
# How long a lost worker may stay: nobody wants to find it next month.
A_DAY_S = 86400.0
Seconds = Annotated[float, Meta(ge=0, le=1_000_000)]


class Dials(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`ERNIE_SIM_LOAD_S=2` is `load_s`. `capacity` 0 leaves the number of running requests to max_num_seqs alone.

    `alive_timeout_s`, `watchdog_s` and `recheck_s` are FastDeploy's own constants: how old a heartbeat may be, how
    often it looks after its worker, and how long it waits for tokens before it asks whether the engine is healthy.
    `fetch_s` is what a failing download takes: three attempts, and pauses of one and two seconds.
    `loopback_only` keeps every port on 127.0.0.1, also those that FastDeploy always opens to everybody.
    """

    version: str = "2.5.0"
    faults: str = ""
    load_s: Seconds = 1.0
    ttft_s: Seconds = 0.02
    itl_s: Seconds = 0.002
    capacity: Annotated[int, Meta(ge=0)] = 0
    alive_timeout_s: Seconds = 30.0
    watchdog_s: Annotated[float, Meta(gt=0, le=1_000_000)] = 5.0
    recheck_s: Seconds = 300.0
    fetch_s: Seconds = 3.0
    max_s: Seconds = A_DAY_S
    shm_dir: str = "/dev/shm"
    loopback_only: bool = False


class DialError(Exception):
    """A variable `ERNIE_SIM_…` that means nothing."""


def from_environment(environ: Mapping[str, str], **otherwise: str) -> Dials:
    """The dials as variables set them. Raises DialError for a name that is no dial, or a value that is no number."""
    given = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    for name in given:
        if name not in Dials.__struct_fields__:
            known = ", ".join(PREFIX + field.upper() for field in Dials.__struct_fields__)
            raise DialError(f"{PREFIX}{name.upper()}: there is no such dial; there are {known}")
    try:
        return msgspec.convert({**otherwise, **given}, Dials, strict=False)
    except msgspec.ValidationError as error:
        raise DialError(f"{PREFIX}…: {error}") from None
