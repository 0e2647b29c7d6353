"""Every preset, in configs/ and in the catalog, is a whole and possible plan, on the cards that it is for."""

from pathlib import Path

import pytest

from ernie_deploy.catalog.load import presets
from ernie_deploy.checks import base, registry
from ernie_deploy.checks.base import Subject
from ernie_deploy.engines.registry import launch_of
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.plan.values import Plan
from ernie_deploy.spec.load import decode, from_file
from ernie_deploy.spec.schema import Spec
from tests.support import hosts, nvml

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(CONFIGS.glob("*.yaml"))
MADE_FOR = {
    "l20-48gb-wint8": (nvml.L20,),
    "a100-80gb-bf16": (nvml.A100_80GB,),
    "two-24gb-wint4": (nvml.A30, nvml.A30),
    "h20-vllm-80gb": (nvml.H20,),
    "transformers-80gb": (nvml.A100_80GB,),
    "airgapped": (nvml.L20,),
    "rehearsal": (),
}
# The documented settings: they start on 46,068 MiB, and no request of full length fits there.
TIGHT = ("l20-48gb-wint8", "airgapped")


def planned(spec: Spec, *cards: nvml.Card) -> tuple[Plan, Subject]:
    facts = hosts.some_facts(gpu=hosts.gpus(*cards))
    plan = resolve(completed([asked("file", "it: {key}", spec)]), facts, state_root=Path("/state"))
    return plan, Subject(plan, launch_of(plan), facts)


def test_every_file_has_a_host_here() -> None:
    assert [file.stem for file in FILES] == sorted(MADE_FOR)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_suits_the_cards_that_it_is_for(file: Path) -> None:
    _, subject = planned(from_file(file), *MADE_FOR[file.stem])
    about_cards = ("gpu", "memory-fit", "compute-capability", "model-path")
    results = base.run(registry.CHECKS, subject, only=about_cards)
    doubts = {result.name: result.status for result in results if result.status not in ("pass", "skip")}
    assert doubts == ({"memory-fit": "warn"} if file.stem in TIGHT else {})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_names_the_commands_that_use_it(file: Path) -> None:
    assert f"#     ernie-deploy up --file configs/{file.name}\n" in file.read_text(encoding="utf-8")


def test_the_48_gb_file_is_the_documented_service() -> None:
    written, _ = planned(from_file(CONFIGS / "l20-48gb-wint8.yaml"), nvml.L20)
    by_itself, _ = planned(Spec(), nvml.L20)
    assert launch_of(written) == launch_of(by_itself)


def test_the_bf16_file_passes_no_quantization() -> None:
    plan, subject = planned(from_file(CONFIGS / "a100-80gb-bf16.yaml"), nvml.A100_80GB)
    assert plan.quantization.value == "bf16"
    assert "--quantization" not in subject.launch.argv


def test_the_airgapped_file_binds_the_loopback_and_keeps_the_key_out_of_the_argv() -> None:
    plan, subject = planned(from_file(CONFIGS / "airgapped.yaml"), nvml.L20)
    assert [port.role for port in subject.launch.ports if port.host == "127.0.0.1"] == ["http"]
    assert "metrics" not in [port.role for port in subject.launch.ports]
    assert plan.model_path.value == plan.model.value
    assert subject.launch.secret_env == {"FD_API_KEY": "/etc/ernie-deploy/api-key"}


@pytest.mark.parametrize("name", presets())
def test_a_preset_of_the_catalog_plans(name: str) -> None:
    plan, subject = planned(decode({"preset": name}, "it"))
    assert plan.engine.source == "preset"
    assert subject.launch.argv
