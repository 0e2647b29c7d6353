"""The verdict on a ledger: does it fit, how sure is that, and which nearest setting on each lever would fit. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from ernie_deploy.architecture.shape import tensor_parallel_sizes
from ernie_deploy.architecture.tokens import (
    AROUND_A_PICTURE,
    PIXELS_PER_TOKEN,
    most_picture_tokens,
    video_seconds,
)
from ernie_deploy.catalog.fit import GIB, fit
from ernie_deploy.catalog.load import engines
from ernie_deploy.plan.demand import Demand
from ernie_deploy.plan.memory import Known, Ledger, Room, Weights, ledger
from ernie_deploy.spec.schema import flag_of

Verdict = Literal["fits", "tight", "does not fit"]
Confidence = Literal["certain", "likely"]
# The worst last.
VERDICTS: tuple[Verdict, ...] = ("fits", "tight", "does not fit")
LEVERS = (
    "max_num_batched_tokens",
    "max_model_len",
    "max_num_seqs",
    "image_max_pixels",
    "quantization",
    "tensor_parallel_size",
)
LEAST_LENGTH = 16
LEAST_PICTURE_TOKENS = 4


class Buys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the settings buy. `video_seconds` is None when a video of any length goes into a request."""

    kv_tokens: int
    full_length_requests: float
    typical_requests: int
    pictures_per_request: int
    video_seconds: float | None


