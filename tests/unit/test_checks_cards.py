import pytest

from ernie_deploy.catalog.cards import cards, sold_as_gb
from ernie_deploy.catalog.load import engines
from ernie_deploy.checks import capability, driver, gpu, mig
from ernie_deploy.checks.base import Result, Subject
from tests.support import hosts, nvml, plans
from tests.support.nvml import Card


def on(*here: Card, engine: str = "fastdeploy", version: str = "2.5.0") -> Subject:
    """A plan that takes all of these cards."""
    plan = plans.a_plan(
        engine=engine,
        engine_version=version,
        gpus=tuple(range(len(here))),
        tensor_parallel_size=len(here),
    )
    return hosts.a_subject(plan=plan, gpu=hosts.gpus(*here))


@pytest.mark.parametrize(
    ("card", "gb"),
    [
        (nvml.RTX_4090, 24),
        (nvml.A30, 24),
        (nvml.V100_32GB, 32),
        (nvml.A100_40GB, 40),
        (nvml.L20, 48),
        (nvml.A6000, 48),
        (nvml.A100_80GB, 80),
        (nvml.H20, 96),
        (nvml.RTX_PRO_6000, 96),
        (nvml.H200, 141),
    ],
)
def test_cards_are_judged_by_the_size_they_are_sold_with(card: Card, gb: int) -> None:
    assert sold_as_gb(card.total_mib or 0) == gb


def test_a_card_smaller_than_all_that_are_known_has_no_class() -> None:
    assert sold_as_gb(8000) == 0


def test_the_catalog_has_numbers_for_every_engine_and_device() -> None:
    assert set(cards().holds) == set(cards().compute_capability) == set(engines())
    assert set(cards().needs) == {"cuda", "cpu"}
    sizes = [size.gb for size in cards().sold_as]
    assert sizes == sorted(sizes)
    assert all({row.gb for row in published.rows} <= set(sizes) for published in cards().holds.values())


def test_no_card_fails_with_the_driver_s_reason_and_names_the_rehearsal() -> None:
    result = gpu.judge(hosts.a_subject(gpu=hosts.gpus(problem="the NVIDIA driver is not loaded")))
    assert (result.status, result.message) == (
        "fail",
        "no NVIDIA card is usable here: the NVIDIA driver is not loaded",
    )
    assert "ernie-deploy rehearse" in result.hint


def test_a_chosen_card_that_is_not_here_is_named_with_those_that_are() -> None:
    result = gpu.judge(hosts.a_subject(plan=plans.a_plan(gpus=(3,)), gpu=hosts.gpus(nvml.L20, nvml.L20)))
    assert (result.status, result.message) == ("fail", "card 3 not here; this host has cards 0, 1")
    assert result.hint == "choose one that is here: --gpu 0"


def test_trouble_on_another_card_is_a_warning() -> None:
    result = gpu.judge(hosts.a_subject(gpu=hosts.gpus(nvml.L20, problem="card 1: the card has fallen off the bus")))
    assert result.status == "warn"
    assert "fallen off the bus" in result.message


@pytest.mark.parametrize("card", [nvml.A30, nvml.A6000, nvml.L20, nvml.H20])
def test_fastdeploy_runs_on_ampere_ada_and_hopper(card: Card) -> None:
    assert capability.judge(on(card)).status == "pass"


@pytest.mark.parametrize(("card", "has"), [(nvml.V100_32GB, "7.0"), (nvml.RTX_PRO_6000, "12.0")])
def test_fastdeploy_has_no_kernels_for_other_cards(card: Card, has: str) -> None:
    result = capability.judge(on(card))
    assert result.status == "fail"
    assert f"has {has}; fastdeploy runs on 8.0 or 8.6 or 8.9 or 9.0" in result.message


def test_vllm_runs_on_anything_that_has_bfloat16() -> None:
    assert capability.judge(on(nvml.RTX_PRO_6000, engine="vllm", version="0.32.0")).status == "pass"
    assert capability.judge(on(nvml.V100_32GB, engine="vllm", version="0.32.0")).status == "fail"


def test_an_older_fastdeploy_needs_the_wheel_of_the_card_s_architecture() -> None:
    result = capability.judge(on(nvml.L20, version="2.4.0"))
    assert result.status == "warn"
    assert "fastdeploy-gpu-86_89" in result.message
    assert "fastdeploy-gpu-80_90" in capability.judge(on(nvml.H20, version="2.3.0")).message
    assert capability.judge(on(nvml.L20, nvml.H20, version="2.3.0")).status == "fail"


def test_a_nightly_build_counts_as_its_release() -> None:
    assert capability.judge(on(nvml.L20, version="2.5.0.dev20251201")).status == "pass"
    assert capability.judge(on(nvml.L20, version="unreadable")).status == "pass"


@pytest.mark.parametrize("engine", ["fastdeploy", "vllm"])
@pytest.mark.parametrize("told", [None, "", "x", "[N/A]"])
def test_a_card_that_does_not_tell_its_capability_is_a_warning(engine: str, told: str | None) -> None:
    assert capability.judge(on(nvml.L20.with_(compute_capability=told), engine=engine)).status == "warn"


def test_a_card_split_by_mig_fails() -> None:
    result = mig.judge(on(nvml.H20.with_(is_mig=True)))
    assert result.status == "fail"
    assert "nvidia-smi -i 0 -mig 0" in result.hint
    assert mig.judge(on(nvml.H20)).status == "pass"
    assert mig.judge(on(nvml.L20.with_(is_mig=None))).status == "pass"


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("525.147.05", "fail"),
        ("535.183.01", "warn"),
        ("550.54.15", "pass"),
        ("580.1", "pass"),
        (None, "warn"),
        ("?", "warn"),
    ],
)
def test_the_driver_has_a_floor_and_a_doubtful_range(version: str | None, status: str) -> None:
    result: Result = driver.judge(hosts.a_subject(gpu=hosts.gpus(nvml.L20, driver=version)))
    assert result.status == status
