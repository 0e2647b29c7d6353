"""The gate: verdicts that grow with the card, and levers whose every suggestion is true to the last token."""

import json
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.catalog.fit import GIB
from ernie_deploy.plan import gate
from ernie_deploy.plan.demand import Demand
from ernie_deploy.plan.gate import Case, changed, judge
from ernie_deploy.plan.levers import LEVERS, levers
from ernie_deploy.plan.memory import Known, Room, weights_of
from tests.support import fit_cases

THINKING = weights_of(architectures()["baidu/ERNIE-4.5-VL-28B-A3B-Thinking"])
TEXT = weights_of(architectures()["baidu/ERNIE-4.5-21B-A3B-Thinking"])
LONGEST = 131072
OFFICIAL: dict[str, int | str] = {"image_max_pixels": 12845056}
DOCUMENTED = Demand("fastdeploy", "wint8", LONGEST, 32, 16384, images=10, limits=OFFICIAL)
VLLM = Demand("vllm", "bf16", 32768, 4, 8192)
L20 = Room("NVIDIA L20", 46068 << 20)
H20 = Room("NVIDIA H20", 97871 << 20)


@settings(max_examples=1000)
@given(st.integers(0, 1 << 60), st.sampled_from(LEVERS))
def test_every_suggestion_fits_when_planned_again_and_nothing_nearer_does(seed: int, key: str) -> None:
    """Also: entries in order and whole, larger cards never worse. scripts/bench/fit_random.py does it 10,000 times."""
    pick = Random(seed).randint
    case = fit_cases.a_case(pick)
    _, wrong = fit_cases.violations(case, pick, keys=(key,))
    assert wrong == [], (case.demand, case.rooms)


def test_most_random_cases_are_near_a_border() -> None:
    """A generator of cases that all fit, or never could, would prove nothing."""
    found = [fit_cases.a_case(Random(seed).randint) for seed in range(300)]
    verdicts = [judge(case).verdict for case in found]
    suggestions = sum(fit_cases.violations(case, Random(1).randint)[0] for case in found[:60])
    assert min(verdicts.count(one) for one in gate.VERDICTS) >= 15
    assert suggestions >= 20


def nearest(case: Case) -> dict[str, int | str | None]:
    return {one.key: one.value for one in levers(case)}


def test_the_documented_settings_on_an_l20_are_tight_and_say_what_will_not_work() -> None:
    found = judge(Case(DOCUMENTED, THINKING, (L20,)))
    assert (found.verdict, found.confidence) == ("tight", "likely")
    assert found.problems == ("no full-length request: the KV cache holds 96,896 of 131,072 tokens",)


def test_each_lever_has_the_nearest_setting_that_fits() -> None:
    assert nearest(Case(DOCUMENTED, THINKING, (L20,))) == {
        "max_num_batched_tokens": 3798,
        "max_model_len": 104768,
        "max_num_seqs": 4,
        "image_max_pixels": None,
        "quantization": "wint4",
        "tensor_parallel_size": 2,
    }


def test_suggestions_are_flags_for_a_shell() -> None:
    case = Case(msgspec.structs.replace(VLLM, max_model_len=4096), THINKING, (H20,))
    flags = {one.key: one.flags for one in levers(case)}
    assert flags["max_model_len"] == "--max-model-len 6183"
    written = flags["image_max_pixels"].removeprefix("--mm-processor-kwargs '").removesuffix("'")
    assert json.loads(written) == {"image_max_pixels": 4090 * 784}


def test_a_picture_that_is_longer_than_a_request_is_mended_by_a_longer_one_or_a_smaller_picture() -> None:
    case = Case(msgspec.structs.replace(VLLM, max_model_len=4096), THINKING, (H20,))
    assert judge(case).problems == ("no full-size picture: it takes 6,183 tokens, max_model_len is 4,096",)
    found = nearest(case)
    assert (found["max_model_len"], found["image_max_pixels"]) == (6177 + 6, (4096 - 6) * 784)
    assert gate.fits(changed(case, "max_model_len", 6183))
    assert not gate.fits(changed(case, "max_model_len", 6182))


def test_a_step_that_is_longer_than_all_requests_together_is_cut_to_that() -> None:
    case = Case(msgspec.structs.replace(VLLM, max_model_len=64, max_num_seqs=2), TEXT, (Room("small", 40 * GIB),))
    assert not gate.is_allowed(case.demand)
    on_a_larger_one = changed(case, "max_num_batched_tokens", 128)._replace(rooms=(H20,))
    assert gate.fits(on_a_larger_one)
    assert nearest(case._replace(rooms=(H20,)))["max_num_batched_tokens"] == 128


def test_a_lever_on_which_nothing_fits_says_none() -> None:
    found = nearest(Case(DOCUMENTED, THINKING, (Room("a card", 8 * GIB),)))
    assert set(found.values()) == {None}


