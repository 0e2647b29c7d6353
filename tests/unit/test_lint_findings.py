"""Whole files, as people write them: what lint finds in each, and where."""

from pathlib import Path

import pytest

from ernie_deploy.catalog.load import presets
from ernie_deploy.engines.acknowledge import shown_command
from ernie_deploy.engines.registry import ENGINES, launch_of
from ernie_deploy.engines.start_script import pasteable
from ernie_deploy.lint.judge import findings
from ernie_deploy.lint.reading import read
from ernie_deploy.lint.values import Finding
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.plan.values import Plan
from ernie_deploy.spec.load import decode, from_file
from ernie_deploy.spec.schema import Spec
from tests.support import hosts, nvml

ROOT = Path(__file__).parents[2]
CAPTURED = ROOT / "tests" / "captured" / "lint"
FILES = sorted(path for path in CAPTURED.iterdir() if path.is_file() and path.suffix not in (".md", ".findings"))
CORRECT = sorted((CAPTURED / "correct").iterdir())
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def found_in(path: Path) -> tuple[Finding, ...]:
    return findings(read(path.name, path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_finding_of_a_captured_launch_stands_where_its_list_says(path: Path) -> None:
    listed = path.with_name(path.name + ".findings").read_text(encoding="utf-8").splitlines()
    assert [f"{one.line}:{one.column} {one.severity} {one.rule}" for one in found_in(path)] == listed


@pytest.mark.parametrize("path", CORRECT, ids=lambda path: path.name)
def test_nothing_is_found_in_a_correct_launch(path: Path) -> None:
    reading = read(path.name, path.read_text(encoding="utf-8"))
    assert reading.launches or reading.installs or path.name == "curl.sh"
    assert findings(reading) == ()


def test_the_upstream_command_loses_three_flags_and_lint_names_them() -> None:
    (lost,) = [one for one in found_in(CAPTURED / "upstream-best-practice.sh") if one.rule == "FD001"]
    assert (lost.line, lost.column, lost.end_line, lost.end_column) == (12, 27, 12, 60)
    for flag in ("--gpu-memory-utilization", "--max-num-batched-tokens", "--quantization"):
        assert flag in lost.message
    assert "quantization bf16" in lost.consequence
    assert "max_num_batched_tokens 8192" in lost.consequence


def plans(spec: Spec) -> tuple[Plan, Plan]:
    """The plan of a spec, and of the same with the weights on disk and, where the engine has keys, a key."""
    facts = hosts.some_facts(gpu=hosts.gpus(nvml.L20))
    plain = resolve(completed([asked("file", "it", spec)]), facts, state_root=Path("/state"))
    key = {"api_key_file": "/etc/ernie/key"} if plain.engine.value != "transformers" else {}
    more = asked("flag", "it", decode({"model": "/srv/models/ernie", **key}, "more"))
    return plain, resolve(completed([more, asked("file", "it", spec)]), facts, state_root=Path("/state"))


def written(spec: Spec) -> list[tuple[str, str]]:
    """Every file that `config` writes, and the command that `plan` prints."""
    files = []
    for plan in plans(spec):
        files += [(one.name, one.content) for one in ENGINES[plan.engine.value].config_files(plan)]
        files.append(("command.sh", shown_command(plan, pasteable(launch_of(plan)))))
    return files


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_nothing_is_found_in_what_we_write_for_a_config(config: Path) -> None:
    for name, content in written(from_file(config)):
        assert findings(read(name, content)) == (), name


@pytest.mark.parametrize("preset", presets())
def test_nothing_is_found_in_what_we_write_for_a_preset(preset: str) -> None:
    for name, content in written(decode({"preset": preset}, "it")):
        assert findings(read(name, content)) == (), name


@pytest.mark.parametrize("version", ["2.3.0", "2.3.4", "2.4.0", "2.5.0"])
def test_nothing_is_found_in_what_we_write_for_any_version(version: str) -> None:
    spec = decode({"engine_version": version, "model": "/srv/models/ernie"}, "it")
    for name, content in written(spec):
        reading = read(name, content, versions={"fastdeploy": version})
        assert findings(reading) == (), name
