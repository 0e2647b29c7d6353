"""The ledger: what each part of a deployment takes of one card, and how much of it is left for the KV cache. Pure.

FastDeploy's KV cache is total × share − used − peak, where `used` is device-wide; vLLM's is the same in its own words.
Every line says whether it was measured, derived from dimensions, or assumed, and has a least and a most beside what is
expected; so a verdict can say how sure it is. Sizes are bytes of one card.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from ernie_deploy.architecture.shape import (
    Architecture,
    Part,
    kv_bytes_per_token,
    output_channels,
    parameters,
)
from ernie_deploy.architecture.tokens import most_picture_tokens
from ernie_deploy.catalog.fit import GIB, EngineFit, Quantization, Span, fit
from ernie_deploy.plan.activation import BF16, FP32, picture_bytes, prefill_bytes
from ernie_deploy.plan.demand import Demand

Kind = Literal["measured", "derived", "assumed", "unknown"]
Role = Literal["share", "reserve"]
INT64 = 8
OTHERS = "other processes"
IN_WORDS: Mapping[Part, str] = {
    "embeddings": "embeddings",
    "attention": "attention",
    "dense_ffn": "dense layers",
    "text_experts": "text experts",
    "vision_experts": "vision experts",
    "shared_experts": "shared experts",
    "routers": "routers",
    "norms": "norms",
    "vision_tower": "vision tower",
    "resampler": "resampler",
    "lm_head": "output layer",
    "other": "other tensors",
}


class Room(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One card, or the memory of the host: its size, and what others use of it; None when that is not known."""

    name: str
    total_bytes: int
    others_bytes: int | None = 0
    index: int = 0


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model: its dimensions, the parameters of each part, and the bytes they are stored in, where headers tell."""

    shape: Architecture
    parameters: dict[Part, int]
    stored_bytes: dict[Part, int] = {}
    source: str = "architectures.yaml"


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an earlier boot of this very plan on this card reported: everything that it took beside the KV cache."""

    overhead_bytes: int
    source: str


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry. `share` is taken from what the engine may use, `reserve` from the rest of the card."""

    name: str
    bytes: int
    low: int
    high: int
    kind: Kind
    why: str
    source: str
    role: Role = "share"


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All entries of one card. `kv_low` and `kv_high` are what is left if every entry is at its most, or its least.

    `wanted_free_bytes` is what must be free before the engine starts, 0 when it does not ask. `wanted_kv_bytes` is the
    size of a cache that is given, None when it takes what is left.
    """

    room: Room
    share_bytes: int
    lines: tuple[Line, ...]
    kv_low: int
    kv_bytes: int
    kv_high: int
    kv_bytes_per_token: int
    block_size: int
    most_blocks: int | None = None
    wanted_free_bytes: int = 0
    wanted_kv_bytes: int | None = None

    def tokens(self, kv_bytes: int) -> int:
        """How many tokens a cache of this size holds: whole blocks, at most as many as the engine makes."""
        blocks = max(0, kv_bytes) // (self.kv_bytes_per_token * self.block_size)
        return min(blocks, self.most_blocks or blocks) * self.block_size

    @property
    def kv_tokens(self) -> int:
        return self.tokens(self.kv_bytes)

    @property
    def reserve_bytes(self) -> int:
        """What lies outside of the engine's share."""
        return self.room.total_bytes - self.share_bytes

    @property
    def rest_bytes(self) -> int:
        """What nothing is expected to use; negative when there is not enough."""
        return self.reserve_bytes - sum(line.bytes for line in self.lines if line.role == "reserve")

    @property
    def rest_low(self) -> int:
        """The same if all that lies outside of the share is at its most."""
        return self.reserve_bytes - sum(line.high for line in self.lines if line.role == "reserve")

    @property
    def rest_high(self) -> int:
        return self.reserve_bytes - sum(line.low for line in self.lines if line.role == "reserve")

    @property
    def is_crowded(self) -> bool:
        """Whether others hold a part of the share of an engine that wants all of it free: then it does not start."""
        free = self.room.total_bytes - (self.room.others_bytes or 0)
        return self.wanted_free_bytes > 0 and free < self.wanted_free_bytes

    @property
    def is_known_in_part(self) -> bool:
        """Whether an entry could not be told at all."""
        return any(line.kind == "unknown" for line in self.lines)


