"""What memory-fit says, and whether its hints hold."""

import re
import shlex
from typing import Any

import msgspec
import pytest

from ernie_deploy.catalog.fit import GIB, fit
from ernie_deploy.catalog.load import engines
from ernie_deploy.checks import memory
from ernie_deploy.checks.base import Result, Subject
from ernie_deploy.engines.registry import launch_of
from ernie_deploy.facts.calibrations import Calibration
from ernie_deploy.facts.values import Facts
from ernie_deploy.plan.calibrate import key_of
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.spec.load import STRUCTURED, decode, from_text
from ernie_deploy.spec.schema import KEYS, flag_of
from tests.support import hosts, nvml
from tests.support.nvml import Card

T4 = Card("Tesla T4", 15360, "7.5")
OTHERS = {"used_mib": 20480, "processes": ((4242, 20000),)}
SUGGESTED = re.compile(
    r"it (fits|starts) (?:on card \d alone: )?(?:with )?((?:`--[^`]+`(?: on \d such cards)?(?:, or )?)+)"
)


def facts_of(*here: Card, **more: Any) -> Facts:
    return hosts.some_facts(gpu=hosts.gpus(*here), models=(), **more)


def subject(facts: Facts, **spec: Any) -> Subject:
    """What `check` looks at when this is asked for by flags, and nothing else."""
    plan = resolve(completed([asked("flag", "{flag}", decode(spec, "it"))]), facts, state_root=hosts.STATE_ROOT)
    return Subject(plan, launch_of(plan), facts)


def judged(*here: Card, **spec: Any) -> Result:
    """The answer for the documented settings, but for these."""
    return memory.judge(subject(facts_of(*here), **spec))


def both(*here: Card) -> dict[str, Any]:
    return {"tensor_parallel_size": len(here), "gpus": list(range(len(here)))}


def test_every_quantization_that_an_engine_takes_is_in_the_ledger() -> None:
    taken = {name: set(engine.quantizations) for name, engine in engines().items()}
    assert taken == {name: set(engine.quantizations) for name, engine in fit().engines.items()}


def test_what_fits_is_said_with_what_is_left_and_what_that_buys() -> None:
    result = judged(nvml.H20)
    assert result == Result(
        "memory-fit",
        "pass",
        "card 0 (NVIDIA H20, 97871 MiB, sold as 96 GB): wint8 certainly fits: 50.7 GiB of KV cache hold 949,376 tokens,"
        " or 7.24 requests of full length",
    )


def test_what_may_turn_out_tight_is_said_in_half_a_sentence() -> None:
    result = judged(nvml.A6000)
    assert result.status == "pass"
    assert "wint8 most likely fits: 7.9 GiB" in result.message
    assert result.message.endswith("; if the peak is at its most, it would be tight")


def test_an_l20_starts_the_documented_service_and_is_told_what_will_not_work_there() -> None:
    result = judged(nvml.L20)
    assert result.status == "warn"
    assert "wint8 is most likely tight: no full-length request: the KV cache holds 96,832 of 131,072 tokens" in (
        result.message
    )
    assert result.hint == (
        "it fits with `--max-num-batched-tokens 3778`, or `--max-model-len 104704`, or `--max-num-seqs 4`,"
        " or `--quant wint4`, or `--tensor-parallel-size 2` on 2 such cards"
    )


def test_both_kinds_of_48_gb_cards_get_the_same_command() -> None:
    assert subject(facts_of(nvml.A6000)).launch == subject(facts_of(nvml.L20)).launch


def test_a_24_gb_card_is_refused_with_what_fits_and_what_starts_at_least() -> None:
    result = judged(nvml.RTX_4090, quantization="wint4")
    assert result.status == "fail"
    assert "wint4 most likely does not fit: 0.5 GiB are missing before there is any KV cache" in result.message
    assert "if the peak is at its least, it would start" in result.message
    assert result.hint == (
        "it fits with `--max-model-len 22592`, or `--tensor-parallel-size 2` on 2 such cards;"
        " it starts with `--max-num-batched-tokens 9316`, or `--max-model-len 43403`, or `--max-num-seqs 10`;"
        " `--ignore memory-fit` tries it as it is"
    )


@pytest.mark.parametrize(
    ("card", "quantization", "status"),
    [
        (nvml.V100_32GB, "wint4", "warn"),
        (nvml.V100_32GB, "wint8", "fail"),
        (nvml.A100_40GB, "wint8", "fail"),
        (nvml.A100_80GB, "bf16", "pass"),
        (nvml.H200, "bf16", "pass"),
    ],
)
def test_other_sizes_are_judged_by_the_same_ledger(card: Card, quantization: str, status: str) -> None:
    assert judged(card, quantization=quantization).status == status


