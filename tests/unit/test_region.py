"""How many requests of each length a card holds: exact to the last one."""

from functools import cache
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.plan.demand import Demand
from ernie_deploy.plan.gate import Case, judge, starts
from ernie_deploy.plan.memory import Known, Room, ledger, weights_of
from ernie_deploy.plan.region import MOST_SEQUENCES, Point, Region, WhatIf, at, lengths, point, what_if

MODEL = weights_of(architectures()["baidu/ERNIE-4.5-VL-28B-A3B-Thinking"])
DOCUMENTED = Demand(
    engine="fastdeploy", quantization="wint8", max_model_len=131072, max_num_seqs=32, max_num_batched_tokens=16384
)
VLLM = msgspec.structs.replace(DOCUMENTED, engine="vllm", quantization="fp8_per_block", block_size=16)


def on(mib: int, *more_mib: int, demand: Demand = DOCUMENTED) -> Case:
    rooms = tuple(Room("a card", one << 20) for one in (mib, *more_mib))
    return Case(msgspec.structs.replace(demand, tensor_parallel_size=len(rooms)), MODEL, rooms)


def holds(case: Case, quantization: str, length: int, requests: int) -> tuple[bool, bool, bool]:
    """Whether so many find room when entries are at their most, as expected, at their least; without any search."""
    planned = at(case, quantization, length, requests)
    found = [ledger(planned.demand, planned.weights, room) for room in planned.rooms]
    sizes = (min(one.kv_low for one in found), min(one.kv_bytes for one in found), min(one.kv_high for one in found))
    least, expected, most = (found[0].tokens(size) >= length * requests for size in sizes)
    return least, expected, most


def is_border(case: Case, quantization: str, one: Point) -> bool:
    numbers = (one.least, one.expected, one.most)
    ceiling = min(MOST_SEQUENCES, case.demand.max_num_batched_tokens)
    for index, number in enumerate(numbers):
        whole = int(number)
        if whole and not holds(case, quantization, one.max_model_len, whole)[index]:
            return False
        if whole < ceiling and holds(case, quantization, one.max_model_len, whole + 1)[index]:
            return False
    return numbers == tuple(sorted(numbers))


@cache
def on_one_card_of(mib: int) -> WhatIf:
    return what_if(on(mib))


def region_of(found: WhatIf, quantization: str) -> Region:
    return next(one for one in found.regions if one.quantization == quantization)


@pytest.mark.parametrize("mib", [24564, 46068, 81559])
def test_as_many_as_are_told_find_room_and_one_more_does_not(mib: int) -> None:
    case = on(mib)
    for region in on_one_card_of(mib).regions:
        assert all(is_border(case, region.quantization, one) for one in region.points)


@settings(max_examples=40)
@given(
    mib=st.integers(1, 200_000),
    step=st.integers(1, 32768),
    length=st.integers(16, 131072),
    share=st.floats(0.05, 1.0),
    quantization=st.sampled_from(["wint4", "wint8", "bf16"]),
)
def test_the_border_is_exact_for_any_card_and_settings(
    mib: int, step: int, length: int, share: float, quantization: str
) -> None:
    demand = msgspec.structs.replace(DOCUMENTED, max_num_batched_tokens=step, gpu_memory_utilization=share)
    case = on(mib, demand=demand)
    assert is_border(case, quantization, point(case, quantization, length))


def test_what_lies_within_starts_when_planned_again() -> None:
    case = on(46068)
    for region in on_one_card_of(46068).regions:
        for one in region.points:
            if one.expected >= 1:
                assert starts(at(case, region.quantization, one.max_model_len, int(one.expected)))


def test_longer_requests_and_more_bits_never_allow_more() -> None:
    four, eight, sixteen = on_one_card_of(81559).regions
    for region in (four, eight, sixteen):
        numbers = [one.expected for one in region.points]
        assert numbers == sorted(numbers, reverse=True)
    for small, middle, large in zip(four.points, eight.points, sixteen.points, strict=True):
        assert small.expected > middle.expected > large.expected


def test_the_longest_single_request_is_exact() -> None:
    case = on(24564)
    longest = region_of(on_one_card_of(24564), "wint4").longest
    assert 16384 < longest < 65536
    assert holds(case, "wint4", longest, 1)[1]
    assert not holds(case, "wint4", longest + 1, 1)[1]


def test_where_nothing_fits_every_number_is_below_one() -> None:
    bf16 = region_of(on_one_card_of(46068), "bf16")
    assert bf16.longest == 0
    assert {one.most for one in bf16.points} == {0.0}


def test_a_fraction_says_how_much_of_a_single_request_finds_room() -> None:
    case = on(24564)
    one = point(case, "wint4", 131072)
    planned = at(case, "wint4", 131072, 1)
    assert one.expected == pytest.approx(judge(planned).ledger.kv_tokens / 131072, abs=64 / 131072)


def test_fewer_slots_buy_the_full_length_that_the_documented_settings_lack_on_48_gb() -> None:
    found = on_one_card_of(46068)
    assert (found.verdict, found.kv_tokens < 131072) == ("tight", True)
    assert found.one.expected >= 1


def test_the_smallest_of_several_cards_decides() -> None:
    mixed, small = what_if(on(24576, 46068)), what_if(on(24576, 24576))
    assert mixed.regions == small.regions
    assert mixed.sizes_bytes == (24576 << 20, 46068 << 20)


def test_where_others_hold_a_part_of_the_share_of_vllm_nothing_starts() -> None:
    room = Room("a card", 81559 << 20, 8 << 30)
    crowded = on(81559, demand=VLLM)._replace(rooms=(room,))
    found = what_if(crowded)
    assert found.verdict == "does not fit"
    assert {(one.longest, one.points[0].most) for one in found.regions} == {(0, 0.0)}
    beside = crowded._replace(rooms=(msgspec.structs.replace(room, others_bytes=7 << 30),))
    assert what_if(beside).regions == what_if(on(81559, demand=VLLM)).regions


def test_quantizations_that_take_the_same_are_one_region_named_after_the_planned_one() -> None:
    found = what_if(on(81559, demand=VLLM))
    assert [one.quantization for one in found.regions] == [
        "fp8_per_block",
        "int8_per_channel_weight_only",
        "bf16",
    ]
    assert len(found.regions[0].same) == 3


def test_the_report_of_a_boot_counts_for_its_own_settings_only() -> None:
    case = on(46068)
    reported = what_if(case._replace(known=Known(30 << 30, "a boot")))
    assert reported.regions == on_one_card_of(46068).regions
    assert reported.kv_tokens > on_one_card_of(46068).kv_tokens


def test_lengths_go_evenly_from_a_thousand_tokens_to_the_longest_past_the_planned_one() -> None:
    found = lengths(131072, 100_000)
    assert (found[0], found[-1], 100_000 in found) == (1024, 131072, True)
    assert list(found) == sorted(set(found))
    assert max(later / earlier for earlier, later in pairwise(found)) < 1.27
    assert lengths(100, 7) == tuple(sorted(set(lengths(100, 100)) | {7}))


def test_a_picture_survives_json() -> None:
    found = on_one_card_of(46068)
    assert msgspec.json.decode(msgspec.json.encode(found), type=WhatIf) == found
