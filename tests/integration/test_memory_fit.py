"""memory-fit from the driver's answers to the exit code. All cards: tests/unit/test_memory_fit_table.py."""

import msgspec
import pytest

from ernie_deploy.checks import memory
from ernie_deploy.checks.base import Subject
from ernie_deploy.engines.registry import launch_of
from ernie_deploy.facts.values import Facts
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.spec.load import decode
from tests.support import hosts, nvml
from tests.support.deployments import Place

HERE = (
    (nvml.RTX_4090, "fail"),
    (nvml.V100_32GB, "fail"),
    (nvml.A100_40GB, "fail"),
    (nvml.L20, "warn"),
    (nvml.A6000, "pass"),
    (nvml.A100_80GB, "pass"),
    (nvml.H200, "pass"),
    (nvml.L20.with_(used_mib=20480, processes=((1, 20000),)), "fail"),
    (nvml.H20.with_(is_mig=True), "skip"),
)


@pytest.fixture
def crowded(place: Place) -> Place:
    """A host with all of these cards."""
    place.show(*(card for card, _ in HERE))
    return place


def test_each_card_that_the_driver_shows_is_judged_by_the_ledger(crowded: Place) -> None:
    ended = crowded.run("facts", "--model", str(crowded.model))
    facts = msgspec.json.decode(ended.out, type=Facts)
    for index, (card, expected) in enumerate(HERE):
        spec = decode({"gpus": [index], "model": str(crowded.model)}, "it")
        plan = resolve(completed([asked("flag", "{flag}", spec)]), facts, state_root=hosts.STATE_ROOT)
        result = memory.judge(Subject(plan, launch_of(plan), facts))
        assert result.status == expected, (card.name, result.message)


def test_two_cards_are_asked_for_by_number_and_one_check_is_run_alone(crowded: Place) -> None:
    cards = ("--tensor-parallel-size", "2", "--gpu", "0", "--gpu", "3", "--quant", "bf16")
    ended = crowded.run("check", "--only", "memory-fit", *cards, "--model", str(crowded.model))
    assert ended.code == 4, ended
    (line, hint) = ended.out.splitlines()[:2]
    assert line.startswith("fail   memory-fit: card 0 (NVIDIA GeForce RTX 4090, 24564 MiB, sold as 24 GB), card 3 ")
    assert "card 0 decides" in line
    assert "→ it fits on card 5 alone: `--gpu 5 --tensor-parallel-size 1`; it fits with `--quant wint4`" in hint
