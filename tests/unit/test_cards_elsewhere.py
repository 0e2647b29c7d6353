"""`--gpu L20`: which words are indices and which are names, what a plan says of cards that are not here."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ernie_deploy.catalog.known_cards import known_cards
from ernie_deploy.cli.app import COMMANDS, app
from ernie_deploy.cli.elsewhere import THINKERS, elsewhere, split
from ernie_deploy.cli.options import Asked
from ernie_deploy.cli.stages import planned
from ernie_deploy.errors import DeployError, SpecError, UsageError
from ernie_deploy.facts.values import Gpu
from ernie_deploy.plan.layers import Layer, asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.plan.values import Plan
from ernie_deploy.spec.load import decode
from tests.support import hosts

WITH_THE_FLAG = {name for name, command in COMMANDS.items() if "gpus" in inspect.signature(command).parameters}
HERE = ("up", "restart", "rehearse", "facts")


@pytest.fixture(autouse=True)
def _nobody_elses_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ERNIE_DEPLOY_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ERNIE_DEPLOY_ENGINES", str(tmp_path / "engines"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("PATH", str(tmp_path))


def ran(command: str, *words: str) -> Result:
    return CliRunner().invoke(app, [command, *words])


def refused(command: str, *words: str) -> DeployError:
    problem = ran(command, *words).exception
    assert isinstance(problem, DeployError), problem
    return problem


def layers(file: dict[str, Any] | None = None, **flags: Any) -> tuple[Layer, ...]:
    said = (asked("flag", "{flag}", decode(flags, "it")), asked("file", "deploy.yaml: {key}", decode(file or {}, "it")))
    return completed(said)


def plan_of(*names: str, file: dict[str, Any] | None = None, **flags: Any) -> tuple[Plan, tuple[Gpu, ...]]:
    """The plan on a host with one A30, for cards by these names."""
    below = layers(file, **flags)
    cards = elsewhere(names, below)
    facts = hosts.some_facts(gpu=cards.gpu)
    return resolve((cards.layer, *below), facts, state_root=Path("/state")), facts.gpu.gpus


def test_whole_numbers_are_indices_and_all_else_is_a_name() -> None:
    assert split(["0", "3"], "up") == ([0, 3], ())
    assert split(["-1"], "plan") == ([-1], ())
    assert split(["999999"], "plan") == ([999999], ())
    assert split(["L20", "2xA30", "3 × RTX 4090"], "plan") == ([], ("L20", "2xA30", "3 × RTX 4090"))


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["L20", "0"], "--gpu: L20 is a card's name and 0 an index of this host", "give indices alone, or names alone"),
        (["0", "L20"], "--gpu: L20 is a card's name and 0 an index of this host", "give indices alone, or names alone"),
        (["4090"], "--gpu 4090: a number is an index on this host", "for the card: --gpu RTX-4090"),
        (["0,1"], "--gpu 0,1: one index each", "--gpu 0 --gpu 1"),
        (["1.5"], "--gpu 1.5: '1.5' is no card that is known by name", "`ernie-deploy plan --cards` lists them"),
        (["nan"], "--gpu nan: 'nan' is no card that is known by name", "`ernie-deploy plan --cards` lists them"),
        (["0xL20"], "--gpu: expected 1 to 64 cards, got 0", ""),
        (["65xL20"], "--gpu: expected 1 to 64 cards, got 65", ""),
        (["2x0"], "--gpu 2x0: '0' is no card that is known by name", "`ernie-deploy plan --cards` lists them"),
        (["2x2xL20"], "--gpu 2x2xL20: '2xL20' is no card that is known by name", "did you mean"),
        (["9" * 5000], f"--gpu {'9' * 60}: '{'9' * 60}' is no card", "`ernie-deploy plan --cards` lists them"),
        (["A100"], "--gpu A100: 'A100' can be several cards", "say which: A100-40G"),
    ],
)
def test_words_that_cannot_be_are_refused(words: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        split(words, "plan")
    assert caught.value.message.startswith(message)
    assert caught.value.hint.startswith(hint)


def test_a_negative_index_is_refused_as_ever() -> None:
    assert refused("plan", "--gpu", "-1").message == "--gpu[0]: expected an integer >= 0, got -1"


@pytest.mark.parametrize("command", HERE)
def test_what_needs_cards_that_are_here_refuses_a_name(command: str) -> None:
    problem = refused(command, "--gpu", "NVIDIA L20")
    assert isinstance(problem, UsageError)
    assert problem.message == (
        f"--gpu NVIDIA L20: that is a card's name, and `{command}` needs the index of a card that is here"
    )
    assert problem.hint == "`nvidia-smi -L` lists them; `ernie-deploy plan --gpu L20` answers for one that is not here"


def test_every_command_with_the_flag_either_thinks_or_refuses() -> None:
    assert {*THINKERS, *HERE} == WITH_THE_FLAG


def test_one_name_is_one_card_that_nobody_uses() -> None:
    plan, gpus = plan_of("l20")
    assert plan.gpus.value == (0,)
    assert plan.gpus.why == "asked for by --gpu, and not here: NVIDIA L20 with 46068 MiB"
    assert (plan.gpus.origin, plan.gpus.source) == ("--gpu", "flag")
    assert plan.tensor_parallel_size.value is None
    assert gpus == (Gpu(0, "NVIDIA L20", "", 46068, 0, "8.9", False),)


def test_two_cards_can_be_said_in_three_ways() -> None:
    for plan, gpus in (plan_of("2xL20"), plan_of("L20", "L20"), plan_of("L20", tensor_parallel_size=2)):
        assert (plan.gpus.value, plan.tensor_parallel_size.value) == ((0, 1), 2)
        assert [(gpu.index, gpu.name, gpu.total_mib) for gpu in gpus] == [(i, "NVIDIA L20", 46068) for i in (0, 1)]


def test_the_number_of_cards_may_come_from_the_file() -> None:
    plan, gpus = plan_of("A30", file={"tensor_parallel_size": 4, "gpus": [6, 7]})
    assert plan.gpus.value == (0, 1, 2, 3)
    assert plan.gpus.why.endswith("4 × NVIDIA A30 with 24576 MiB")
    assert plan.tensor_parallel_size.origin == "deploy.yaml: tensor_parallel_size"
    assert len(gpus) == 4


def test_cards_of_two_kinds_stand_side_by_side() -> None:
    plan, gpus = plan_of("L4", "2xL20")
    assert [gpu.total_mib for gpu in gpus] == [23034, 46068, 46068]
    assert plan.gpus.why.endswith("NVIDIA L4 with 23034 MiB, 2 × NVIDIA L20 with 46068 MiB")
    assert plan.tensor_parallel_size.value == 3


@pytest.mark.parametrize("names", [("2xL20",), ("1xL20",), ("L20", "L20")])
def test_a_number_that_is_said_twice_must_agree(names: tuple[str, ...]) -> None:
    with pytest.raises(SpecError, match=r"--gpu: \d card\(s\) for tensor_parallel_size 4"):
        plan_of(*names, tensor_parallel_size=4)


def test_an_engine_that_uses_one_card_is_not_given_two() -> None:
    with pytest.raises(SpecError, match=r"--gpu: 2 card\(s\) for tensor_parallel_size 1"):
        plan_of("2xL20", engine="transformers")


@pytest.mark.parametrize("parallel", [65, 10**15])
def test_an_absurd_number_of_cards_is_refused_before_any_is_made(parallel: int) -> None:
    with pytest.raises(UsageError, match=f"expected 1 to 64 cards, got {parallel}"):
        plan_of("L20", tensor_parallel_size=parallel)
    with pytest.raises(UsageError, match="expected 1 to 64 cards, got 65"):
        plan_of("64xL20", "L4")


def test_a_plan_for_a_cpu_has_no_card() -> None:
    with pytest.raises(UsageError) as caught:
        plan_of("L20", preset="rehearsal-vllm")
    assert caught.value.message == "--gpu L20: the plan is for a CPU (preset rehearsal-vllm)"


def test_facts_of_a_host_have_cards_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        planned(Asked(None, {}, cards=("L20",)), facts_file=tmp_path / "facts.json")
    assert caught.value.message == f"--gpu L20: --facts {tmp_path / 'facts.json'} has cards of its own"


@pytest.mark.parametrize("card", known_cards(), ids=lambda card: card.id)
def test_every_known_card_can_be_planned_for(card: Any) -> None:
    plan, gpus = plan_of(card.id)
    assert plan.gpus.value == (0,)
    assert (gpus[0].name, gpus[0].total_mib) == (card.name, card.total_mib)


def test_deploy_yaml_and_the_environment_know_indices_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("deploy.yaml").write_text("gpus: [L20]\n", encoding="utf-8")
    assert refused("plan").message == "deploy.yaml: gpus[0]: expected an integer, got 'L20'"
    monkeypatch.setenv("ERNIE_DEPLOY_GPUS", "L20")
    assert refused("plan").message.startswith("environment: ERNIE_DEPLOY_GPUS[0]: expected an integer")


def test_plan_answers_for_a_card_that_is_not_here() -> None:
    done = ran("plan", "--gpu", "L20", "--json")
    assert done.exit_code == 0, done.exception
    gpus = json.loads(done.stdout)["plan"]["gpus"]
    assert gpus["value"] == [0]
    assert gpus["why"] == "asked for by --gpu, and not here: NVIDIA L20 with 46068 MiB"
    assert "for cards that are not here: NVIDIA L20 with 46068 MiB; all else is this host's" in done.stderr


def test_check_judges_a_card_that_is_not_here() -> None:
    done = ran("check", "--gpu", "V100-32G", "--only", "gpu", "--only", "compute-capability", "--json")
    assert done.exit_code == 4
    results = {one["name"]: (one["status"], one["message"]) for one in json.loads(done.stdout)["results"]}
    assert results["gpu"] == ("pass", "card 0 (Tesla V100-SXM2-32GB, 32768 MiB, sold as 32 GB)")
    assert results["compute-capability"][0] == "fail"


def test_explain_and_config_answer_for_cards_that_are_not_here(tmp_path: Path) -> None:
    assert "CUDA_VISIBLE_DEVICES 0,1" in ran("explain", "--gpu", "2xH20", "CUDA_VISIBLE_DEVICES").stdout
    assert ran("config", "--gpu", "2xH20", "--out", str(tmp_path / "out")).exit_code == 0
    assert "CUDA_VISIBLE_DEVICES=0,1" in (tmp_path / "out" / "engine.env").read_text(encoding="utf-8")


def test_the_known_cards_are_listed_without_a_look_at_this_host() -> None:
    listed = json.loads(ran("plan", "--cards", "--json").stdout)
    assert [one["id"] for one in listed] == [card.id for card in known_cards()]
    assert next(one for one in listed if one["id"] == "L20")["total_mib"] == 46068
    table = ran("plan", "--cards").stdout
    assert [line.split()[0] for line in table.splitlines()[1:]] == [card.id for card in known_cards()]