def weights_of(shape: Architecture, source: str = "architectures.yaml") -> Weights:
    """A model of which only the dimensions are known."""
    return Weights(shape, parameters(shape), source=source)


def ledger(demand: Demand, weights: Weights, room: Room, known: Known | None = None) -> Ledger:
    """What this demand takes of this card. With `known`, an earlier boot's own report, the entries add up to that."""
    engine = fit().engines[demand.engine]
    wanted = int(room.total_bytes * demand.gpu_memory_utilization)
    # vLLM gives a cache of a given size no heed to its share; on a CPU it does not even ask for that to be free.
    is_given = demand.kv_cache_bytes is not None and not engine.counts_others
    is_given_on_cpu = is_given and demand.device == "cpu"
    share = wanted if engine.takes_share else room.total_bytes
    share = room.total_bytes - (room.others_bytes or 0) if is_given else share
    lines = _share_lines(demand, weights, engine)
    lines = (*(_as_known(lines, known) if known else lines), *_others(room, engine), *_reserve_lines(demand, engine))
    taken = [sum(getattr(line, key) for line in lines if line.role == "share") for key in ("high", "bytes", "low")]
    low, expected, high = (share - one for one in taken)
    per_token = kv_bytes_per_token(
        weights.shape, bytes_per_value=demand.kv_bytes_per_value, tensor_parallel_size=demand.tensor_parallel_size
    )
    fixed = demand.kv_blocks * demand.block_size * per_token if demand.kv_blocks else demand.kv_cache_bytes
    if fixed is not None:
        low, expected, high = (fixed if left >= fixed else left for left in (low, expected, high))
    return Ledger(
        room=room,
        share_bytes=share,
        lines=lines,
        kv_low=low,
        kv_bytes=expected,
        kv_high=high,
        kv_bytes_per_token=per_token,
        block_size=demand.block_size,
        most_blocks=engine.most_blocks,
        wanted_free_bytes=0 if engine.counts_others or is_given_on_cpu else wanted,
        wanted_kv_bytes=fixed,
    )


def tightest(ledgers: Iterable[Ledger]) -> Ledger:
    """The card that decides: one that keeps the engine from starting, else the one with the least room, for every card
    of a group gets as many blocks as that."""
    return min(ledgers, key=lambda one: (not one.is_crowded, one.kv_bytes))


def picture_tokens_at_once(demand: Demand, shape: Architecture) -> int:
    """Image tokens that the vision tower works on in one step: a whole picture at least, a whole step at most."""
    if shape.vision is None or not (demand.images or demand.videos):
        return 0
    largest = most_picture_tokens(demand.limits) if demand.images else 0
    return max(largest, demand.max_num_batched_tokens)


def _share_lines(demand: Demand, weights: Weights, engine: EngineFit) -> tuple[Line, ...]:
    lines = [_span("engine context", engine.context)] if demand.device == "cuda" else []
    if demand.device == "cpu" and engine.cpu:
        lines.append(_span("engine process", engine.cpu.process, kind="measured"))
    if demand.tensor_parallel_size > 1:
        lines.append(_span("communication", engine.communication))
    lines += _weight_lines(demand, weights, engine)
    lines += _slot_lines(demand, weights.shape, engine)
    lines += _peak_lines(demand, weights.shape, engine)
    return tuple(lines)


