"""What every engine module gives: a Launch made from a Plan, and nothing that touches the world."""

from typing import Protocol

import msgspec

from ernie_deploy.plan.values import Plan


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


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line in an engine's log that tells how far a start has come; `pattern` is a regular expression."""

    name: str
    pattern: str


class Engine(Protocol):
    """An engine module. All of these are pure functions of the plan."""

    NAME: str
    STAGES: tuple[Stage, ...]

    def launch(self, plan: Plan) -> Launch:
        """What runs."""

    def config_files(self, plan: Plan) -> tuple[File, ...]:
        """The same as files in the engine's own format, which run without us."""
