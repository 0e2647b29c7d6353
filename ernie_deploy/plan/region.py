"""What if: how many requests of each length a card holds at once, for every quantization of the engine. Pure.

Each answer is a plan of its own, with just that length and that many sequence slots, for slots and scores grow with
both. So it may lie above what the settings at hand buy: these pay for slots that are not full.
"""

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from ernie_deploy.catalog.fit import fit
from ernie_deploy.plan.gate import LEAST_LENGTH, Case, Confidence, Verdict, judge
from ernie_deploy.plan.memory import Ledger, ledger, tightest

SHORTEST = 1024
STEPS_PER_DOUBLING = 3
MOST_SEQUENCES = 1024
Cache = Literal["kv_low", "kv_bytes", "kv_high"]
CACHES: tuple[Cache, ...] = ("kv_low", "kv_bytes", "kv_high")


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many requests of one length find room at once, if entries are at their most, as expected, at their least.

    The whole part is exact: so many do, one more does not (above MOST_SEQUENCES nobody looked). The fraction says how
    near one more is; below 1 it is the part of a single request that finds room.
    """

    max_model_len: int
    least: float
    expected: float
    most: float


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The border of what one quantization allows; `same` are others that take just as much.

    `longest` is the most tokens that a single request may have, 0 when none finds room.
    """

    quantization: str
    bits: int
    longest: int
    points: tuple[Point, ...]
    same: tuple[str, ...] = ()


class WhatIf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings at hand with their verdict, and what other lengths and numbers of requests would need.

    `one` is for a single request of the plan's full length, planned for just that. `kv_tokens` is what the settings at
    hand buy. `sizes_bytes` are those of all cards.
    """

    engine: str
    device: str
    card: str
    sizes_bytes: tuple[int, ...]
    quantization: str
    max_model_len: int
    max_num_seqs: int
    kv_tokens: int
    verdict: Verdict
    confidence: Confidence
    one: Point
    regions: tuple[Region, ...]


def what_if(case: Case) -> WhatIf:
    """The picture of this case. An earlier boot's own report counts for the settings at hand only."""
    demand, judgement = case.demand, judge(case)
    longest = max(case.weights.shape.max_position_embeddings, demand.max_model_len)
    found = lengths(longest, demand.max_model_len)
    return WhatIf(
        engine=demand.engine,
        device=demand.device,
        card=judgement.ledger.room.name,
        sizes_bytes=tuple(room.total_bytes for room in case.rooms),
        quantization=demand.quantization,
        max_model_len=demand.max_model_len,
        max_num_seqs=demand.max_num_seqs,
        kv_tokens=judgement.ledger.kv_tokens,
        verdict=judgement.verdict,
        confidence=judgement.confidence,
        one=point(case, demand.quantization, demand.max_model_len),
        regions=tuple(_region(case, bits, names, found) for bits, names in _kinds(case)),
    )


def lengths(longest: int, planned: int) -> tuple[int, ...]:
    """From 1,024 tokens to the longest in even steps of a logarithm, and the planned one among them."""
    first = max(LEAST_LENGTH, min(SHORTEST, longest // 64))
    steps = math.ceil(math.log2(longest / first) * STEPS_PER_DOUBLING)
    grid = {round(first * 2 ** (step / STEPS_PER_DOUBLING)) for step in range(steps)}
    return tuple(sorted({one for one in grid if one < longest} | {planned, longest}))


def point(case: Case, quantization: str, max_model_len: int) -> Point:
    """How many requests of this length find room at once; found by search, exact to the last one."""
    seen: dict[int, Ledger] = {}

    def planned(sequences: int) -> Ledger:
        if sequences not in seen:
            seen[sequences] = _decisive(at(case, quantization, max_model_len, sequences))
        return seen[sequences]

    # An engine takes no more slots than tokens in a step.
    ceiling = min(MOST_SEQUENCES, case.demand.max_num_batched_tokens)
    least, expected, most = (_requests(planned, cache, max_model_len, ceiling) for cache in CACHES)
    return Point(max_model_len, least, expected, most)


def at(case: Case, quantization: str, max_model_len: int, sequences: int) -> Case:
    """The case with just this length and this many slots; a step is never longer than all of them together."""
    demand = msgspec.structs.replace(
        case.demand,
        quantization=quantization,
        max_model_len=max_model_len,
        max_num_seqs=sequences,
        max_num_batched_tokens=min(case.demand.max_num_batched_tokens, max_model_len * sequences),
    )
    return Case(demand, case.weights, case.rooms)


def _kinds(case: Case) -> list[tuple[int, tuple[str, ...]]]:
    """Quantizations with the fewest bits first, those that take the same together; the plan's own leads its kind."""
    known = fit().engines[case.demand.engine].quantizations
    names = sorted(known, key=lambda name: (known[name].bits, name != case.demand.quantization))
    kinds: dict[bytes, list[str]] = {}
    for name in names:
        kinds.setdefault(msgspec.json.encode(known[name]), []).append(name)
    return [(known[group[0]].bits, tuple(group)) for group in kinds.values()]


def _region(case: Case, bits: int, names: tuple[str, ...], found: tuple[int, ...]) -> Region:
    points = tuple(point(case, names[0], length) for length in found)
    longest = _largest(lambda length: _holds(_decisive(at(case, names[0], length, 1)), "kv_bytes", length), found[-1])
    # Nothing shorter is ever planned.
    return Region(names[0], bits, longest if longest >= LEAST_LENGTH else 0, points, names[1:])


def _decisive(case: Case) -> Ledger:
    return tightest(ledger(case.demand, case.weights, room) for room in dict.fromkeys(case.rooms))


def _requests(planned: Callable[[int], Ledger], cache: Cache, length: int, ceiling: int) -> float:
    # More requests need more and leave less, so what holds for some holds for fewer.
    whole = _largest(lambda count: _holds(planned(count), cache, length * count), ceiling)
    if whole == ceiling:
        return float(ceiling)
    spare = _tokens(planned(whole or 1), cache) / length - (whole or 1)
    if whole == 0:
        fraction = spare + 1
    else:
        # Every slot costs the same, so that what is left falls along a line between these two.
        lacking = whole + 1 - _tokens(planned(whole + 1), cache) / length
        fraction = spare / (spare + lacking) if spare + lacking > 0 else 0.0
    # The cache is cut into blocks: nearly one more is not one more.
    return min(max(whole + fraction, float(whole)), math.nextafter(whole + 1, 0))


def _size(found: Ledger, cache: Cache) -> int:
    if found.is_crowded:
        return -1
    return {"kv_low": found.kv_low, "kv_bytes": found.kv_bytes, "kv_high": found.kv_high}[cache]


def _holds(found: Ledger, cache: Cache, tokens: int) -> bool:
    return found.tokens(_size(found, cache)) >= tokens


def _tokens(found: Ledger, cache: Cache) -> float:
    """As a real number, before it is cut into blocks; negative when memory is missing."""
    room = _size(found, cache) / found.kv_bytes_per_token
    return room if found.most_blocks is None else min(room, float(found.most_blocks * found.block_size))


def _largest(holds: Callable[[int], bool], ceiling: int) -> int:
    """The largest number for which it holds; 0 when for none. It asks for small ones first: these are likely."""
    good, bad = 0, 1
    while bad <= ceiling and holds(bad):
        good, bad = bad, 2 * bad
    bad = min(bad, ceiling + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good
