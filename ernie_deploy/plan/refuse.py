"""Values that are each fine and cannot hold together, or that this engine has no place for."""

from collections.abc import Iterator, Sequence

from ernie_deploy.catalog.load import engines, models
from ernie_deploy.errors import SpecError
from ernie_deploy.plan.layers import Layer, Said, catalog_id, find
from ernie_deploy.plan.values import Plan, Setting
from ernie_deploy.spec.load import nearest
from ernie_deploy.spec.schema import KEYS


def refuse_impossible(plan: Plan, layers: Sequence[Layer]) -> None:
    """Raise SpecError for the first thing that cannot be; the message names where it was asked for."""
    for message, hint in (*_without_a_place(plan, layers), *_out_of_bounds(plan, layers), *_at_odds(plan)):
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
            yield f"{plan.engine_args.origin}: {key}: this is a key of its own", f"write `{spelled}:` instead"
    if plan.quantization.value is not None and plan.quantization.value not in engine.quantizations:
        choices = ", ".join(engine.quantizations)
        asked = f"{plan.quantization.origin}: {plan.quantization.value!r}"
        close = nearest(plan.quantization.value, engine.quantizations)
        yield f"{asked}: {name} cannot quantize this model so; it can: {choices}", close


def _out_of_bounds(plan: Plan, layers: Sequence[Layer]) -> Iterator[tuple[str, str]]:
    engine = engines()[plan.engine.value]
    most_sequences = engine.most_max_num_seqs
    if (plan.max_num_seqs.value or 0) > most_sequences:
        yield _over(plan.max_num_seqs, f"{plan.engine.value} takes at most {most_sequences}")
    model = find(layers, "model") or Said(plan.model.value, "", "catalog", "catalog")
    longest = models()[catalog_id(model)].max_position_embeddings
    if (plan.max_model_len.value or 0) > longest:
        yield _over(plan.max_model_len, f"the model's context ends at {longest} tokens")
    for key, value in (plan.mm_processor_kwargs.value or {}).items():
        if key in engine.integer_mm_processor_kwargs and not isinstance(value, int):
            yield (
                f"{plan.mm_processor_kwargs.origin}: {key}: expected an integer, got {value!r}",
                "one wrong type makes FastDeploy drop all of these options in silence",
            )


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


def _over(setting: Setting[int | None], limit: str) -> tuple[str, str]:
    return f"{setting.origin}: {setting.value} is too much: {limit}", "choose a smaller value"
