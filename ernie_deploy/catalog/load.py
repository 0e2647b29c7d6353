"""The one loader of the catalog: YAML beside this file, decoded strictly. A wrong catalog is a bug."""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import yaml


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value and the reason why the catalog gives it."""

    value: Any
    why: str


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model; `serve` has the documented settings per engine, by the keys of deploy.yaml."""

    max_position_embeddings: int
    download_bytes: int
    serve: dict[str, dict[str, Given]]


class EngineFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one engine accepts; `left_out` says what it does with a setting that is not given."""

    version: str
    minimum_version: str
    needs: str
    quantizations: tuple[str, ...]
    settings: tuple[str, ...]
    left_out: dict[str, str]


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a launch holds something that no setting has by its name; `key` is the setting that it comes from."""

    why: str = ""
    source: str = ""
    key: str = ""


class Reasons(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reasons of one engine, by the name of the flag, the variable or the link; `*` is any other."""

    flags: dict[str, Reason]
    variables: dict[str, Reason]
    links: dict[str, Reason]


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named partial spec."""

    title: str
    values: dict[str, Given]


def read(name: str) -> Any:
    """The parsed YAML file `name` of the catalog."""
    text = files("ernie_deploy.catalog").joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def models() -> dict[str, Model]:
    """All models by id."""
    return msgspec.convert(read("models.yaml"), dict[str, Model])


@cache
def engines() -> dict[str, EngineFacts]:
    """All engines by name."""
    return msgspec.convert(read("engines.yaml"), dict[str, EngineFacts])


@cache
def reasons() -> dict[str, Reasons]:
    """All reasons by engine."""
    return msgspec.convert(read("reasons.yaml"), dict[str, Reasons])


@cache
def presets() -> dict[str, Preset]:
    """All presets by name."""
    return msgspec.convert(read("presets.yaml"), dict[str, Preset])


@cache
def defaults() -> dict[str, Given]:
    """What holds when no layer says anything."""
    return msgspec.convert(read("defaults.yaml"), dict[str, Given])
