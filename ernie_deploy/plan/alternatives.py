"""What else would hold the model: another card of this host, more of them, another engine, a card to buy. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from ernie_deploy.catalog.fit import fit
from ernie_deploy.catalog.known_cards import KnownCard, known_cards
from ernie_deploy.catalog.load import defaults, engines, models
from ernie_deploy.facts.values import Facts
from ernie_deploy.plan.assess import MIB, Unknown, case_of
from ernie_deploy.plan.gate import Case, Verdict, judge
from ernie_deploy.plan.memory import Room
from ernie_deploy.plan.values import Plan, Setting, Source
from ernie_deploy.spec.schema import flag_of

ASKED: tuple[Source, ...] = ("flag", "environment", "file")
# What of a plan decides memory, and an engine documents a value of its own for.
DOCUMENTED = ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization",
              "tensor_parallel_size", "mm_processor_kwargs", "limit_mm_per_prompt")  # fmt: skip


def idle(case: Case) -> Case:
    """The same case when nobody else uses the cards."""
    rooms = tuple(msgspec.structs.replace(room, others_bytes=0) for room in case.rooms)
    return case._replace(rooms=rooms)


def verdict_on(plan: Plan, facts: Facts, cards: Sequence[int]) -> Verdict | None:
    """What this plan would be on these cards of the host; None when that cannot be told."""
    changes = {"gpus": tuple(cards), "tensor_parallel_size": len(cards)}
    fields = {key: msgspec.structs.replace(getattr(plan, key), value=value) for key, value in changes.items()}
    case = case_of(msgspec.structs.replace(plan, **fields), facts)
    return None if isinstance(case, Unknown) else judge(case).verdict


def largest_cards(facts: Facts, count: int) -> tuple[int, ...]:
    """The cards that a plan for so many takes by itself; none when the host has fewer."""
    ranked = sorted(facts.gpu.gpus, key=lambda gpu: (-gpu.total_mib, gpu.index))
    return tuple(sorted(gpu.index for gpu in ranked[:count])) if len(ranked) >= count else ()


def is_asked_for(setting: Setting[Any]) -> bool:
    """Whether a person gave it, so that another setting does not change it."""
    return setting.source in ASKED


def engine_that_holds(plan: Plan, facts: Facts) -> tuple[str, Verdict] | None:
    """The flags of another engine, as it is documented, that fits on these cards or at least starts; and which."""
    found = [
        (f"{flag_of('engine')} {engine} {flag_of('quantization')} {quantization}", verdict)
        for engine, quantization in _other_engines(plan)
        if (verdict := _verdict_with(plan, facts, engine, quantization)) != "does not fit"
    ]
    return min(found, key=lambda one: one[1] != "fits", default=None)


def smallest_card(case: Case, is_good: Callable[[Case], bool], suits: Callable[[str], bool]) -> KnownCard | None:
    """The card with the least memory on which it is good; `suits` is asked about a compute capability."""
    for card in sorted(known_cards(), key=lambda card: card.total_mib):
        room = Room(card.name, card.total_mib * MIB)
        other = case._replace(rooms=(room,) * len(case.rooms), known=None)
        if suits(card.compute_capability) and is_good(other):
            return card
    return None


def _other_engines(plan: Plan) -> Iterator[tuple[str, str]]:
    """The other engines in the catalog's order, with their quantizations, the most bits first."""
    for engine, known in engines().items():
        if engine != plan.engine.value:
            bits = fit().engines[engine].quantizations
            yield from ((engine, one) for one in sorted(known.quantizations, key=lambda one: -bits[one].bits))


def _verdict_with(plan: Plan, facts: Facts, engine: str, quantization: str) -> Verdict:
    """What a person asked for stays; all else is what that engine documents."""
    known = engines()[engine]
    documented = models()[str(defaults()["model"].value)].serve.get(engine, {})
    fields: dict[str, object] = {
        "engine": msgspec.structs.replace(plan.engine, value=engine),
        "quantization": msgspec.structs.replace(plan.quantization, value=quantization),
        "engine_args": msgspec.structs.replace(plan.engine_args, value={}),
    }
    for key in DOCUMENTED:
        setting = getattr(plan, key)
        if not (is_asked_for(setting) and key in known.settings):
            value = documented[key].value if key in documented else None
            fields[key] = msgspec.structs.replace(setting, value=value)
    if (plan.tensor_parallel_size.value or 1) > 1 and "tensor_parallel_size" not in known.settings:
        return "does not fit"
    case = case_of(msgspec.structs.replace(plan, **fields), facts)
    return "does not fit" if isinstance(case, Unknown) else judge(case).verdict
