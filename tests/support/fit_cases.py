"""Any case that the gate may be asked about, and everything that must hold for its verdict and its levers.

`pick(low, high)` gives a whole number, both ends included: a hypothesis strategy and `random.Random.randint` alike.
"""

from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from ernie_deploy import rehearsal
from ernie_deploy.architecture.shape import Architecture, kv_bytes_per_token, tensor_parallel_sizes
from ernie_deploy.architecture.tokens import PIXELS_PER_TOKEN, most_picture_tokens
from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.catalog.fit import GIB, fit
from ernie_deploy.plan import gate
from ernie_deploy.plan.demand import Demand
from ernie_deploy.plan.gate import VERDICTS, Case, Verdict, changed, judge
from ernie_deploy.plan.levers import LEVERS, Lever, levers
from ernie_deploy.plan.memory import Ledger, Room, Weights, ledger, weights_of
from ernie_deploy.weights.snapshot import inspect

Pick = Callable[[int, int], int]
IsGood = Callable[[Case], bool]
MIB = 1 << 20
SAMPLES = 3
ENGINES = ("fastdeploy", "fastdeploy", "vllm", "transformers")
LIMITS: tuple[dict[str, int | str], ...] = ({}, {"image_max_pixels": 12845056}, {"video_max_frames": 30})


def a_case(pick: Pick) -> Case:
    """Any model, engine, settings and cards; most of the cards are about as large as they need to be."""
    shape = shapes()[pick(0, len(shapes()) - 1)]
    engine = ENGINES[pick(0, len(ENGINES) - 1)]
    sizes = tensor_parallel_sizes(shape) if engine != "transformers" else (1,)
    cards = sizes[pick(0, len(sizes) - 1)]
    demand = _demand(pick, engine, cards)
    weights = weights_of(shape)
    if not pick(0, 3):
        stored = {part: count * 2 * pick(1, 2) for part, count in weights.parameters.items()}
        weights = Weights(shape, weights.parameters, stored, source="headers")
    return Case(demand, weights, _rooms(pick, demand, weights))


@cache
def shapes() -> tuple[Architecture, ...]:
    """The catalog's models, each kind once, and the rehearsal model."""
    found = dict.fromkeys(msgspec.json.encode(shape) for shape in architectures().values())
    tiny = inspect(rehearsal.HUB).architecture
    assert tiny
    return (*(msgspec.json.decode(one, type=Architecture) for one in found), tiny)


def _demand(pick: Pick, engine: str, cards: int) -> Demand:
    quantizations = tuple(fit().engines[engine].quantizations)
    length, sequences = any_size(pick, 16, 131072), any_size(pick, 1, 256)
    limits = dict(LIMITS[pick(0, 2)])
    if not pick(0, 2):
        limits["image_max_pixels"] = any_size(pick, 1, 40_000_000)
    step = any_size(pick, 1, 131072)
    return Demand(
        engine=engine,
        quantization=quantizations[pick(0, len(quantizations) - 1)],
        max_model_len=length,
        max_num_seqs=sequences,
        # Mostly what the engine would take beside the others.
        max_num_batched_tokens=min(max(step, sequences), length * sequences) if pick(0, 7) else step,
        gpu_memory_utilization=pick(30, 99) / 100,
        tensor_parallel_size=cards,
        images=(0, 1, 10)[pick(0, 2)],
        videos=pick(0, 1),
        limits=limits,
        block_size=(16, 64, 128)[pick(0, 2)],
        kv_bytes_per_value=pick(1, 2),
        kv_cache_bytes=any_size(pick, 1, 64 * GIB) if engine == "vllm" and not pick(0, 4) else None,
        has_graphs=bool(pick(0, 3)),
        device="cuda" if engine == "fastdeploy" or pick(0, 3) else "cpu",
    )


def _rooms(pick: Pick, demand: Demand, weights: Weights) -> tuple[Room, ...]:
    taken = sum(line.bytes for line in ledger(demand, weights, Room("any", 0)).lines if line.role == "share")
    cache = kv_bytes_per_token(weights.shape, tensor_parallel_size=demand.tensor_parallel_size) * demand.max_model_len
    needed = int((taken + cache) / demand.gpu_memory_utilization)
    rooms = [_room(pick, needed, 0)]
    is_equal = pick(0, 2)
    for index in range(1, demand.tensor_parallel_size):
        rooms.append(rooms[0] if is_equal else _room(pick, needed, index))
    return tuple(rooms)


