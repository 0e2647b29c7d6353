"""What every engine module gives: a Launch made from a Plan, and nothing that touches the world."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import msgspec

from ernie_deploy.plan.secrets import hidden
from ernie_deploy.plan.values import Plan

NO_KEYS: Mapping[str, str] = MappingProxyType({})


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Text for another program. `name` is relative to the directory it will be written into."""

    name: str
    content: str
    mode: int = 0o644


class Port(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TCP port that the engine will bind; `host` is the address it binds it on."""

    number: int
    role: str
    host: str


class Launch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly what runs: the same value is printed by `plan`, started by `up` and written by `config`.

    `env` is added to the caller's environment. `secret_env` names files whose content becomes a variable at the moment
    of the start, so that no key is ever in a plan, a state file or an argv. `links` are symlinks made in the working
    directory first (name → target). `log_dir` is where the engine puts its own logs, `""` when it has none.
    """

    engine: str
    argv: tuple[str, ...]
    env: dict[str, str]
    secret_env: dict[str, str]
    links: dict[str, str]
    working_dir: str
    log_dir: str
    ports: tuple[Port, ...]
    base_url: str
    served_model: str


def shown(launch: Launch) -> Launch:
    """The launch as it may be shown."""
    return msgspec.structs.replace(launch, env=hidden(launch.env))


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line in an engine's log that tells how far a start has come. `pattern` is a regular expression; where the line
    says how much of the stage is done, its group `percent` holds that."""

    name: str
    pattern: str


class Engine(Protocol):
    """An engine module. All of these are pure functions of the plan."""

    NAME: str
    STAGES: tuple[Stage, ...]

    def launch(self, plan: Plan) -> Launch:
        """What runs."""

    def config_files(self, plan: Plan, keys: Mapping[str, str] = NO_KEYS) -> tuple[File, ...]:
        """The same as files in the engine's own format, which run without us. `keys` (variable → key) are written into
        the environment file, and not read from their files when it starts."""

    def options(self, plan: Plan) -> dict[str, object]:
        """The flags by name, as they are before they become words or YAML; `model` is the model's own."""
