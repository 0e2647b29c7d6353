"""Who said what: the layers of a spec in order of precedence, and the first that speaks about a key."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import UNSET

from ernie_deploy.catalog.load import Given, defaults, models, presets
from ernie_deploy.errors import SpecError
from ernie_deploy.plan.values import Source
from ernie_deploy.rehearsal import HUB, NATIVE
from ernie_deploy.spec.load import decode, nearest
from ernie_deploy.spec.schema import Spec, flag_of

REHEARSAL = {"rehearsal:hub": str(HUB), "rehearsal:native": str(NATIVE)}


class Layer(NamedTuple):
    """One voice. `place` is how its keys are called: `{flag}`, `deploy.yaml: {key}`, `ERNIE_DEPLOY_{variable}`."""

    source: Source
    place: str
    spec: Spec
    whys: dict[str, str]


class Said(NamedTuple):
    """What the strongest layer says about a key."""

    value: object
    why: str
    source: Source
    origin: str


def asked(source: Source, place: str, spec: Spec) -> Layer:
    """A layer that a person wrote; its reasons are their own."""
    return Layer(source, place, spec, {})


def documented(source: Source, place: str, values: dict[str, Given]) -> Layer:
    """A layer from the catalog, with its reasons; it passes the same schema as everything else."""
    spec = decode({key: given.value for key, given in values.items()}, place)
    return Layer(source, place, spec, {key: given.why for key, given in values.items()})


def completed(asked_layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """All layers, strongest first: the asked ones, then the preset they name, then the catalog."""
    layers = tuple(asked_layers)
    preset = find(layers, "preset")
    if preset:
        if preset.value not in presets():
            raise SpecError(
                f"{preset.origin}: no preset is called {preset.value!r}", hint=nearest(str(preset.value), presets())
            )
        layers += (documented("preset", f"preset {preset.value}", presets()[str(preset.value)].values),)
    layers += (documented("catalog", "catalog", defaults()),)
    model, engine = find(layers, "model"), find(layers, "engine")
    if model is None or engine is None:
        raise AssertionError("the catalog's defaults name a model and an engine")
    known = models()[catalog_id(model)].serve.get(str(engine.value), {})
    return (*layers, documented("catalog", "catalog", known))


def find(layers: Iterable[Layer], key: str) -> Said | None:
    """What the strongest layer says about `key`; None when nobody speaks about it."""
    for layer in layers:
        value = getattr(layer.spec, key)
        if value is not UNSET:
            origin = layer.place.format(key=key, flag=flag_of(key), variable=key.upper())
            return Said(value, layer.whys.get(key) or f"asked for by {origin}", layer.source, origin)
    return None


def catalog_id(model: Said) -> str:
    """The model of the catalog whose documented settings hold. A directory is taken for a copy of the one we deploy."""
    name = str(model.value)
    if name in REHEARSAL:
        return "ernie-rehearsal"
    if name in models():
        return name
    if is_directory_name(name):
        return str(defaults()["model"].value)
    raise SpecError(
        f"{model.origin}: {name!r} is neither a known model nor a directory",
        hint=f"write ./{name} for a directory here, or one of: {', '.join(models())}",
    )


def is_directory_name(model: str) -> bool:
    """Whether `model` is written as a place on disk rather than as an id on a hub."""
    return model.startswith(("/", "./", "../", "~")) or model in (".", "..")
