"""What an engine takes of a card beside what the model's dimensions say: the values in fit.yaml."""

from functools import cache
from typing import Literal

import msgspec

from ernie_deploy.architecture.shape import Part
from ernie_deploy.catalog.load import read

GIB = 1 << 30


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GiB: what is expected, and the least and the most that is thinkable."""

    low: float
    expected: float
    high: float
    why: str
    source: str


class Factors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far off the derived peak may be."""

    low: float
    high: float


class Slots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an engine allocates at the start for every sequence slot at full length."""

    rope_values: bool
    token_ids: int
    why: str
    source: str


class Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the engine takes for a setting that is left to it; a length of 0 is the model's own limit."""

    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float
    images: int
    videos: int


class ByCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other defaults on cards of so many GiB and more, but not on those with this in their name."""

    from_gib: int
    max_num_seqs: int
    max_num_batched_tokens: int
    but_not: str = ""


class Quantization(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bits of a weight in the parts that it touches, and bytes of the scale that each output channel has.

    Of the `doubtful` parts it is not known whether they are touched.
    """

    bits: int
    scale_bytes: int = 0
    parts: tuple[Part, ...] = ()
    doubtful: tuple[Part, ...] = ()


class OnCpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is different when an engine runs on the CPU: `process` is what its worker takes before any weights."""

    block_size: int
    max_num_seqs: int
    max_num_batched_tokens: int
    process: Span


class EngineFit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one engine does with a card's memory; `why` is about its quantizations."""

    takes_share: bool
    counts_others: bool
    defaults: Defaults
    block_size: int
    starts_with: Literal["prefill_step", "full_length", "nothing"]
    context: Span
    communication: Span
    graphs: Span
    activation: Factors
    quantizations: dict[str, Quantization]
    why: str
    by_card: tuple[ByCard, ...] = ()
    most_blocks: int | None = None
    slots: Slots | None = None
    cpu: OnCpu | None = None


class Typical(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A typical request: prompt and answer together."""

    tokens: int
    why: str


class Fit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    typical_request: Typical
    answer_tokens: int
    engines: dict[str, EngineFit]


@cache
def fit() -> Fit:
    """All of it, decoded strictly: a wrong catalog is a bug."""
    return msgspec.convert(read("fit.yaml"), Fit)