@pytest.mark.parametrize(
    ("here", "spec", "expected"),
    [
        (
            (T4,),
            {},
            "it starts with `--tensor-parallel-size 4` on 4 such cards;"
            " it fits on a card of 48 GB such as RTX-A6000 (49140 MiB)",
        ),
        (
            (nvml.L20,),
            {"engine": "transformers"},
            "`--engine fastdeploy --quant wint4` fits here; it fits on a card of 80 GB such as H100 (81559 MiB)",
        ),
        (
            (nvml.A6000,),
            {"engine": "transformers"},
            "`--engine fastdeploy --quant wint8` fits here; it fits on a card of 80 GB such as H100 (81559 MiB)",
        ),
    ],
)
def test_when_no_setting_helps_another_engine_or_card_is_named(
    here: tuple[Card, ...], spec: dict[str, Any], expected: str
) -> None:
    assert judged(*here, **spec).hint == f"{expected}; `--ignore memory-fit` tries it as it is"


def test_where_fewer_bits_help_no_other_engine_is_named() -> None:
    hint = judged(nvml.L20, engine="vllm").hint
    assert re.match(r"it fits with `--quant (fp8|int8)\w*`, or `--tensor-parallel-size 2` on 2 such cards; ", hint)
    assert "--engine" not in hint


def test_more_cards_are_offered_as_flags_when_they_are_here() -> None:
    assert "`--tensor-parallel-size 2`" in judged(nvml.L20, nvml.L20).hint
    assert "on 2 such cards" not in judged(nvml.L20, nvml.L20).hint
    # Who chose a card must choose again.
    assert "`--tensor-parallel-size 2 --gpu 0 --gpu 1`" in judged(nvml.L20, nvml.L20, gpus=[1]).hint
    # The second card here is no such card.
    assert "`--tensor-parallel-size 2` on 2 such cards" in judged(nvml.L20, T4).hint


def test_another_card_of_the_host_that_would_do_is_named() -> None:
    assert "it fits on card 1 alone: `--gpu 1`" in judged(nvml.L20, nvml.H20, gpus=[0]).hint
    # Blackwell has the room and not the kernels.
    assert "alone" not in judged(nvml.L20, nvml.RTX_PRO_6000, gpus=[0]).hint


def test_the_model_is_spread_over_as_many_cards_as_asked_for() -> None:
    result = judged(nvml.A30, nvml.A30, quantization="wint4", tensor_parallel_size=2)
    assert result.status == "pass"
    assert "card 0 (NVIDIA A30" in result.message
    assert "card 1 (NVIDIA A30" in result.message
    assert "GiB of KV cache on each" in result.message
    assert judged(*[nvml.A30] * 4, quantization="bf16", tensor_parallel_size=4).status == "pass"
    assert judged(nvml.A30, nvml.A30, quantization="bf16", tensor_parallel_size=2).status == "fail"


def test_of_unequal_cards_the_one_with_the_least_room_decides() -> None:
    mixed = (nvml.A100_80GB, nvml.A30)
    result = judged(*mixed, quantization="bf16", **both(*mixed))
    assert result.status == "fail"
    assert "card 1 decides, where the least is left" in result.message
    assert result.hint.startswith("it fits on card 0 alone: `--gpu 0 --tensor-parallel-size 1`; ")
    # The same card with less of it free decides as well.
    shared = (nvml.L20.with_(**OTHERS), nvml.L20)
    assert "card 0 decides" in judged(*shared, **both(*shared)).message
    assert "decides" not in judged(nvml.L20, nvml.L20, tensor_parallel_size=2).message


def test_who_uses_the_card_is_named_and_counted() -> None:
    result = judged(nvml.L20.with_(**OTHERS))
    assert result.status == "fail"
    assert "20480 of 46068 MiB are in use on card 0, by pid 4242 (process-4242) 20000 MiB" in result.message
    assert result.hint.startswith("stop what else uses the card: then it starts; ")
    roomy = judged(nvml.H20.with_(**OTHERS))
    assert roomy.status == "pass"
    assert "by pid 4242" in roomy.message


def test_a_desktop_s_few_hundred_mebibytes_are_not_worth_a_word() -> None:
    assert "in use" not in judged(nvml.H20.with_(used_mib=400)).message


def test_vllm_wants_its_whole_share_free_and_is_given_a_smaller_one() -> None:
    result = judged(nvml.H20.with_(**OTHERS), engine="vllm", quantization="fp8")
    assert result.status == "fail"
    assert "others leave 75.6 GiB free, less than its share" in result.message
    assert "it fits with `--gpu-memory-utilization 0.79`" in result.hint


def test_memory_in_use_that_is_not_known_is_not_taken_for_zero() -> None:
    result = judged(nvml.H20.with_(used_mib=None))
    assert result.status == "pass"
    assert "wint8 most likely fits" in result.message
    assert result.message.endswith("the driver does not tell how much of card 0 is in use")


def test_no_card_one_of_two_and_a_split_one_are_for_other_checks() -> None:
    split = judged(nvml.H20.with_(is_mig=True))
    assert (split.status, split.message) == ("skip", "card 0 is split by MIG (see the check mig)")
    absent = judged(nvml.L20, tensor_parallel_size=2, gpus=[0, 5])
    assert (absent.status, absent.message) == ("skip", "the chosen cards were not seen (see the check gpu)")
    assert judged().status == "skip"


