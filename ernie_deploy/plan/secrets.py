"""What must never be shown: which variables and flags are secrets, a plan with their values hidden, and refusals.

A secret goes to an engine in its environment, never on its command line, which everybody on the host can read.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache

import msgspec

from ernie_deploy.catalog.flags import DESCRIBED_ENGINES, flags_of
from ernie_deploy.plan.values import Plan
from ernie_deploy.spec.schema import looks_secret

HIDDEN = "***"
# A part of a name that could be a secret; `tokenizer_mode` has none.
SHORTER = re.compile(r"(?<![A-Z])(?!TOKENI)[A-Z]+")
# What carries the key that `api_key_file` holds.
KEY_VARIABLES = {"fastdeploy": "FD_API_KEY", "vllm": "VLLM_API_KEY"}
# Engines whose facts say of a variable what its name does not; of the others a test holds that names suffice.
TELLING = ("fastdeploy",)


def is_secret_variable(name: str) -> bool:
    """Whether the variable holds a secret: the engine's facts say so, or, where they are silent, its name does."""
    known = _known_variables().get(name)
    return looks_secret(name) if known is None else known


def is_secret_flag(engine: str, name: str) -> bool:
    """Whether a flag would put a secret on the command line."""
    flag = flags_of(engine).named(name) if engine in DESCRIBED_ENGINES else None
    return flag.is_secret if flag else any(map(looks_secret, SHORTER.findall(name.upper())))


def hidden(env: Mapping[str, str]) -> dict[str, str]:
    """Variables as they may be shown."""
    return {name: HIDDEN if is_secret_variable(name) else value for name, value in env.items()}


def shown(plan: Plan) -> Plan:
    """The plan as it may be shown; what is made from it for people can hold no secret."""
    env = msgspec.structs.replace(plan.env, value=hidden(plan.env.value))
    return msgspec.structs.replace(plan, env=env)


def refusals(plan: Plan) -> Iterator[tuple[str, str]]:
    """Secrets in a place where they would be seen, each with what to do instead."""
    for name in plan.env.value:
        if name in KEY_VARIABLES.values():
            message = f"{plan.env.place_of(name)}: the API key is not taken from here, where it would be seen"
            yield message, "write it into a file of mode 0600 and name that: api_key_file"
    for name in plan.engine_args.value:
        if is_secret_flag(plan.engine.value, name):
            message = f"{plan.engine_args.place_of(name)}: everybody on the host can read a command line"
            is_key = name.replace("-", "_") == "api_key"
            yield message, _instead(is_key=is_key)


def _instead(*, is_key: bool) -> str:
    if is_key:
        return "write the key into a file of mode 0600 and name that: api_key_file"
    return "give it to the engine as a variable, if it reads one: env"


@cache
def _known_variables() -> dict[str, bool]:
    return {one.name: one.is_secret for engine in TELLING for one in flags_of(engine).variables}
