"""What earlier boots on this host have taught about memory, as values: which boot it was, and what it reported.

Nothing in a key is secret: of the settings only a hash is kept, and secret variables are not even part of that.
"""

from typing import Annotated

import msgspec

# No card has that much; whatever says so is damaged.
MOST_BYTES = 1 << 44

Bytes = Annotated[int, msgspec.Meta(ge=1, le=MOST_BYTES)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card as NVML names it."""

    name: str
    total_mib: int


class CalibrationKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that decides what a boot takes of a card, but the share of the card that the engine may use.

    `weights` is a fingerprint of the model's directory, `""` when the weights are not in one here. `settings` is a hash
    of the plan's settings that decide memory.
    """

    cards: tuple[Card, ...]
    driver_version: str
    engine: str
    engine_version: str
    model: str
    revision: str | None
    weights: str
    settings: str


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the last of `boots` successful boots with this key reported, for one card.

    `overhead_bytes` is all that the engine itself took of its share beside the KV cache: it holds for any share.
    `kv_bytes` and `kv_tokens` are what was left then, at that `utilization`. `measured_at` is seconds since the epoch.
    """

    key: CalibrationKey
    overhead_bytes: Bytes
    kv_bytes: Bytes
    utilization: Share
    measured_at: Annotated[float, msgspec.Meta(ge=0, le=1e12)]
    kv_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    boots: Annotated[int, msgspec.Meta(ge=1)] = 1