class Lever(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The nearest setting of one key that fits, all others as they are; without a value none does.

    `starts_value` is a nearer one, or the only one, with which it starts at least; the verdict is then tight. The flags
    are for a shell.
    """

    key: str
    value: int | str | None
    flags: str
    starts_value: int | str | None = None
    starts_flags: str = ""


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
    ledgers = _ledgers(case)
    found = _decisive(case, ledgers)
    problems = _problems(case, found, found.kv_bytes)
    verdict = _verdict(case, found, found.kv_bytes)
    is_certain = set(_extremes(case, ledgers)) == {verdict} and not any(one.is_known_in_part for one in ledgers)
    return Judgement(verdict, "certain" if is_certain else "likely", problems, _buys(case, found), found)


def extremes(case: Case) -> tuple[Verdict, Verdict]:
    """The verdicts if everything takes the most, and the least, that is thinkable."""
    return _extremes(case, _ledgers(case))


def levers(case: Case, keys: Iterable[str] = LEVERS) -> tuple[Lever, ...]:
    """For each lever the engine has the nearest setting that fits; the search is exact to the last token."""
    known = engines()[case.demand.engine].settings
    # All parts of a model that is spread on one host share its memory: that makes no room.
    keys = [key for key in keys if not (key == "tensor_parallel_size" and case.demand.device == "cpu")]
    # A report of other settings says nothing about these.
    case = case._replace(known=None)
    return tuple(_lever(case, key) for key in keys if _setting(key) in known)


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


def _ledgers(case: Case) -> list[Ledger]:
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
    return max((_verdict(case, one, one.kv_bytes) for one in _ledgers(case)), key=VERDICTS.index)


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
    needed = _picture_length(case)
    if needed > demand.max_model_len:
        yield f"no full-size picture: it takes {needed:,} tokens, max_model_len is {demand.max_model_len:,}"
    if (found.rest_bytes if rest_bytes is None else rest_bytes) < 0:
        room = gib(found.reserve_bytes)
        yield f"CUDA graphs may not find room: {room} lie outside of gpu_memory_utilization"


def _picture_length(case: Case) -> int:
    """The tokens of a request with nothing but one full-size picture; 0 when no picture can be in a request."""
    if case.weights.shape.vision is None or not case.demand.images:
        return 0
    return most_picture_tokens(case.demand.limits) + AROUND_A_PICTURE


def _buys(case: Case, found: Ledger) -> Buys:
    demand, tokens = case.demand, found.kv_tokens
    longest = min(demand.max_model_len, tokens)
    free = max(0, longest - fit().answer_tokens)
    sees = case.weights.shape.vision is not None
    one_picture = _picture_length(case)
    pictures = free // one_picture if one_picture > 0 else 0
    seconds = video_seconds(free, demand.limits) if sees and demand.videos else 0.0
    return Buys(
        kv_tokens=tokens,
        full_length_requests=round(tokens / demand.max_model_len, 2),
        typical_requests=min(demand.max_num_seqs, tokens // fit().typical_request.tokens),
        pictures_per_request=min(demand.images, pictures),
        video_seconds=None if seconds == float("inf") else seconds,
    )


def _setting(key: str) -> str:
    return "mm_processor_kwargs" if key == "image_max_pixels" else key


def _lever(case: Case, key: str) -> Lever:
    value = _nearest(case, key, fits)
    started = None if starts(case) else _nearest(case, key, starts)
    started = None if started == value else started
    return Lever(key, value, _flags(case, key, value), started, _flags(case, key, started))


def _nearest(case: Case, key: str, is_good: Callable[[Case], bool]) -> int | str | None:
    if key == "quantization":
        choices: Iterable[int | str] = _smaller_weights(case)
    elif key == "tensor_parallel_size":
        choices = _card_counts(case)
    else:
        choices = _nearest_numbers(case, key, is_good)
    return next((one for one in choices if is_good(changed(case, key, one))), None)


def _card_counts(case: Case) -> list[int]:
    """More cards, the fewest first; fewer only where the present number is impossible."""
    possible, present = tensor_parallel_sizes(case.weights.shape), case.demand.tensor_parallel_size
    more = [one for one in possible if one > present]
    return more if present in possible else more + [one for one in reversed(possible) if one < present]


def _nearest_numbers(case: Case, key: str, is_good: Callable[[Case], bool]) -> Iterator[int]:
    """The largest smaller number that is not too much, then the smallest larger one that is not too little.

    What is good lies between two limits: below the lower one a number is too little for the others, above the upper
    one it takes too much.
    """
    unit, least, present, most = _scale(case, key)

    def is_too_little(number: int) -> bool:
        return _is_too_little(changed(case, key, number * unit), key, is_good)

    below = _largest(
        present - 1, least, lambda number: is_too_little(number) or is_good(changed(case, key, number * unit))
    )
    if below is not None:
        yield below * unit
    if is_too_little(present):
        above = _largest(most - 1, present, is_too_little)
        yield ((present if above is None else above) + 1) * unit


def _scale(case: Case, key: str) -> tuple[int, int, int, int]:
    """The unit of a lever, and in units its least number, the present one and the most that makes sense."""
    demand, shape = case.demand, case.weights.shape
    if key == "image_max_pixels":
        present = most_picture_tokens(demand.limits) if _picture_length(case) else 0
        return PIXELS_PER_TOKEN, LEAST_PICTURE_TOKENS, present, present
    if key == "max_model_len":
        return 1, LEAST_LENGTH, demand.max_model_len, max(shape.max_position_embeddings, demand.max_model_len)
    if key == "max_num_seqs":
        return 1, 1, demand.max_num_seqs, max(demand.max_num_batched_tokens, demand.max_num_seqs)
    most = demand.max_model_len * demand.max_num_seqs
    return 1, 1, demand.max_num_batched_tokens, max(most, demand.max_num_batched_tokens)


def _is_too_little(case: Case, key: str, is_good: Callable[[Case], bool]) -> bool:
    """Whether this number is too small beside the others; a larger one is then needed, whatever memory there is."""
    demand = case.demand
    slots, step = demand.max_model_len * demand.max_num_seqs, demand.max_num_batched_tokens
    if key == "max_model_len":
        holds_a_picture = is_good is starts or demand.max_model_len >= _picture_length(case)
        return step > slots or demand.max_model_len < LEAST_LENGTH or not holds_a_picture
    if key == "max_num_seqs":
        return step > slots
    if key == "max_num_batched_tokens":
        return step < demand.max_num_seqs or (demand.engine == "fastdeploy" and step < min(demand.block_size, slots))
    return False


def _largest(most: int, least: int, is_good: Callable[[int], bool]) -> int | None:
    """The largest number for which it holds, given that it holds for every smaller one too."""
    if most < least or not is_good(least):
        return None
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if is_good(middle) else (least, middle - 1)
    return least


def _smaller_weights(case: Case) -> Sequence[str]:
    """Quantizations with smaller weights than the present one, the largest first: bits alone do not tell, for not each
    of them touches the same parts."""
    taken = {
        name: sum(line.bytes for line in _ledgers(changed(case, "quantization", name))[0].lines if line.role == "share")
        for name in fit().engines[case.demand.engine].quantizations
    }
    return sorted(
        (name for name, size in taken.items() if size < taken[case.demand.quantization]), key=lambda name: -taken[name]
    )


def _flags(case: Case, key: str, value: int | str | None) -> str:
    if value is None:
        return ""
    if key == "image_max_pixels":
        limits = msgspec.json.encode({**case.demand.limits, key: value}).decode()
        return f"{flag_of('mm_processor_kwargs')} '{limits}'"
    return f"{flag_of(key)} {value}"
