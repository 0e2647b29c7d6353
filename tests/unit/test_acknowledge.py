"""Comments for lint above what we write: only about what the plan leaves open, and with its reason."""

import pytest

from ernie_deploy.engines.acknowledge import comments, shown_command
from ernie_deploy.plan.values import Plan
from tests.support import plans


def rules_of(plan: Plan, *, of_command: bool = True) -> list[str]:
    lines = comments(plan, of_command=of_command)
    return [line.removeprefix("# ernie-deploy lint: ignore=").partition(" ")[0] for line in lines]


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, []),
        ({"host": None}, ["FD082"]),
        ({"host": "0.0.0.0"}, ["FD082"]),
        ({"host": "localhost"}, []),
        ({"host": None, "api_key_file": "/k"}, []),
        ({"model_path": None}, ["FD101"]),
        ({"quantization": "bf16", "host": "::1"}, ["FD075"]),
        ({"engine": "vllm", "quantization": None, "host": None}, ["FD082"]),
        ({"engine": "transformers", "host": None, "model_path": None}, []),
    ],
)
def test_only_what_is_open_is_acknowledged(changes: dict[str, object], rules: list[str]) -> None:
    assert rules_of(plans.a_plan(**changes)) == rules


def test_a_launch_yaml_says_nothing_of_keys_which_it_does_not_hold() -> None:
    assert rules_of(plans.a_plan(host=None, model_path=None), of_command=False) == ["FD101"]


def test_the_command_stays_the_last_line_of_what_is_shown() -> None:
    shown = shown_command(plans.a_plan(host=None), "python -m x").splitlines()
    assert (len(shown), shown[-1]) == (2, "python -m x")
