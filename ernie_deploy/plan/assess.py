"""A plan and the facts of a host → the case that the gate judges, or why nothing can be said. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ernie_deploy.architecture.shape import Architecture, Part, parameters
from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.catalog.load import defaults
from ernie_deploy.facts.values import Facts, Gpu, PartSize
from ernie_deploy.plan.calibrate import calibration_for
from ernie_deploy.plan.demand import demand_of
from ernie_deploy.plan.gate import Case
from ernie_deploy.plan.memory import Known, Room, Weights, weights_of
from ernie_deploy.plan.values import Plan

MIB = 1 << 20
# Parts of what the dimensions call for: with less not all is there, with more they are those of another model.
WHOLE, TOO_MUCH = 0.9, 1.5
# A thousand times more than any model has.
MOST_PARAMETERS = 1 << 50


class Unknown(NamedTuple):
    """Why no verdict is possible."""

    why: str


def case_of(plan: Plan, facts: Facts) -> Case | Unknown:
    """What is to be judged. What is not known is said, and never taken for zero."""
    weights = _weights(plan, facts)
    if isinstance(weights, Unknown):
        return weights
    if sum(weights.parameters.values()) > MOST_PARAMETERS:
        return Unknown(f"no model has as many parameters as {plan.model_path.value} says it has")
    rooms = _rooms(plan, facts)
    if isinstance(rooms, Unknown):
        return rooms
    longest, first = weights.shape.max_position_embeddings, rooms[0]
    demand = demand_of(plan, longest=longest, card=first.name, card_bytes=first.total_bytes)
    found, said = calibration_for(plan, facts)
    known = Known(found.overhead_bytes, said) if found else None
    return Case(demand, weights, rooms, known)


def _weights(plan: Plan, facts: Facts) -> Weights | Unknown:
    """The directory that is here is believed before the catalog; one that was not looked at is taken for a copy of the
    model that is deployed."""
    # One without a byte is not here yet: what will be there is taken for a copy.
    found = next((one for one in facts.models if one.path == plan.model_path.value and one.size_bytes), None)
    if found and found.architecture is None:
        why = found.architecture_problem or "its config.json does not tell"
        return Unknown(f"the dimensions of {found.path} are not known: {why}")
    part = _part_of_dimensions(found.parts, found.architecture) if found and found.architecture else 0.0
    if found and part > TOO_MUCH:
        return Unknown(f"config.json in {found.path} is of another model: its weights are {part:.1f} times as many")
    if found and found.architecture and part >= WHOLE:
        parameters = {part: size.parameters for part, size in found.parts.items()}
        stored = {part: size.stored_bytes for part, size in found.parts.items()}
        return Weights(found.architecture, parameters, stored, source=f"headers in {found.path}")
    if found and found.architecture:
        return weights_of(found.architecture, source=f"{found.path}/config.json")
    model = plan.model.value if plan.model.value in architectures() else str(defaults()["model"].value)
    return weights_of(architectures()[model], source=f"architectures.yaml: {model}")


def _part_of_dimensions(parts: Mapping[Part, PartSize], shape: Architecture) -> float:
    """How many numbers headers hold, 1 for all that the dimensions call for; packed ones hold fewer than they mean."""
    return sum(size.parameters for size in parts.values()) / sum(parameters(shape).values())


def _rooms(plan: Plan, facts: Facts) -> tuple[Room, ...] | Unknown:
    if plan.device.value == "cpu" and plan.engine.value == "fastdeploy":
        return Unknown("FastDeploy on the CPU is simulated: no model is loaded")
    if plan.device.value == "cpu":
        host = facts.host
        others = max(0, host.ram_total_bytes - host.ram_available_bytes)
        return (Room("memory of the host", host.ram_total_bytes, others),)
    chosen = [gpu for gpu in facts.gpu.gpus if gpu.index in plan.gpus.value]
    if not chosen or len(chosen) < len(plan.gpus.value):
        return Unknown("the chosen cards were not seen (see the check gpu); `plan --gpu L20` answers for any card")
    silent = [gpu for gpu in chosen if not gpu.total_mib]
    if silent:
        return Unknown(f"the driver does not tell how much memory card {silent[0].index} has")
    split = [gpu for gpu in chosen if gpu.mig_enabled]
    if split:
        return Unknown(
            f"card {split[0].index} is split by MIG: what NVML tells is the whole card, not an instance of it"
        )
    return rooms_of(chosen)


def rooms_of(gpus: Iterable[Gpu]) -> tuple[Room, ...]:
    """Whole cards as rooms. What others use stays unknown where the driver does not tell it."""
    return tuple(_room(gpu) for gpu in gpus)


def _room(gpu: Gpu) -> Room:
    others = None if gpu.used_mib is None else gpu.used_mib * MIB
    return Room(gpu.name, gpu.total_mib * MIB, others, gpu.index)
