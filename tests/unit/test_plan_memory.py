"""`plan` and memory, as the command line prints it: verdict, ledger, picture, proposal."""

import json
import shlex
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from ernie_deploy.cli.app import app
from ernie_deploy.errors import DeployError, PreflightError, UsageError
from tests.support import hosts


@pytest.fixture(autouse=True)
def _nobody_elses_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ERNIE_DEPLOY_STATE", "ERNIE_DEPLOY_ENGINES", "HF_HUB_CACHE", "PATH"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))


def plan(*words: str) -> Result:
    found = CliRunner().invoke(app, ["plan", *words])
    assert found.exit_code == 0, (found.output, found.exception)
    return found


def refused(*words: str) -> DeployError:
    problem = CliRunner().invoke(app, ["plan", *words]).exception
    assert isinstance(problem, DeployError), problem
    return problem


def test_the_verdict_names_what_will_not_work_and_what_would_fit() -> None:
    text = plan("--gpu", "L20").stdout
    assert "memory: tight (likely) on 1 × NVIDIA L20 (46,068 MiB)" in text
    assert "no full-length request: the KV cache holds 96,896 of 131,072 tokens" in text
    assert "would fit: --max-num-batched-tokens 3798 | --max-model-len 104768 | --max-num-seqs 4" in text


def test_the_ledger_has_every_entry_with_how_it_is_known() -> None:
    lines = plan("--gpu", "L20", "--ledger").stdout.splitlines()
    kinds = {line.split("  ")[0]: line for line in lines if line.startswith(("−", "="))}
    assert "assumed" in kinds["− engine context"]
    assert "derived" in kinds["− sequence slots"]
    assert "5.2 GiB" in kinds["= KV cache"]


def test_programs_get_the_same() -> None:
    memory = json.loads(plan("--gpu", "L20", "--json").stdout)["memory"]
    assert (memory["verdict"], memory["confidence"], memory["kv_tokens"]) == ("tight", "likely", 96_896)
    assert {lever["key"]: lever["value"] for lever in memory["levers"]}["max_num_seqs"] == 4


def test_without_a_card_nothing_is_claimed() -> None:
    assert "memory: nothing can be said: the chosen cards were not seen" in plan().stdout
    assert "--gpu L20 --fit" in refused("--fit").hint
    assert "--gpu L20 --chart" in refused("--chart", "fit.svg").hint


@pytest.mark.parametrize("words", [(), ("--fit",)], ids=["the plan", "a proposal"])
def test_what_would_fit_is_drawn(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert "drew fit.svg" in plan("--gpu", "L20", "--chart", "fit.svg", *words).stderr
    drawn = (tmp_path / "fit.svg").read_text()
    assert ("20 sequence slots" in drawn) == bool(words)
    assert ("32 sequence slots" in drawn) != bool(words)


def test_a_proposal_keeps_what_was_asked_for_and_can_be_pasted() -> None:
    asked = ("--gpu", "L40S", "--engine", "vllm", "--port", "9000", "--quant", "fp8")
    last = plan(*asked, "--fit", "--for", "documents").stdout.splitlines()[-1]
    words = shlex.split(last)
    assert words[:2] == ["ernie-deploy", "up"]
    pasted = json.loads(plan("--gpu", "L40S", "--json", *words[2:]).stdout)
    values = {key: pasted["plan"][key]["value"] for key in ("engine", "port", "quantization")}
    assert values == {"engine": "vllm", "port": 9000, "quantization": "fp8"}
    assert pasted["memory"]["verdict"] == "fits"
    assert words.count("--quant") == 1


def test_a_proposal_shows_its_own_ledger_and_is_there_for_programs() -> None:
    assert "= KV cache" in plan("--gpu", "L20", "--fit", "--ledger").stdout
    found = json.loads(plan("--gpu", "L20", "--fit", "--for", "zoom", "--json").stdout)
    assert found["goal"] == "zoom"
    assert found["proposal"]["judgement"]["verdict"] == "fits"


def test_where_no_goal_can_be_met_it_says_why_and_what_would_help() -> None:
    problem = refused("--gpu", "T4", "--for", "zoom")
    assert isinstance(problem, PreflightError)
    assert "no settings for zoom on Tesla T4" in problem.message
    assert "use a larger card" in problem.hint
    assert isinstance(refused("--gpu", "L20", "--for", "zom"), UsageError)


def test_a_host_is_not_told_to_be_two(tmp_path: Path) -> None:
    facts = hosts.some_facts()
    host = msgspec.structs.replace(facts.host, ram_total_bytes=16 << 30, ram_available_bytes=15 << 30)
    (tmp_path / "facts.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(facts, host=host)))
    problem = refused("--fit", "--device", "cpu", "--engine", "vllm", "--facts", "facts.json")
    assert "no settings for chat on memory of the host" in problem.message
    assert "such cards" not in problem.hint
