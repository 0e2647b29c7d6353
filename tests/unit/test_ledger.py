"""The ledger: exact where it is derived from dimensions, in order where it is a span, and whole to the byte."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_deploy import rehearsal
from ernie_deploy.architecture.shape import kv_bytes_per_token, parameters, tensor_parallel_sizes
from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.catalog.fit import GIB
from ernie_deploy.plan.demand import Demand, demand_of
from ernie_deploy.plan.memory import Known, Ledger, Room, Weights, ledger, tightest, weights_of
from ernie_deploy.weights.snapshot import inspect
from tests.support.plans import a_plan

THINKING = architectures()["baidu/ERNIE-4.5-VL-28B-A3B-Thinking"]
LONGEST = 131072
OFFICIAL: dict[str, int | str] = {"image_max_pixels": 12845056}
DOCUMENTED = Demand("fastdeploy", "wint8", LONGEST, 32, 16384, images=10, limits=OFFICIAL)
L20 = Room("NVIDIA L20", 46068 << 20)


def line(found: Ledger, name: str) -> int:
    return next(one.bytes for one in found.lines if one.name == name)


def test_a_token_takes_57344_bytes_of_kv_cache() -> None:
    assert kv_bytes_per_token(THINKING) == 57_344
    assert kv_bytes_per_token(THINKING, tensor_parallel_size=2) == 28_672
    assert kv_bytes_per_token(THINKING, bytes_per_value=1) == 28_672


def test_more_cards_than_heads_hold_copies() -> None:
    assert kv_bytes_per_token(THINKING, tensor_parallel_size=4) == kv_bytes_per_token(THINKING, tensor_parallel_size=8)
    assert tensor_parallel_sizes(THINKING) == (1, 2, 4)


def test_the_model_has_29_399_294_336_parameters() -> None:
    assert sum(parameters(THINKING).values()) == 29_399_294_336


def test_the_rehearsal_checkpoint_has_just_the_parameters_that_its_dimensions_say() -> None:
    found = inspect(rehearsal.HUB)
    assert found.architecture
    assert {part: size.parameters for part, size in found.parts.items()} == parameters(found.architecture)


def test_the_entries_and_the_cache_are_the_share_to_the_byte() -> None:
    found = ledger(DOCUMENTED, weights_of(THINKING), L20)
    taken = sum(one.bytes for one in found.lines if one.role == "share")
    assert found.share_bytes == int((46068 << 20) * 0.9)
    assert taken + found.kv_bytes == found.share_bytes
    assert found.share_bytes + found.reserve_bytes == 46068 << 20
    assert found.kv_tokens % 64 == 0
    assert 0 <= found.kv_bytes - found.kv_tokens * 57_344 < 64 * 57_344


def test_the_page_about_memory_has_the_numbers_of_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "memory.md").read_text(encoding="utf-8")
    found = ledger(DOCUMENTED, weights_of(THINKING), L20)
    for one in found.lines:
        if not one.name.startswith("weights"):
            figures = [f"{size / GIB:.2f}" for size in (one.bytes, one.low, one.high)]
            row = " | ".join([f"| − {one.name}", *(figures if one.low < one.high else (figures[0], "", ""))])
            assert row.replace("|  |", "| |").rstrip() in page, row
    assert (
        f"| = KV cache | {' | '.join(f'{one / GIB:.2f}' for one in (found.kv_bytes, found.kv_low, found.kv_high))} |"
        in page
    )
    short = {"quantization": "wint4", "max_model_len": 32768, "images": 100, "videos": 100}
    for mib, changes in (
        (46068, {}),
        (81920, {}),
        (46068, {"max_num_batched_tokens": 384}),
        (40960, {}),
        (24564, short),
    ):
        demand = msgspec.structs.replace(DOCUMENTED, **changes)
        assert f"{ledger(demand, weights_of(THINKING), Room('a card', mib << 20)).kv_tokens:,}" in page


def test_sequence_slots_take_two_gib_with_the_documented_settings() -> None:
    slots = line(ledger(DOCUMENTED, weights_of(THINKING), L20), "sequence slots")
    rope, token_ids = 32 * 2 * LONGEST * 64 * 4, 3 * 32 * LONGEST * 8
    assert (slots, rope) == (rope + token_ids, 2 * GIB)
    text = architectures()["baidu/ERNIE-4.5-21B-A3B-Thinking"]
    assert line(ledger(DOCUMENTED, weights_of(text), L20), "sequence slots") == token_ids


def test_every_entry_lies_between_its_least_and_its_most() -> None:
    for quantization in ("bf16", "wint8", "wint4"):
        demand = msgspec.structs.replace(DOCUMENTED, quantization=quantization)
        found = ledger(demand, weights_of(THINKING), L20)
        assert [one.name for one in found.lines if not one.low <= one.bytes <= one.high] == []
        assert found.kv_low < found.kv_bytes < found.kv_high


def test_fewer_bits_make_the_weights_smaller_and_leave_what_is_not_touched() -> None:
    plain, small = (
        ledger(msgspec.structs.replace(DOCUMENTED, quantization=one), weights_of(THINKING), L20)
        for one in ("bf16", "wint4")
    )
    assert line(plain, "weights: vision tower") == line(small, "weights: vision tower") == 2 * 630_433_280
    assert line(plain, "weights: text experts") == 2 * 20_384_317_440
    scales = 27 * 64 * (2 * 1536 + 2560) * 4
    assert line(small, "weights: text experts") == 20_384_317_440 // 2 + scales


def test_bytes_that_were_read_from_headers_are_measured() -> None:
    counts = parameters(THINKING)
    stored = {part: 4 * count for part, count in counts.items()}
    found = ledger(DOCUMENTED, Weights(THINKING, counts, stored, source="headers in /srv"), L20)
    kinds = {one.name: one.kind for one in found.lines}
    assert line(found, "weights: vision tower") == 4 * 630_433_280
    assert (kinds["weights: vision tower"], kinds["weights: text experts"]) == ("measured", "derived")


def test_what_others_use_is_taken_from_fastdeploys_share_and_not_from_vllms() -> None:
    used = msgspec.structs.replace(L20, others_bytes=3 * GIB)
    for engine, quantization, taken in (("fastdeploy", "wint8", 3 * GIB), ("vllm", "fp8", 0)):
        demand = msgspec.structs.replace(DOCUMENTED, engine=engine, quantization=quantization)
        alone, beside = (ledger(demand, weights_of(THINKING), room) for room in (L20, used))
        assert alone.kv_bytes - beside.kv_bytes == taken
        assert alone.rest_bytes - beside.rest_bytes == 3 * GIB - taken


def test_unknown_is_an_entry_and_no_zero() -> None:
    found = ledger(DOCUMENTED, weights_of(THINKING), msgspec.structs.replace(L20, others_bytes=None))
    assert found.is_known_in_part
    assert [one.kind for one in found.lines if one.name == "other processes"] == ["unknown"]


@pytest.mark.parametrize("others", [0, 2 * GIB])
def test_a_calibrated_ledger_leaves_just_what_was_reported(others: int) -> None:
    room = msgspec.structs.replace(L20, others_bytes=others)
    known = Known(overhead_bytes=33 * GIB + 17, source="3 earlier boots")
    found = ledger(DOCUMENTED, weights_of(THINKING), room, known)
    assert found.kv_bytes == found.kv_low == found.kv_high == found.share_bytes - known.overhead_bytes - others
    correction = next(one for one in found.lines if one.name == "correction")
    assert (correction.kind, correction.source) == ("measured", "3 earlier boots")


def test_a_card_in_a_group_that_has_the_least_room_decides() -> None:
    rooms = (Room("large", 80 * GIB, index=0), Room("small", 40 * GIB, index=1), Room("used", 48 * GIB, 12 * GIB))
    assert tightest(ledger(DOCUMENTED, weights_of(THINKING), room) for room in rooms).room.name == "used"


def test_a_cache_of_a_given_size_is_just_that_when_there_is_room() -> None:
    demand = Demand("vllm", "bf16", 4096, 4, 8192, kv_cache_bytes=5 * GIB)
    assert ledger(demand, weights_of(THINKING), Room("H20", 80 * GIB)).kv_bytes == 5 * GIB
    assert ledger(demand, weights_of(THINKING), Room("L20", 48 * GIB)).kv_bytes < 0


def test_a_cache_of_a_given_size_does_not_heed_the_share() -> None:
    demand = Demand("vllm", "bf16", 4096, 4, 8192, gpu_memory_utilization=0.5, kv_cache_bytes=5 * GIB)
    assert ledger(demand, weights_of(THINKING), Room("H20", 80 * GIB)).kv_bytes == 5 * GIB


def test_what_vllm_said_about_given_spaces_on_a_cpu_is_what_the_ledger_says() -> None:
    """docs/reference/fit-accuracy.md has the runs."""
    shape = inspect(rehearsal.HUB).architecture
    assert shape
    said = {"16M": 21_760, "64M": 87_296, "256M": 349_440, "1G": 1_398_016}
    for space, reported in said.items():
        plan = a_plan(engine="vllm", device="cpu", quantization=None, engine_args={"kv_cache_memory_bytes": space})
        found = ledger(demand_of(plan, longest=8192), weights_of(shape), Room("memory of the host", 24 * GIB))
        assert found.kv_tokens == reported, space


def test_a_demand_is_read_out_of_engine_args() -> None:
    asked = {
        "kv-cache-dtype": "fp8",
        "kv_cache_memory_bytes": "64M",
        "block_size": 32,
        "enforce_eager": True,
    }
    demand = demand_of(a_plan(engine="vllm", quantization=None, engine_args=asked), longest=LONGEST)
    assert (demand.kv_bytes_per_value, demand.kv_cache_bytes, demand.block_size) == (1, 64 << 20, 32)
    assert not demand.has_graphs


def test_graphs_that_are_switched_off_take_nothing() -> None:
    off = a_plan(engine_args={"graph_optimization_config": {"use_cudagraph": False}})
    demand = demand_of(off, longest=LONGEST)
    assert not demand.has_graphs
    names = {one.name for one in ledger(demand, weights_of(THINKING), L20).lines}
    assert "CUDA graphs" not in names
    assert "CUDA graphs" in {one.name for one in ledger(DOCUMENTED, weights_of(THINKING), L20).lines}


def test_what_is_left_to_the_engine_is_its_default() -> None:
    plan = a_plan(
        quantization=None,
        max_model_len=None,
        max_num_seqs=None,
        max_num_batched_tokens=None,
        gpu_memory_utilization=None,
        limit_mm_per_prompt=None,
        mm_processor_kwargs=None,
        tensor_parallel_size=None,
    )
    assert demand_of(plan, longest=LONGEST) == Demand("fastdeploy", "bf16", 2048, 8, 8192)
    vllm = msgspec.structs.replace(plan, engine=msgspec.structs.replace(plan.engine, value="vllm"))
    assert demand_of(vllm, longest=LONGEST).max_model_len == LONGEST


SIZES = [("64M", 64 << 20), ("64m", 64_000_000), ("1.5G", 3 << 29), (4096, 4096), ("2g", 2 * 10**9), ("10", 10)]
ABSURD: list[object] = [
    None,
    "",
    "M",
    "-64M",
    "-1",
    -5,
    0,
    "nan",
    "infG",
    "9" * 400 + "G",
    "sixty",
    True,
    False,
    [],
    {},
    0.5,
    "0x10",
]


@pytest.mark.parametrize(("written", "size"), SIZES)
def test_a_size_is_read_as_the_engine_reads_it(written: object, size: int) -> None:
    plan = a_plan(engine="vllm", quantization=None, engine_args={"kv_cache_memory_bytes": written})
    assert demand_of(plan, longest=LONGEST).kv_cache_bytes == size


@pytest.mark.parametrize("written", ABSURD, ids=lambda written: json.dumps(written)[:12])
def test_an_absurd_size_is_no_size(written: object) -> None:
    asked = {"kv_cache_memory_bytes": written, "block_size": written, "kv_cache_dtype": written}
    asked |= {"graph_optimization_config": written, "enforce_eager": "yes"}
    demand = demand_of(a_plan(engine="vllm", quantization=None, engine_args=asked), longest=LONGEST)
    assert (demand.kv_cache_bytes, demand.kv_bytes_per_value, demand.has_graphs) == (None, 2, True)
    assert demand.block_size == 16


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(["kv_cache_memory_bytes", "block_size", "kv_cache_dtype"]), st.text() | st.integers()
    )
)
def test_no_engine_argument_makes_a_cache_of_less_than_nothing(asked: dict[str, object]) -> None:
    demand = demand_of(a_plan(engine="vllm", quantization=None, engine_args=asked), longest=LONGEST)
    assert demand.block_size > 0
    assert (demand.kv_cache_bytes or 1) > 0
    assert ledger(demand, weights_of(THINKING), L20).kv_tokens >= 0
