"""How long earlier starts of the same plan took, stage by stage, and what that says about this one.

<state>/<name>/boots.json holds the last starts of the last plans. It is a convenience: when it cannot be read or
written nothing is said about the time left, and nothing else changes.
"""

import contextlib
import hashlib
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from ernie_deploy.files import write_atomically
from ernie_deploy.plan.values import Plan
from ernie_deploy.serve.readiness import Progress

BOOTS_FILE = "boots.json"
MOST_BOOTS = 5
MOST_PLANS = 20
MOST_BYTES = 1 << 20
# No start takes a week.
MOST_S = 604800.0
# What decides how long a start takes.
KEYS = ("engine", "engine_version", "device", "gpus", "model", "model_path", "revision", "quantization",
        "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization", "tensor_parallel_size",
        "limit_mm_per_prompt", "mm_processor_kwargs", "engine_args", "env", "ready_when")  # fmt: skip
# From here on our own pace says more about a stage than earlier starts do.
TELLING_PERCENT = 10


Moment = Annotated[float, msgspec.Meta(ge=0, le=MOST_S)]


class Boot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One start that succeeded: when it entered each stage, and when it was ready, in seconds since it began."""

    stages: tuple[tuple[str, Moment], ...]
    ready_after_s: Moment


class Left(NamedTuple):
    """How much longer it may take, and on how many earlier starts that rests."""

    seconds: float
    boots: int


Boots = dict[str, tuple[Boot, ...]]


def plan_key(plan: Plan) -> str:
    """The same for plans that start alike, whatever their ports and names."""
    settings = {key: getattr(plan, key).value for key in KEYS}
    # Sorted: the order in which settings were written says nothing about the start.
    return hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()[:24]


def left(boots: Sequence[Boot], progress: Progress) -> Left | None:
    """The median of what was left at this point of earlier starts; None when none of them came by here."""
    found = [seconds for boot in boots if (seconds := _left_after(boot, progress)) is not None]
    return Left(statistics.median(found), len(found)) if found else None


def recorded(boots: Boots, key: str, boot: Boot) -> Boots:
    """With one more start; the plan started last comes last, and the oldest are dropped."""
    rest = {one: kept for one, kept in boots.items() if one != key}
    everything = {**rest, key: (*boots.get(key, ()), boot)[-MOST_BOOTS:]}
    return dict(list(everything.items())[-MOST_PLANS:])


def boot_of(stages: Sequence[Progress], ready_after_s: float) -> Boot:
    """A start, from its stages."""
    return Boot(tuple((one.stage, round(one.after_s, 2)) for one in stages), round(ready_after_s, 2))


def read(directory: Path) -> Boots:
    """Earlier starts; none when the file is missing, damaged, too large or of another version."""
    path = directory / BOOTS_FILE
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
        return msgspec.json.decode(path.read_bytes(), type=Boots)
    except (OSError, msgspec.MsgspecError):
        return {}


def remember(directory: Path, key: str, boot: Boot) -> None:
    """Add a start. Two that end at the same moment may lose one of them; a full disk loses it too."""
    with contextlib.suppress(OSError):
        write_atomically(directory / BOOTS_FILE, msgspec.json.encode(recorded(read(directory), key, boot)))


def _left_after(boot: Boot, progress: Progress) -> float | None:
    """How long an earlier start still took from where this one stands."""
    names = [name for name, _ in boot.stages]
    if progress.stage not in names:
        return None
    position = names.index(progress.stage)
    entered_s = boot.stages[position][1]
    is_last = position + 1 == len(names)
    ended_s = boot.ready_after_s if is_last else boot.stages[position + 1][1]
    after_it_s = max(0.0, boot.ready_after_s - ended_s)
    return _left_in_stage(max(0.0, ended_s - entered_s), progress) + after_it_s


def _left_in_stage(earlier_s: float, progress: Progress) -> float:
    if progress.percent is None:
        return max(0.0, earlier_s - progress.stage_s)
    share_left = 1 - progress.percent / 100
    if progress.percent >= TELLING_PERCENT and progress.stage_s > 0:
        return progress.stage_s / progress.percent * 100 * share_left
    return earlier_s * share_left
