"""Values that are each fine and cannot hold together, or that this engine has no place for."""

from collections.abc import Iterator, Sequence
from itertools import chain

from ernie_deploy.catalog.load import engines, models
from ernie_deploy.errors import SpecError
from ernie_deploy.plan.layers import Layer, Said, catalog_id, find
from ernie_deploy.plan.values import Plan
from ernie_deploy.plan.version import unaccepted
from ernie_deploy.spec.load import nearest
from ernie_deploy.spec.schema import KEYS


def refuse_impossible(plan: Plan, layers: Sequence[Layer]) -> None:
    """Raise SpecError for the first thing that cannot be; the message names where it was asked for."""
    model = catalog_id(find(layers, "model") or Said(plan.model.value, "", "catalog", "catalog"))
    reasons = (_without_a_place(plan, layers), _out_of_bounds(plan, model), _at_odds(plan), unaccepted(plan, model))
    for message, hint in chain.from_iterable(reasons):
        raise SpecError(message, hint=hint)


def _without_a_place(plan: Plan, layers: Sequence[Layer]) -> Iterator[tuple[str, str]]:
    """Settings that the engine has no flag for must not be dropped in silence."""
    name = plan.engine.value
    engine = engines()[name]
    for key in ("trust_remote_code", *engine.left_out):
        said = find(layers, key)
        if said and said.source not in ("catalog", "preset") and key not in engine.settings:
            yield f"{said.origin}: {name} has no such setting", f"it takes: {', '.join(engine.settings)}"
    for key in plan.engine_args.value:
        spelled = key.replace("-", "_")
        if spelled in KEYS:
            yield f"{plan.engine_args.place_of(key)}: this is a key of its own", f"write `{spelled}:` instead"
    if plan.quantization.value is not None and plan.quantization.value not in engine.quantizations:
        choices = ", ".join(engine.quantizations)
        asked = f"{plan.quantization.origin}: {plan.quantization.value!r}"
        close = nearest(plan.quantization.value, engine.quantizations)
        yield f"{asked}: {name} cannot quantize this model so; it can: {choices}", close


def _out_of_bounds(plan: Plan, model: str) -> Iterator[tuple[str, str]]:
    longest = models()[model].max_position_embeddings
    if (plan.max_model_len.value or 0) > longest:
        limit = f"{plan.max_model_len.value} is too much: the model's context ends at {longest} tokens"
        yield f"{plan.max_model_len.origin}: {limit}", "choose a smaller value"


def _at_odds(plan: Plan) -> Iterator[tuple[str, str]]:
    batched, sequences = plan.max_num_batched_tokens, plan.max_num_seqs.value
    if batched.value and sequences and batched.value < sequences:
        yield f"{batched.origin}: {batched.value} is less than max_num_seqs {sequences}", f"give at least {sequences}"
    if batched.value and sequences and plan.max_model_len.value:
        most = plan.max_model_len.value * sequences
        if batched.value > most:
            yield f"{batched.origin}: {batched.value} is more than all sequences can hold", f"give at most {most}"
    if plan.metrics_port.value == plan.port.value:
        place = plan.metrics_port.origin
        yield f"{place}: {plan.port.value} is the service's own port", "leave it out or choose another"
    cards, parallel = len(plan.gpus.value), plan.tensor_parallel_size.value or 1
    if plan.device.value == "cuda" and cards != parallel:
        yield (
            f"{plan.gpus.origin}: {cards} card(s) for tensor_parallel_size {parallel}",
            f"--tensor-parallel-size {cards} uses them all, --gpu N chooses one",
        )
