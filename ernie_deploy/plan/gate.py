"""The verdict on a ledger: does it fit, how sure is that, what will not work, and what the settings buy. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from ernie_deploy.architecture.tokens import (
    AROUND_A_PICTURE,
    most_picture_tokens,
    video_seconds,
)
from ernie_deploy.catalog.fit import GIB, fit
from ernie_deploy.plan.demand import Demand
from ernie_deploy.plan.memory import Known, Ledger, Room, Weights, ledger

Verdict = Literal["fits", "tight", "does not fit"]
Confidence = Literal["certain", "likely"]
# The worst last.
VERDICTS: tuple[Verdict, ...] = ("fits", "tight", "does not fit")
LEAST_LENGTH = 16


class Buys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the settings buy. `video_seconds` is None when a video of any length goes into a request."""

    kv_tokens: int
    full_length_requests: float
    typical_requests: int
    pictures_per_request: int
    video_seconds: float | None


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A verdict, how sure it is, what will not work, and what the settings buy; on the card that decides."""

    verdict: Verdict
    confidence: Confidence
    problems: tuple[str, ...]
    buys: Buys
    ledger: Ledger


class Case(NamedTuple):
    """What is judged: settings, model, cards, and what an earlier boot of just this reported."""

    demand: Demand
    weights: Weights
    rooms: tuple[Room, ...]
    known: Known | None = None


def judge(case: Case) -> Judgement:
    """The verdict from what is expected; it is certain when the least and the most that is thinkable agree with it."""
    ledgers = ledgers_of(case)
    found = _decisive(case, ledgers)
    problems = _problems(case, found, found.kv_bytes)
    verdict = _verdict(case, found, found.kv_bytes)
    is_certain = set(_extremes(case, ledgers)) == {verdict} and not any(one.is_known_in_part for one in ledgers)
    return Judgement(verdict, "certain" if is_certain else "likely", problems, _buys(case, found), found)


def extremes(case: Case) -> tuple[Verdict, Verdict]:
    """The verdicts if everything takes the most, and the least, that is thinkable."""
    return _extremes(case, ledgers_of(case))


def changed(case: Case, key: str, value: float | str) -> Case:
    """The same case with one lever moved; more cards are more of the smallest that is here."""
    demand = case.demand
    if key == "image_max_pixels":
        new = msgspec.structs.replace(demand, limits={**demand.limits, key: value})
    else:
        new = msgspec.structs.replace(demand, **{key: value})
    rooms = case.rooms
    if key == "tensor_parallel_size" and isinstance(value, int):
        least = min(rooms, key=lambda room: room.total_bytes - (room.others_bytes or 0))
        rooms = (least,) * value
    return Case(new, case.weights, rooms)


def is_allowed(demand: Demand) -> bool:
    """Whether the engine would take these numbers together (its own assertions at the start)."""
    most = demand.max_model_len * demand.max_num_seqs
    step = demand.max_num_batched_tokens
    return (
        demand.max_model_len >= LEAST_LENGTH
        and demand.max_num_seqs <= step <= most
        and (demand.engine != "fastdeploy" or step >= min(demand.block_size, most))
    )


def fits(case: Case) -> bool:
    """Whether these settings are allowed and are expected to fit."""
    return is_allowed(case.demand) and _expected(case) == "fits"


def starts(case: Case) -> bool:
    """Whether these settings are allowed and are expected to start, tight or not."""
    return is_allowed(case.demand) and _expected(case) != "does not fit"


def gib(size: float) -> str:
    """`5.2 GiB`, `17 MiB`."""
    return f"{size / GIB:.1f} GiB" if abs(size) >= GIB / 10 or not size else f"{size / (1 << 20):.0f} MiB"


def ledgers_of(case: Case) -> list[Ledger]:
    """One for each card that differs from the others."""
    return [ledger(case.demand, case.weights, room, case.known) for room in dict.fromkeys(case.rooms)]


def _decisive(case: Case, ledgers: Iterable[Ledger]) -> Ledger:
    """The card with the worst verdict; of several the one with the least room, for every card gets as many blocks."""
    return max(
        ledgers, key=lambda one: (VERDICTS.index(_verdict(case, one, one.kv_bytes)), -one.kv_bytes, -one.rest_bytes)
    )


def _extremes(case: Case, ledgers: Sequence[Ledger]) -> tuple[Verdict, Verdict]:
    lows = [_verdict(case, one, one.kv_low, one.rest_low) for one in ledgers]
    highs = [_verdict(case, one, one.kv_high, one.rest_high) for one in ledgers]
    return max(lows, key=VERDICTS.index), max(highs, key=VERDICTS.index)


def _expected(case: Case) -> Verdict:
    return max((_verdict(case, one, one.kv_bytes) for one in ledgers_of(case)), key=VERDICTS.index)


def _verdict(case: Case, found: Ledger, kv_bytes: int, rest_bytes: int | None = None) -> Verdict:
    if _why_no_start(case, found, kv_bytes):
        return "does not fit"
    return "tight" if next(_shortages(case, found, kv_bytes, rest_bytes), "") else "fits"


def _problems(case: Case, found: Ledger, kv_bytes: int) -> tuple[str, ...]:
    """What will not work, the gravest first; empty when everything does that the settings promise."""
    why = _why_no_start(case, found, kv_bytes)
    return (why,) if why else tuple(_shortages(case, found, kv_bytes))


def _why_no_start(case: Case, found: Ledger, kv_bytes: int) -> str:
    """Why it would not start, or never serve anything; empty when it would."""
    demand, tokens = case.demand, found.tokens(kv_bytes)
    if why := _why_not_spread(case):
        return why
    if found.is_crowded:
        others = found.room.others_bytes or 0
        free = found.room.total_bytes - others
        least = f"less than its share of {gib(found.wanted_free_bytes)}, and then {demand.engine} does not start"
        share = int(free / found.room.total_bytes * 100) / 100
        return f"others leave {gib(free)} free, {least}; gpu_memory_utilization may be {share} at most"
    if kv_bytes < 0:
        return f"{gib(-kv_bytes)} are missing before there is any KV cache"
    if found.wanted_kv_bytes is not None and kv_bytes < found.wanted_kv_bytes:
        return f"a KV cache of {gib(found.wanted_kv_bytes)} is asked for, and {gib(kv_bytes)} are left for it"
    starts_with = fit().engines[demand.engine].starts_with
    if starts_with == "full_length" and tokens < demand.max_model_len:
        length = f"a request of max_model_len {demand.max_model_len:,}"
        return (
            f"the KV cache holds {tokens:,} tokens, and {demand.engine} does not start when {length} is too long for it"
        )
    step = min(demand.max_num_batched_tokens, demand.max_model_len)
    if starts_with == "prefill_step" and tokens < step:
        return f"the KV cache holds {tokens:,} tokens, not even one prefill step of {step:,}"
    return ""


def _why_not_spread(case: Case) -> str:
    """Why the model cannot be cut into as many parts as there are cards: every card gets whole attention heads."""
    shape, cards = case.weights.shape, case.demand.tensor_parallel_size
    heads, kv_heads = shape.num_attention_heads, shape.num_key_value_heads
    # Of fewer KV heads than cards each card can hold a copy.
    if heads % cards == 0 and (kv_heads % cards == 0 or cards % kv_heads == 0):
        return ""
    return f"{heads} attention heads and {kv_heads} KV heads cannot be shared out among {cards} cards"


def _shortages(case: Case, found: Ledger, kv_bytes: int, rest_bytes: int | None = None) -> Iterator[str]:
    """What will not work with so much of a KV cache, and so much that nothing uses: as expected where not given."""
    demand, tokens = case.demand, found.tokens(kv_bytes)
    if tokens < demand.max_model_len:
        yield f"no full-length request: the KV cache holds {tokens:,} of {demand.max_model_len:,} tokens"
    needed = picture_length(case)
    if needed > demand.max_model_len:
        yield f"no full-size picture: it takes {needed:,} tokens, max_model_len is {demand.max_model_len:,}"
    if (found.rest_bytes if rest_bytes is None else rest_bytes) < 0:
        room = gib(found.reserve_bytes)
        yield f"CUDA graphs may not find room: {room} lie outside of gpu_memory_utilization"


def picture_length(case: Case) -> int:
    """The tokens of a request with nothing but one full-size picture; 0 when no picture can be in a request."""
    if case.weights.shape.vision is None or not case.demand.images:
        return 0
    return most_picture_tokens(case.demand.limits) + AROUND_A_PICTURE


def _buys(case: Case, found: Ledger) -> Buys:
    demand, tokens = case.demand, found.kv_tokens
    longest = min(demand.max_model_len, tokens)
    free = max(0, longest - fit().answer_tokens)
    sees = case.weights.shape.vision is not None
    one_picture = picture_length(case)
    pictures = free // one_picture if one_picture > 0 else 0
    seconds = video_seconds(free, demand.limits) if sees and demand.videos else 0.0
    return Buys(
        kv_tokens=tokens,
        full_length_requests=round(tokens / demand.max_model_len, 2),
        typical_requests=min(demand.max_num_seqs, tokens // fit().typical_request.tokens),
        pictures_per_request=min(demand.images, pictures),
        video_seconds=None if seconds == float("inf") else seconds,
    )