def _room(pick: Pick, needed: int, index: int) -> Room:
    near = min(max(needed * pick(900, 1080) // 1000, GIB), 400 * GIB)
    total = near if pick(0, 3) else any_size(pick, 1024, 400 * 1024) * MIB
    used = (None, 0, 0, 0, total // 1000 * pick(0, 50), total // 100 * pick(0, 100))[pick(0, 5)]
    return Room("a card", total, used, index)


def any_size(pick: Pick, low: int, high: int) -> int:
    """A number between these, small ones as likely as large ones."""
    bits = pick(low.bit_length(), high.bit_length())
    return min(max(pick(1 << (bits - 1), (1 << bits) - 1), low), high)


def violations(case: Case, pick: Pick, keys: tuple[str, ...] = LEVERS) -> tuple[int, list[str]]:
    """How many suggestions were checked, and in words all that does not hold; of the levers only `keys` are checked."""
    judgement = judge(case)
    wrong = [*_of_ledger(case, judgement.ledger), *_of_larger_cards(case, judgement.verdict, pick)]
    buys = judgement.buys
    counts = (buys.kv_tokens, buys.typical_requests, buys.pictures_per_request, buys.video_seconds or 0)
    if min(counts) < 0 or buys.full_length_requests < 0:
        wrong.append(f"less than nothing is bought: {buys}")
    if any(room.others_bytes is None for room in case.rooms) and judgement.confidence == "certain":
        wrong.append("certain although nobody knows what others use")
    checked = 0
    if judgement.verdict != "fits":
        for lever in levers(case, keys):
            checked += (lever.value is not None) + (lever.starts_value is not None)
            wrong += [f"{lever.key}: {one}" for one in _of_lever(case, lever, pick)]
    return checked, wrong


def _of_ledger(case: Case, found: Ledger) -> Iterator[str]:
    for line in found.lines:
        if not line.low <= line.bytes <= line.high:
            yield f"{line.name}: {line.low} {line.bytes} {line.high} are not in order"
    if not found.kv_low <= found.kv_bytes <= found.kv_high:
        yield "the least, expected and largest cache are not in order"
    if case.demand.kv_cache_bytes is None:
        taken = sum(line.bytes for line in found.lines if line.role == "share")
        if taken + found.kv_bytes != found.share_bytes:
            yield f"the entries do not add up: {taken} + {found.kv_bytes} of {found.share_bytes}"
    elif found.kv_bytes > case.demand.kv_cache_bytes:
        yield "the cache is larger than asked for"


def _of_larger_cards(case: Case, before: Verdict, pick: Pick) -> Iterator[str]:
    larger = tuple(
        msgspec.structs.replace(room, total_bytes=room.total_bytes * pick(100, 200) // 100 + pick(0, 9))
        for room in case.rooms
    )
    after = judge(case._replace(rooms=larger)).verdict
    if VERDICTS.index(after) > VERDICTS.index(before):
        yield f"{before} becomes {after} on larger cards {larger}"


def _of_lever(case: Case, lever: Lever, pick: Pick) -> Iterator[str]:
    yield from _of_value(case, lever.key, lever.value, gate.fits, pick)
    if not gate.starts(case):
        # The same number is not told twice.
        value = lever.value if lever.starts_value is None else lever.starts_value
        yield from _of_value(case, lever.key, value, gate.starts, pick)


def _of_value(case: Case, key: str, value: int | str | None, is_good: IsGood, pick: Pick) -> Iterator[str]:
    """It holds when planned again, and for nothing that asks for less of a change."""
    what = is_good.__name__
    if value is not None and not is_good(changed(case, key, value)):
        yield f"{value} {what} not"
    for one in _better(case, key, value, pick):
        if is_good(changed(case, key, one)):
            yield f"{one} {what} too, {value} was told"


def _better(case: Case, key: str, value: int | str | None, pick: Pick) -> Iterator[int | str]:
    """Settings that would have been told, were they good: larger ones; for a larger suggestion all that are nearer."""
    demand, shape = case.demand, case.weights.shape
    if key == "quantization":
        least = _weights_bytes(case, str(value)) if value is not None else 0
        names = fit().engines[demand.engine].quantizations
        yield from (one for one in names if _weights_bytes(case, one) > least)
    elif key == "tensor_parallel_size":
        most = int(value) if value is not None else shape.num_key_value_heads + 1
        yield from (one for one in tensor_parallel_sizes(shape) if demand.tensor_parallel_size < one < most)
    else:
        yield from _better_numbers(case, key, None if value is None else int(value), pick)


def _weights_bytes(case: Case, quantization: str) -> int:
    demand = msgspec.structs.replace(case.demand, quantization=quantization)
    lines = ledger(demand, case.weights, Room("any", 0)).lines
    return sum(line.bytes for line in lines if line.name.startswith("weights: "))


def _better_numbers(case: Case, key: str, value: int | None, pick: Pick) -> Iterator[int]:
    demand = case.demand
    unit, least = (PIXELS_PER_TOKEN, 4) if key == "image_max_pixels" else (1, 1)
    if unit == 1:
        present = int(getattr(demand, key))
    elif demand.images and case.weights.shape.vision:
        present = most_picture_tokens(demand.limits)
    else:
        return  # No picture ever comes, so their size is no lever.
    most = max(present, case.weights.shape.max_position_embeddings if key == "max_model_len" else 4 * present)
    low, high = least, most
    if value is not None and value < present * unit:
        low = value // unit + 1
        yield low * unit
    elif value is not None:
        high = value // unit - 1
        yield high * unit
    else:
        yield from (one * unit for one in (least, present - 1, present + 1) if least <= one <= most)
    if low <= high:
        yield from (pick(low, high) * unit for _ in range(SAMPLES))
