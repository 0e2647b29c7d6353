"""What engines are known not to do: data, because it grows with every version that is looked at."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
import yaml


class KnownLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`reference` says who knows it: a version and what was read or measured."""

    id: str
    engine: str
    reference: str


@cache
def known_limits() -> Mapping[tuple[str, str], str]:
    """(engine, id) to the reference."""
    text = files("ernie_deploy.smoke").joinpath("known_limits.yaml").read_text(encoding="utf-8")
    listed = msgspec.convert(yaml.safe_load(text), tuple[KnownLimit, ...])
    return {(limit.engine, limit.id): limit.reference for limit in listed}


def why_unsupported(engine: str, name: str) -> str | None:
    """The reference for what this engine is known not to do; None when it is expected to do it."""
    return known_limits().get((engine, name))