def test_what_starts_is_told_where_nothing_fits_or_further_away() -> None:
    demand = msgspec.structs.replace(DOCUMENTED, quantization="wint4", max_num_batched_tokens=32768)
    case = Case(demand, THINKING, (Room("NVIDIA RTX 4090", 24564 << 20),))
    assert judge(case).verdict == "does not fit"
    lever = next(one for one in levers(case) if one.key == "max_num_batched_tokens")
    assert isinstance(lever.starts_value, int)
    assert lever.value is None or lever.starts_value > int(lever.value)
    assert judge(changed(case, lever.key, lever.starts_value)).verdict == "tight"
    assert judge(changed(case, lever.key, lever.starts_value + 1)).verdict == "does not fit"
    assert lever.starts_flags == f"--max-num-batched-tokens {lever.starts_value}"


def test_transformers_has_no_lever_that_it_has_no_flag_for() -> None:
    case = Case(Demand("transformers", "bf16", LONGEST, 1, 16384, gpu_memory_utilization=1.0), THINKING, (L20,))
    assert not {"max_num_seqs", "tensor_parallel_size"} & set(nearest(case))


def test_a_card_of_which_not_everything_is_known_is_never_certain() -> None:
    roomy, unknown = Room("a", 141 * GIB, 0, 0), Room("b", 141 * GIB, None, 1)
    demand = msgspec.structs.replace(DOCUMENTED, tensor_parallel_size=2)
    assert judge(Case(demand, THINKING, (roomy, roomy))).confidence == "certain"
    for rooms in ((roomy, unknown), (unknown, roomy), (unknown, unknown)):
        found = judge(Case(demand, THINKING, rooms))
        assert (found.verdict, found.confidence) == ("fits", "likely")


def test_a_report_of_an_earlier_boot_makes_it_certain() -> None:
    case = Case(DOCUMENTED, THINKING, (L20,))
    assert judge(case).confidence == "likely"
    for overhead, verdict in ((30 * GIB, "fits"), (38 * GIB, "tight"), (41 * GIB, "does not fit")):
        found = judge(case._replace(known=Known(overhead, "a boot")))
        assert (found.verdict, found.confidence) == (verdict, "certain")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_crowded_card_of_a_group_keeps_vllm_from_starting(order: tuple[int, int]) -> None:
    rooms = (Room("free", 80 * GIB, 0, 0), Room("crowded", 96 * GIB, 60 * GIB, 1))
    demand = msgspec.structs.replace(VLLM, tensor_parallel_size=2)
    found = judge(Case(demand, THINKING, tuple(rooms[index] for index in order)))
    assert found.verdict == "does not fit"
    assert "others leave 36.0 GiB free" in found.problems[0]
    assert found.ledger.room.name == "crowded"


def test_a_given_cache_without_room_does_not_start() -> None:
    demand = msgspec.structs.replace(VLLM, kv_cache_bytes=60 * GIB)
    found = judge(Case(demand, THINKING, (H20,)))
    assert found.verdict == "does not fit"
    assert found.problems[0].startswith("a KV cache of 60.0 GiB is asked for, and ")


@pytest.mark.parametrize(("given", "verdict"), [(64 << 20, "fits"), (None, "does not fit")])
def test_on_a_cpu_vllm_wants_its_share_free_only_when_the_cache_follows_from_it(
    given: int | None, verdict: str
) -> None:
    """Else a rehearsal would be refused on every machine of which more than 8 % are in use."""
    tiny = weights_of(fit_cases.shapes()[-1])
    demand = Demand(
        "vllm", "bf16", 4096, 4, 8192, device="cpu", kv_cache_bytes=given, images=0, videos=0, block_size=128
    )
    found = judge(Case(demand, tiny, (Room("memory of the host", 24 * GIB, 12 * GIB),)))
    assert found.verdict == verdict


@pytest.mark.parametrize(
    "limits",
    [
        {"image_max_pixels": -4704},
        {"image_max_pixels": 0},
        {"image_max_pixels": 10**30},
        {"image_max_pixels": "many"},
        {"video_fps": 0},
        {"video_fps": -3, "video_max_frames": -1},
        {"video_max_pixels": -1, "video_target_frames": 0},
        {"video_max_frames": 10**20},
    ],
)
def test_absurd_limits_break_nothing(limits: dict[str, int | str]) -> None:
    case = Case(msgspec.structs.replace(DOCUMENTED, limits=limits), THINKING, (H20,))
    buys = judge(case).buys
    assert buys.kv_tokens >= 0
    assert buys.pictures_per_request >= 0
    assert (buys.video_seconds or 0) >= 0
    assert len(levers(case)) == len(LEVERS)