def _weight_lines(demand: Demand, weights: Weights, engine: EngineFit) -> list[Line]:
    how = engine.quantizations[demand.quantization]
    is_measured = bool(weights.stored_bytes)
    source = weights.source if is_measured else f"dimensions in {weights.source}"
    lines = []
    for part, count in weights.parameters.items():
        # Routers may be stored, and kept, in 32 bits.
        plain = weights.stored_bytes.get(part, count * BF16)
        is_touched, is_doubtful = part in how.parts, part in how.doubtful
        small = _quantized(part, count, weights.shape, how) if is_touched or is_doubtful else plain
        low = small if is_touched else min(small, plain)
        expected = small if is_touched else plain
        is_exact = is_measured and not is_touched and not is_doubtful
        bits = f"{how.bits} bits and a scale for each channel" if is_touched else f"{8 * plain // max(1, count)} bits"
        expected, low, high = (
            -(-one // demand.tensor_parallel_size) for one in (expected, low, small if is_touched else plain)
        )
        kind: Kind = "measured" if is_exact else "derived"
        why = f"{count:,} parameters of {bits}{_per_card(demand)}"
        lines.append(Line(f"weights: {IN_WORDS[part]}", expected, low, high, kind, why, source))
    return lines


def _quantized(part: Part, count: int, shape: Architecture, how: Quantization) -> int:
    return count * how.bits // 8 + output_channels(shape, part) * how.scale_bytes


def _per_card(demand: Demand) -> str:
    cards = demand.tensor_parallel_size
    return f", spread over {cards} cards" if cards > 1 else ""


def _slot_lines(demand: Demand, shape: Architecture, engine: EngineFit) -> list[Line]:
    slots = engine.slots
    if slots is None:
        return []
    places = demand.max_num_seqs * demand.max_model_len
    per_place = slots.token_ids * INT64
    if slots.rope_values and shape.vision:
        per_place += 2 * (shape.head_dim // 2) * FP32
    size = places * per_place
    why = f"{slots.why}: {demand.max_num_seqs} × {demand.max_model_len:,} × {per_place} bytes"
    return [Line("sequence slots", size, size, size, "derived", why, slots.source)]


def _peak_lines(demand: Demand, shape: Architecture, engine: EngineFit) -> list[Line]:
    tokens, cards = demand.max_num_batched_tokens, demand.tensor_parallel_size
    prefill = prefill_bytes(shape, tokens=tokens, sequences=demand.max_num_seqs, tensor_parallel_size=cards)
    lines = [_peak("prefill peak", prefill, engine, f"the language model on a step of {tokens:,} tokens")]
    at_once = picture_tokens_at_once(demand, shape)
    if at_once and shape.vision:
        size = picture_bytes(shape.vision, tokens=at_once, tensor_parallel_size=cards)
        lines.append(_peak("picture peak", size, engine, f"the vision tower on {at_once:,} image tokens at once"))
    return lines


def _peak(name: str, size: int, engine: EngineFit, what: str) -> Line:
    low, high = int(size * engine.activation.low), int(size * engine.activation.high)
    factors = f"{engine.activation.low} to {engine.activation.high} times that is thinkable"
    return Line(name, size, low, high, "derived", f"{what}; {factors}", "tensors alive at the widest moment")


def _others(room: Room, engine: EngineFit) -> tuple[Line, ...]:
    role: Role = "share" if engine.counts_others else "reserve"
    if room.others_bytes is None:
        why = "the driver does not tell what others use; unknown is not nothing"
        return (Line(OTHERS, 0, 0, 0, "unknown", why, "NVML", role),)
    if not room.others_bytes:
        return ()
    size = room.others_bytes
    return (Line(OTHERS, size, size, size, "measured", "in use by others", "NVML", role),)


def _as_known(lines: Iterable[Line], known: Known) -> tuple[Line, ...]:
    """The same entries without a spread, and one more that makes them add up to what was reported."""
    settled = tuple(msgspec.structs.replace(line, low=line.bytes, high=line.bytes) for line in lines)
    off = known.overhead_bytes - sum(line.bytes for line in settled)
    why = "what the engine reported minus the entries above; negative when they are too much"
    return (*settled, Line("correction", off, off, off, "measured", why, known.source))


def _reserve_lines(demand: Demand, engine: EngineFit) -> tuple[Line, ...]:
    if not (demand.has_graphs and engine.graphs.high) or demand.device != "cuda":
        return ()
    return (_span("CUDA graphs", engine.graphs, role="reserve"),)


def _span(name: str, span: Span, *, role: Role = "share", kind: Kind = "assumed") -> Line:
    expected, low, high = (int(one * GIB) for one in (span.expected, span.low, span.high))
    return Line(name, expected, low, high, kind, span.why, span.source, role)
