"""The pipelines that users copy: their schemas take them, and each command in them is one of ours."""

import re
import shlex
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
import yaml

from ernie_deploy.cli.app import COMMANDS, built

FILES = Path(__file__).parents[2] / "docs/how-to/ci"
SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def commands(path: Path) -> list[list[str]]:
    lines = [text.strip() for text in strings(yaml.safe_load(path.read_text()))]
    return [shlex.split(line) for line in lines if line.startswith("ernie-deploy ")]


def test_every_pipeline_has_a_schema() -> None:
    assert {path.name for path in FILES.iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_of_the_ci_takes_the_pipeline_and_would_not_take_another(name: str, tmp_path: Path) -> None:
    check = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name])
    good = run((*check, FILES / name), capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stdout + good.stderr
    broken = tmp_path / name
    broken.write_text(re.sub(r"^( +)(runs-on|script):", r"\1rnus-on:", (FILES / name).read_text(), flags=re.MULTILINE))
    assert run((*check, broken), capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_flag_in_a_pipeline_is_one_that_the_command_has(name: str) -> None:
    found = commands(FILES / name)
    assert found
    for _, command, *words in found:
        assert command in COMMANDS
        known = {option for parameter in built(command).params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_nothing_of_an_earlier_job_is_in_the_way_on_a_runner_that_keeps_its_folder() -> None:
    """`--record` takes a new folder only, and a report of yesterday must not be shown as that of today."""
    (job,) = yaml.safe_load((FILES / "github-actions.yml").read_text())["jobs"].values()
    temporary = "${{ runner.temp }}"
    writing = [step for step in job["steps"] if "smoke.md" in step.get("run", "")]
    assert [step["name"] for step in writing] == ["Smoke", "Summary"]
    assert all(step["working-directory"] == temporary for step in writing)
    (kept,) = (step["with"]["path"].split("\n") for step in job["steps"] if "upload-artifact" in step.get("uses", ""))
    assert all(path.startswith(f"{temporary}/") for path in kept if path)


@pytest.mark.parametrize("code", [0, 7])
def test_the_exit_code_of_the_probes_is_that_of_the_step(code: int, tmp_path: Path) -> None:
    """As GitHub runs a step, and as GitLab runs a script: in a shell that ends at the first failure."""
    fake = tmp_path / "ernie-deploy"
    fake.write_text(f"#!/bin/sh\nexit {code}\n")
    fake.chmod(0o755)
    github = yaml.safe_load((FILES / "github-actions.yml").read_text())["jobs"]["smoke"]["steps"]
    scripts = [step["run"] for step in github if step.get("name") == "Smoke"]
    scripts += [yaml.safe_load((FILES / "gitlab-ci.yml").read_text())["ernie-smoke"]["script"][-1]]
    for script in scripts:
        done = run(("bash", "-e", "-c", script), env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
        assert done.returncode == code
