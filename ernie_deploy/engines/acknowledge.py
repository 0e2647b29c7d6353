"""What a plan leaves open on purpose, as comments that `ernie-deploy lint` heeds, each with its reason.

Lint says of these things, rightly, that somebody should have decided them. Here it is said that somebody has.
"""

from collections.abc import Iterator

from ernie_deploy.engines.arguments import UNQUANTIZED
from ernie_deploy.plan.decide import is_loopback
from ernie_deploy.plan.values import Plan

LINTED = ("fastdeploy", "vllm")


def comments(plan: Plan, *, of_command: bool = True) -> tuple[str, ...]:
    """One line for each rule. Who may reach it is said of a whole command: a launch YAML does not tell of keys."""
    if plan.engine.value not in LINTED:
        return ()
    found = [*_weights(plan), *(_exposure(plan) if of_command else ())]
    return tuple(f"# ernie-deploy lint: ignore={rule} {reason}" for rule, reason in found)


def shown_command(plan: Plan, command: str) -> str:
    """The command under the comments that belong to it."""
    return "\n".join([*comments(plan), command])


def _weights(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.model_path.value is None:
        yield "FD101", "this host has no snapshot: the engine downloads the model by its id"
    if plan.engine.value == "fastdeploy" and plan.quantization.value in (None, UNQUANTIZED):
        yield "FD075", "bf16, the weights as they are: FastDeploy has no flag for it"


def _exposure(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.api_key_file.value is None and not is_loopback(plan.host.value):
        yield "FD082", f"{plan.host.value or 'every interface'} without a key: set host or api_key_file to change that"
