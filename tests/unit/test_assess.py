"""From a plan and the facts of a host to a verdict: what a boot taught comes back, what cannot be is never certain."""

from typing import Any

import msgspec
import pytest

from ernie_deploy.architecture.shape import Part
from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.catalog.fit import GIB
from ernie_deploy.facts.values import Facts, PartSize
from ernie_deploy.plan.assess import Unknown, case_of
from ernie_deploy.plan.calibrate import MIB, Reported, teach
from ernie_deploy.plan.gate import Case, Judgement, judge
from ernie_deploy.plan.levers import levers
from ernie_deploy.plan.values import Plan
from tests.support import hosts, nvml
from tests.support.plans import MODEL_PATH, a_plan

THINKING = architectures()["baidu/ERNIE-4.5-VL-28B-A3B-Thinking"]
KV = 8 * GIB + 12_345
VLLM: dict[str, Any] = {"engine": "vllm", "engine_version": "0.32.0", "quantization": "fp8"}
MODEL = msgspec.structs.replace(hosts.a_model(), size_bytes=1, architecture=THINKING)


def facts(*used_mib: int, **changes: Any) -> Facts:
    cards = hosts.gpus(*(nvml.L20.with_(used_mib=used) for used in used_mib))
    return hosts.some_facts(gpu=cards, models=(MODEL,), **changes)


def case(plan: Plan, host: Facts) -> Case:
    found = case_of(plan, host)
    assert isinstance(found, Case), found
    return found


def why_unknown(host: Facts, plan: Plan | None = None) -> str:
    found = case_of(plan or a_plan(), host)
    assert isinstance(found, Unknown)
    return found.why


def again(taught_on: tuple[Plan, Facts], plan: Plan, host: Facts) -> Judgement:
    """The judgement on a plan after a boot of another one was ready and reported its cache."""
    learnt = teach(*taught_on, Reported(KV), at=1.0)
    assert learnt.calibration, learnt.why
    return judge(case(plan, msgspec.structs.replace(host, calibrations=(learnt.calibration,))))


# --- what a boot reported comes back to the byte


def test_the_same_boot_again_leaves_just_what_it_reported() -> None:
    found = again((a_plan(), facts(3)), a_plan(), facts(3))
    assert (found.ledger.kv_low, found.ledger.kv_bytes, found.ledger.kv_high) == (KV, KV, KV)


def test_with_another_share_the_cache_is_larger_by_the_difference() -> None:
    found = again((a_plan(), facts(3)), a_plan(gpu_memory_utilization=0.83), facts(3))
    assert found.ledger.kv_bytes == KV - int(46068 * MIB * 0.9) + int(46068 * MIB * 0.83)


@pytest.mark.parametrize(("before", "now"), [(3, 3 + 2048), (3 + 2048, 3), (2048, 2048)])
def test_what_others_use_counts_once_for_fastdeploy(before: int, now: int) -> None:
    found = again((a_plan(), facts(before)), a_plan(), facts(now))
    assert found.ledger.kv_bytes == KV + (before - now) * MIB


def test_what_others_use_does_not_count_for_vllm() -> None:
    found = again((a_plan(**VLLM), facts(3)), a_plan(**VLLM), facts(1024))
    assert found.ledger.kv_bytes == KV


def test_on_two_cards_the_fuller_one_comes_back() -> None:
    two = a_plan(gpus=(0, 1), tensor_parallel_size=2)
    assert again((two, facts(3, 4096)), two, facts(3, 4096)).ledger.kv_bytes == KV
    assert again((two, facts(3, 4096)), two, facts(4096, 3)).ledger.kv_bytes == KV


def test_a_boot_of_another_plan_is_not_used() -> None:
    other = a_plan(max_num_seqs=8)
    assert again((a_plan(), facts(3)), other, facts(3)) == judge(case(other, facts(3)))


def test_a_lever_is_never_judged_by_a_report_of_other_settings() -> None:
    plan = a_plan(max_model_len=131072)
    learnt = teach(plan, facts(0), Reported(GIB), at=1.0).calibration
    assert learnt
    known = case(plan, facts(0, calibrations=(learnt,)))
    assert known.known
    assert levers(known) == levers(known._replace(known=None))


# --- what cannot be said, or cannot be


def test_a_card_without_a_size_is_not_known() -> None:
    cards = hosts.gpus(nvml.L20)
    silent = msgspec.structs.replace(cards, gpus=(msgspec.structs.replace(cards.gpus[0], total_mib=0),))
    assert "does not tell how much memory card 0 has" in why_unknown(hosts.some_facts(gpu=silent, models=(MODEL,)))


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"text_experts": PartSize(60 * 10**9, 120 * 10**9)}, f"config.json in {MODEL_PATH} is of another model"),
        ({"text_experts": PartSize(10 * 10**9, 20 * 10**9)}, ""),
    ],
)
def test_headers_of_more_than_the_dimensions_call_for_are_those_of_another_model(
    parts: dict[Part, PartSize], told: str
) -> None:
    model = msgspec.structs.replace(MODEL, parts=parts)
    found = case_of(a_plan(), msgspec.structs.replace(facts(0), models=(model,)))
    assert told in found.why if isinstance(found, Unknown) else not told


