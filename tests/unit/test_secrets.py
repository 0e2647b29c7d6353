"""A secret reaches the engine in its environment and is seen nowhere else: in no plan, command line or refusal."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ernie_deploy.catalog.flags import DESCRIBED_ENGINES, flags_of
from ernie_deploy.cli.options import Asked, restart_command
from ernie_deploy.engines.base import shown
from ernie_deploy.engines.registry import ENGINES, launch_of
from ernie_deploy.engines.start_script import pasteable
from ernie_deploy.errors import SpecError
from ernie_deploy.plan import secrets
from ernie_deploy.plan.explain import lines
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.plan.values import Plan
from ernie_deploy.serve.state import Run
from ernie_deploy.serve.up import differences
from ernie_deploy.spec.load import decode, from_environment
from ernie_deploy.spec.schema import looks_secret
from tests.support import hosts, plans

SECRET = "open-sesame"


def planned(**spec: Any) -> Plan:
    layers = completed([asked("file", "deploy.yaml: {key}", decode(spec, "deploy.yaml"))])
    return resolve(layers, hosts.some_facts(), state_root=Path("/state"))


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("HF_TOKEN", True),
        ("aws_secret_access_key", True),
        ("DB_PASSWORD", True),
        ("GOOGLE_CREDENTIALS", True),
        ("EXPORTER_OTLP_HEADERS", True),  # by the engine's facts
        ("FD_TOKEN_PROCESSOR_HEALTH_TIMEOUT", False),  # by the engine's facts
        ("FD_LOG_DIR", False),
        ("OMP_NUM_THREADS", False),
    ],
)
def test_a_secret_is_known_by_the_engines_facts_or_by_its_name(name: str, is_secret: bool) -> None:
    assert secrets.is_secret_variable(name) == is_secret


@pytest.mark.parametrize("engine", ENGINES)
def test_no_command_shows_the_value_of_a_secret_variable(engine: str) -> None:
    plan = planned(engine=engine, model="/srv/m", env={"HF_TOKEN": SECRET, "PLAIN": "seen"})
    launch = launch_of(plan)
    files = ENGINES[engine].config_files(secrets.shown(plan))
    printed = (secrets.shown(plan), shown(launch), pasteable(launch), files, [line._asdict() for line in lines(plan)])
    text = msgspec.json.encode(printed).decode()
    assert SECRET not in text
    assert "seen" in text
    assert launch.env["HF_TOKEN"] == SECRET


@pytest.mark.parametrize("engine", ENGINES)
def test_an_environment_file_with_a_secret_is_for_its_owner_alone(engine: str) -> None:
    def mode(env: dict[str, str]) -> int:
        files = ENGINES[engine].config_files(planned(engine=engine, env=env))
        return next(file.mode for file in files if file.name == "engine.env")

    assert mode({"HF_TOKEN": SECRET}) == 0o600
    assert mode({"PLAIN": "x"}) == 0o644


@pytest.mark.parametrize("engine", ["fastdeploy", "vllm"])
def test_a_key_can_be_written_into_the_environment_file_and_is_then_not_read_from_its_own(engine: str) -> None:
    plan = planned(engine=engine, api_key_file="/etc/key")
    variable = secrets.KEY_VARIABLES[engine]
    by_file = {file.name: file for file in ENGINES[engine].config_files(plan)}
    with_key = {file.name: file for file in ENGINES[engine].config_files(plan, {variable: "it's"})}
    assert f'{variable}="$(cat /etc/key)"' in by_file["start.sh"].content
    assert "/etc/key" not in with_key["start.sh"].content
    assert f"{variable}='it'\"'\"'s'\n" in with_key["engine.env"].content
    assert (by_file["engine.env"].mode, with_key["engine.env"].mode) == (0o644, 0o600)


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ({"env": {"FD_API_KEY": SECRET}}, "deploy.yaml: env.FD_API_KEY: the API key", "api_key_file"),
        (
            {"env": {"VLLM_API_KEY": SECRET}, "engine": "vllm"},
            "deploy.yaml: env.VLLM_API_KEY: the API",
            "api_key_file",
        ),
        ({"engine_args": {"api-key": SECRET}}, "deploy.yaml: engine_args.api-key: everybody", "api_key_file"),
        ({"engine_args": {"scheduler_password": SECRET}}, "deploy.yaml: engine_args.scheduler_password", "env"),
        ({"engine_args": {"hf_token": SECRET}, "engine": "transformers"}, "deploy.yaml: engine_args.hf_token", "env"),
    ],
)
def test_a_secret_in_a_place_that_is_seen_is_refused(spec: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        planned(**spec)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint
    assert SECRET not in caught.value.message + caught.value.hint


def test_a_flag_that_only_sounds_like_a_secret_is_none() -> None:
    assert not secrets.is_secret_flag("transformers", "tokenizer-mode")
    assert not secrets.is_secret_flag("fastdeploy", "max_num_batched_tokens")


@pytest.mark.parametrize(
    "variables",
    [
        {"ERNIE_DEPLOY_ENV": f'{{"HF_TOKEN": "{SECRET}'},
        {"ERNIE_DEPLOY_ENV": f'"HF_TOKEN={SECRET}"'},
        {"ERNIE_DEPLOY_ENV": f'{{"HF_TOKEN": ["{SECRET}"]}}'},
    ],
)
def test_a_refusal_does_not_quote_a_secret(variables: dict[str, str]) -> None:
    with pytest.raises(SpecError) as caught:
        from_environment(variables)
    assert SECRET not in caught.value.message


def test_a_changed_secret_is_a_difference_that_is_not_shown() -> None:
    before, after = (planned(env={"HF_TOKEN": value}) for value in (SECRET, "another"))
    run = Run(before, launch_of(before), "ready", 0)
    assert differences(run, after, launch_of(after)) == ("env {'HF_TOKEN': '***'} → {'HF_TOKEN': '***'}",)


def test_the_command_that_replaces_a_run_leaves_the_secret_to_be_filled_in() -> None:
    command = restart_command(Asked(None, {"env": f'{{"HF_TOKEN": "{SECRET}", "A": "1"}}'}))
    assert command == """ernie-deploy restart --env '{"HF_TOKEN": "***", "A": "1"}'"""


def test_a_record_of_an_older_version_can_still_be_read() -> None:
    plan = plans.a_plan()
    run = msgspec.to_builtins(Run(plan, launch_of(plan), "ready", 0))
    for key in ("ready_when", "engine_worker_queue_port", "cache_queue_port", "enable_prefix_caching"):
        del run["plan"][key]
    read = msgspec.convert(run, Run)
    assert read.plan.ready_when.value == "text"
    assert read.plan.cache_queue_port.value is None


@pytest.mark.parametrize("engine", [one for one in DESCRIBED_ENGINES if one not in secrets.TELLING])
def test_the_names_of_variables_tell_what_the_facts_of_other_engines_would(engine: str) -> None:
    variables = flags_of(engine).variables
    assert variables
    assert [one.name for one in variables if one.is_secret != looks_secret(one.name)] == []
