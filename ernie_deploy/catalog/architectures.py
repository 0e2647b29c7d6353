"""The dimensions of the models of this family: the values in architectures.yaml."""

from functools import cache

import msgspec

from ernie_deploy.architecture.shape import Architecture
from ernie_deploy.catalog.load import read


class Architectures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file: dimensions by their short names, and the models that have them."""

    dimensions: dict[str, Architecture]
    models: dict[str, Architecture]


@cache
def architectures() -> dict[str, Architecture]:
    """All models by hub id."""
    return msgspec.convert(read("architectures.yaml"), Architectures).models