def test_more_numbers_than_any_model_has_are_not_judged() -> None:
    absurd = msgspec.structs.replace(
        THINKING, hidden_size=1 << 24, moe_intermediate_size=(1 << 24, 1 << 24), moe_num_experts=(1 << 16, 1 << 16)
    )
    model = msgspec.structs.replace(MODEL, architecture=absurd)
    host = msgspec.structs.replace(facts(0), models=(model,))
    assert why_unknown(host) == f"no model has as many parameters as {MODEL_PATH} says it has"


@pytest.mark.parametrize("cards", [3, 5, 8])
def test_a_model_that_cannot_be_shared_out_among_the_cards_does_not_fit(cards: int) -> None:
    plan = a_plan(gpus=tuple(range(cards)), tensor_parallel_size=cards)
    found = judge(case(plan, facts(*[0] * cards)))
    assert (found.verdict, found.confidence) == ("does not fit", "certain")
    assert found.problems == (f"20 attention heads and 4 KV heads cannot be shared out among {cards} cards",)
    assert [one.flags for one in levers(case(plan, facts(*[0] * cards))) if one.flags] == ["--tensor-parallel-size 4"]


def test_graphs_that_may_not_find_room_are_never_certain() -> None:
    """0.9 GiB lie outside of the share: enough for what is expected of the graphs, not for their most."""
    plan = a_plan(quantization="wint4", gpu_memory_utilization=0.98)
    found = judge(case(plan, facts(0)))
    assert (found.verdict, found.confidence) == ("fits", "likely")
    narrower = judge(case(a_plan(quantization="wint4", gpu_memory_utilization=0.9), facts(0)))
    assert (narrower.verdict, narrower.confidence) == ("fits", "certain")


@pytest.mark.parametrize("engine", [{}, VLLM])
def test_a_given_number_of_blocks_is_the_cache(engine: dict[str, Any]) -> None:
    plan = a_plan(engine_args={"num_gpu_blocks_override": 100}, **engine)
    found = judge(case(plan, facts(0))).ledger
    assert (found.kv_tokens, found.kv_bytes) == (100 * found.block_size, 100 * found.block_size * 57_344)
    many = judge(case(a_plan(engine_args={"num-gpu-blocks-override": 10**9}, **engine), facts(0)))
    assert many.verdict == "does not fit"
    assert "is asked for" in many.problems[0]


LEFT_TO_IT = {"max_num_seqs": None, "max_num_batched_tokens": None}


@pytest.mark.parametrize(
    ("name", "mib", "sequences", "step"),
    [
        ("NVIDIA L20", 46068, 256, 2048),
        ("NVIDIA A100-SXM4-80GB", 81920, 256, 2048),
        ("NVIDIA H100 80GB HBM3", 81559, 1024, 8192),
        ("NVIDIA B200", 183359, 1024, 16384),
    ],
)
def test_vllm_takes_more_at_once_on_a_larger_card(name: str, mib: int, sequences: int, step: int) -> None:
    cards = hosts.gpus(nvml.L20.with_(name=name, total_mib=mib))
    host = hosts.some_facts(gpu=cards, models=(MODEL,))
    demand = case(a_plan(**VLLM, **LEFT_TO_IT), host).demand
    assert (demand.max_num_seqs, demand.max_num_batched_tokens) == (sequences, step)
    demand = case(a_plan(**LEFT_TO_IT), host).demand
    assert (demand.max_num_seqs, demand.max_num_batched_tokens) == (8, 8192)


def test_vllm_takes_less_at_once_on_a_cpu() -> None:
    demand = case(a_plan(**VLLM, **LEFT_TO_IT, device="cpu", gpus=()), facts(0)).demand
    assert (demand.max_num_seqs, demand.max_num_batched_tokens) == (128, 2048)


def test_no_more_sequences_are_taken_for_granted_than_tokens_in_a_step() -> None:
    demand = case(a_plan(**VLLM, **(LEFT_TO_IT | {"max_num_batched_tokens": 64})), facts(0)).demand
    assert (demand.max_num_seqs, demand.max_num_batched_tokens) == (64, 64)


def test_on_a_cpu_more_parts_are_no_more_memory() -> None:
    found = case(a_plan(**(VLLM | {"quantization": None}), device="cpu", gpus=()), facts(0))
    assert judge(found).verdict == "does not fit"
    assert "tensor_parallel_size" not in {one.key for one in levers(found)}
