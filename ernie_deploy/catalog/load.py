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


class ImplicitPort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port that the engine opens unasked in versions before `until`."""

    role: str
    number: int
    until: str


class EngineFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one engine accepts; `left_out` says what it does with a setting that is not given."""

    version: str
    minimum_version: str
    needs: str
    quantizations: tuple[str, ...]
    settings: tuple[str, ...]
    most_max_num_seqs: int
    integer_mm_processor_kwargs: tuple[str, ...]
    implicit_ports: tuple[ImplicitPort, ...]
    left_out: dict[str, str]


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
def presets() -> dict[str, Preset]:
    """All presets by name."""
    return msgspec.convert(read("presets.yaml"), dict[str, Preset])


@cache
def defaults() -> dict[str, Given]:
    """What holds when no layer says anything."""
    return msgspec.convert(read("defaults.yaml"), dict[str, Given])