def test_dimensions_that_are_not_known_are_a_warning_and_no_guess() -> None:
    model = hosts.a_model(architecture=None, architecture_problem="config.json has no vision_config")
    facts = msgspec.structs.replace(facts_of(nvml.L20), models=(model,))
    result = memory.judge(subject(facts, model=model.path))
    assert result.status == "warn"
    assert result.message == f"the dimensions of {model.path} are not known: config.json has no vision_config"
    assert "watch the first start" in result.hint


def test_where_the_ledger_and_what_is_published_disagree_both_are_said() -> None:
    page = "FastDeploy's best-practice page for this model names"
    starts = judged(nvml.RTX_4090, quantization="wint4", max_model_len=32768)
    assert starts.status == "warn"
    assert f"; {page} 2 cards of 24 GB for wint4" in starts.message
    # An A10 is a 24 GB card as well, with 1.5 GiB less than the A30 of that page.
    a10 = nvml.A30.with_(name="NVIDIA A10", total_mib=23028)
    refused = judged(a10, a10, tensor_parallel_size=2)
    assert refused.status == "fail"
    assert f"; yet {page} 2 cards of 24 GB for wint8" in refused.message


@pytest.mark.parametrize("card", [nvml.A30, nvml.L20, nvml.A100_80GB, nvml.H20, nvml.H200, nvml.L20.with_(**OTHERS)])
def test_where_they_agree_nothing_is_said_of_what_is_published(card: Card) -> None:
    assert "names" not in judged(card).message
    # Nothing is published for 32 GB: what is said of 24 is no contradiction.
    assert "names" not in judged(nvml.V100_32GB, quantization="wint4").message


def test_what_an_earlier_boot_measured_stands_in_place_of_the_estimate() -> None:
    here = subject(facts_of(nvml.L20))
    key = key_of(here.plan, here.facts)
    assert key
    boot = Calibration(key, overhead_bytes=30 * GIB, kv_bytes=10 * GIB, utilization=0.9, measured_at=0.0)
    facts = msgspec.structs.replace(here.facts, calibrations=(boot,))
    result = memory.judge(Subject(here.plan, here.launch, facts))
    assert result.status == "pass"
    assert "wint8 certainly fits: 10.5 GiB of KV cache" in result.message
    assert "; measured: 1 earlier boot of this plan on this card" in result.message


@pytest.mark.parametrize(
    ("here", "spec"),
    [
        ((nvml.L20,), {}),
        ((nvml.RTX_4090,), {"quantization": "wint4"}),
        ((nvml.RTX_4090, nvml.RTX_4090), {"tensor_parallel_size": 2}),
        ((nvml.L20, nvml.L20), {"gpus": [1], "quantization": "bf16"}),
        ((nvml.A100_40GB,), {}),
        ((nvml.A100_80GB, nvml.A30), {"quantization": "bf16", "tensor_parallel_size": 2}),
        ((nvml.A30,), {"engine": "vllm", "quantization": "fp8", "max_model_len": 32768}),
        ((nvml.H20.with_(**OTHERS),), {"engine": "vllm"}),
        ((nvml.L20,), {"engine": "transformers"}),
        ((nvml.L20,), {"engine": "vllm"}),
    ],
)
def test_every_hint_holds_when_it_is_planned_again(here: tuple[Card, ...], spec: dict[str, Any]) -> None:
    facts = facts_of(*here)
    found = list(suggestions(memory.judge(subject(facts, **spec)).hint))
    assert found
    for promise, flags, count in found:
        host = facts_of(*here[:1] * count) if count else facts
        again = memory.judge(subject(host, **(spec | spec_of(flags))))
        assert again.status in (("pass",) if promise == "fits" else ("pass", "warn")), flags


def suggestions(hint: str) -> list[tuple[str, str, int]]:
    """What is promised, by which flags, and on how many cards that are not here."""
    found = [(promise, flags, 0) for flags, promise in re.findall(r"`(--engine [^`]+)` (fits|starts) here", hint)]
    for promise, listed in SUGGESTED.findall(hint):
        for flags, count in re.findall(r"`([^`]+)`(?: on (\d) such cards)?", listed):
            found.append((promise, flags, int(count or 0)))
    return found


def spec_of(flags: str) -> dict[str, Any]:
    """Flags as a shell would read them → keys."""
    keys = {flag_of(key): key for key in KEYS} | {"--gpu": "gpus"}
    words = shlex.split(flags)
    spec: dict[str, Any] = {}
    for flag, value in zip(words[::2], words[1::2], strict=True):
        key = keys[flag]
        if key == "gpus":
            spec.setdefault(key, []).append(int(value))
        elif key in STRUCTURED:
            spec[key] = from_text(key, value, flag)
        else:
            spec[key] = msgspec.json.decode(value) if re.fullmatch(r"[\d.]+", value) else value
    return spec
