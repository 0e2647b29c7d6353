"""Complete spec layers + facts + catalog → Plan. Pure: the same input gives the same plan on any machine."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ernie_deploy.catalog.load import EngineFacts, engines
from ernie_deploy.errors import SpecError
from ernie_deploy.facts.values import EnvironmentFacts, Facts
from ernie_deploy.files import absolute
from ernie_deploy.plan.decide import decided
from ernie_deploy.plan.layers import REHEARSAL, Layer, Said, find, is_directory_name
from ernie_deploy.plan.refuse import refuse_impossible
from ernie_deploy.plan.secrets import refusals
from ernie_deploy.plan.values import Plan

Document = dict[str, object]

ALWAYS_SAID = ("engine", "device", "model", "port", "ready_when", "ready_timeout_s", "no_progress_s", "stop_grace_s")
EMPTY: Mapping[str, object] = {"trust_remote_code": False, "engine_args": {}, "env": {}, "ignore_checks": ()}
# An interpreter that was asked for wins over one that `engine install` made, and that one over one on PATH.
ORIGINS = ("asked", "installed", "path")


class Wanted(NamedTuple):
    """What must be known before the host is looked at: which interpreters and directories matter."""

    name: str
    engine: str
    engine_python: str | None
    model: str
    model_is_directory: bool
    revision: str | None
    device: str
    engine_version: str


def wanted(layers: Sequence[Layer]) -> Wanted:
    """The few values that decide where facts are collected."""
    python = find(layers, "engine_python")
    revision = find(layers, "revision")
    model = str(_said(layers, "model").value)
    directory = REHEARSAL.get(model, model)
    return Wanted(
        name=str(_said(layers, "name").value),
        engine=str(_said(layers, "engine").value),
        engine_python=_absolute(str(python.value)) if python else None,
        model=_absolute(directory) if is_directory_name(directory) else model,
        model_is_directory=is_directory_name(directory),
        revision=str(revision.value) if revision else None,
        device=str(_said(layers, "device").value),
        engine_version=_wished_version(layers),
    )


def _wished_version(layers: Sequence[Layer]) -> str:
    said = find(layers, "engine_version")
    return str(said.value if said else engines()[str(_said(layers, "engine").value)].version)


def resolve(layers: Sequence[Layer], facts: Facts, *, state_root: Path) -> Plan:
    """The plan of `plan.layers.completed` layers. Raises SpecError for values that cannot hold together."""
    need = wanted(layers)
    engine = engines()[need.engine]
    document: Document = {"name": need.name, "state_dir": str(state_root / need.name)}
    document |= {key: _setting(_said(layers, key)) for key in ALWAYS_SAID}
    document |= {key: _optional(layers, key, engine) for key in engine.left_out}
    for key, empty in EMPTY.items():
        said = find(layers, key)
        document[key] = _setting(said) if said else _catalog(empty, "nothing is asked for")
    document["model_path"] = _model_path(need, facts)
    document["engine_python"] = python = _engine_python(layers, need, facts)
    document["engine_version"] = _engine_version(layers, python["value"], engine, facts)
    document["gpus"] = _gpus(layers, need, facts)
    plan = decided(msgspec.convert(document, Plan))
    for message, hint in refusals(plan):
        raise SpecError(message, hint=hint)
    refuse_impossible(plan, layers)
    return plan


def _said(layers: Sequence[Layer], key: str) -> Said:
    said = find(layers, key)
    if said is None:
        raise AssertionError(f"the catalog's defaults do not speak about {key}")
    return said


def _setting(said: Said) -> Document:
    return {"value": said.value, "why": said.why, "source": said.source, "origin": said.origin}


def _catalog(value: object, why: str) -> Document:
    return {"value": value, "why": why, "source": "catalog", "origin": "catalog"}


def _host(value: object, why: str) -> Document:
    return {"value": value, "why": why, "source": "host", "origin": "this host"}


def _optional(layers: Sequence[Layer], key: str, engine: EngineFacts) -> Document:
    said = find(layers, key)
    if said and key == "api_key_file":
        return _setting(said) | {"value": _absolute(str(said.value))}
    if said:
        return _setting(said)
    why = "left to the engine: " + engine.left_out.get(key, "its own default")
    return {"value": None, "why": why, "source": "engine", "origin": "engine default"}


def _model_path(need: Wanted, facts: Facts) -> Document:
    """A directory is what it is; an id is local when a whole snapshot of it was found."""
    if need.model_is_directory:
        return _host(need.model, "the directory that was asked for")
    asked = (need.model, need.revision)
    whole = (model for model in facts.models if not model.problems_for(need.engine))
    found = next((model for model in whole if (model.id, model.revision) == asked), None)
    if found:
        return _host(found.path, f"a whole snapshot of {need.model} is here, so nothing is downloaded")
    return _host(None, "no snapshot is here: the engine downloads the model itself")


def _engine_python(layers: Sequence[Layer], need: Wanted, facts: Facts) -> Document:
    asked = find(layers, "engine_python")
    if asked:
        return _setting(asked) | {"value": need.engine_python}
    found = [environment for environment in facts.environments if environment.engine == need.engine]
    for origin in ORIGINS:
        for environment in found:
            if environment.origin == origin:
                return _host(environment.python, _why_python(environment, need.engine))
    return _host(None, f"no interpreter with {need.engine} was found")


def _why_python(environment: EnvironmentFacts, engine: str) -> str:
    if environment.engine_version.endswith("+simulated"):
        return "the simulator in place of FastDeploy: no engine and no model run"
    if environment.origin == "installed":
        return f"the environment that `engine install {engine}` made"
    return f"the interpreter on PATH that has {engine}"


def _engine_version(layers: Sequence[Layer], python: object, engine: EngineFacts, facts: Facts) -> Document:
    """What is installed is what counts; a wish only chooses flags for a host that is not here."""
    found = next((one for one in facts.environments if one.python == python and one.engine_version), None)
    if found:
        return _host(found.engine_version, "the version in that environment")
    said = find(layers, "engine_version")
    return _setting(said) if said else _catalog(engine.version, "the version these settings were written for")


def _gpus(layers: Sequence[Layer], need: Wanted, facts: Facts) -> Document:
    """The cards with the most memory; not the emptiest, so that the same spec gives the same plan while it runs."""
    if need.device == "cpu":
        return _catalog((), "runs on the CPU")
    said = find(layers, "gpus")
    if said:
        return _setting(said)
    parallel = find(layers, "tensor_parallel_size")
    count = parallel.value if parallel and isinstance(parallel.value, int) else 1
    ranked = sorted(facts.gpu.gpus, key=lambda gpu: (-gpu.total_mib, gpu.index))
    if not ranked:
        return _host(tuple(range(count)), "no card was seen; the first would be taken")
    chosen = ranked[:count]
    names = ", ".join(f"{gpu.name} with {gpu.total_mib} MiB" for gpu in chosen)
    return _host(tuple(sorted(gpu.index for gpu in chosen)), f"the largest of {len(ranked)} here: {names}")


def _absolute(path: str) -> str:
    return str(absolute(re.sub(r"^file://", "", path)))
