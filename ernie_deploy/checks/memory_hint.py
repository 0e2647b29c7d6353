"""What to change so that a plan fits: settings of its own first, then other cards, then another engine."""

from collections.abc import Iterator

from ernie_deploy.catalog.cards import cards
from ernie_deploy.catalog.fit import fit
from ernie_deploy.checks.base import Subject
from ernie_deploy.checks.capability import has_kernels, suits
from ernie_deploy.plan import gate
from ernie_deploy.plan.alternatives import (
    engine_that_holds,
    idle,
    is_asked_for,
    largest_cards,
    smallest_card,
    verdict_on,
)
from ernie_deploy.plan.gate import Case, Judgement, Verdict
from ernie_deploy.plan.levers import Lever, levers
from ernie_deploy.spec.schema import flag_of

TENSOR_PARALLEL = "tensor_parallel_size"
SHARE = "gpu_memory_utilization"


def hint(subject: Subject, case: Case, found: Judgement) -> str:
    """Flags to paste; empty when it fits already."""
    if found.verdict == "fits":
        return ""
    moved = levers(case)
    fitting = [_flags(subject, lever, lever.flags, "fits") for lever in moved if lever.flags]
    starting = [_flags(subject, lever, lever.starts_flags, "tight") for lever in moved if lever.starts_flags]
    parts = [*_without_others(subject, case, found)]
    is_possible_here = bool(parts) or any(_is_possible_here(subject, lever) for lever in moved)
    parts += [f"it fits with {_either(fitting)}"] if fitting else []
    parts += [f"it starts with {_either(starting)}"] if starting else []
    if not is_possible_here:
        parts += _elsewhere(subject, case, found)
    if found.verdict == "does not fit":
        parts.append("`--ignore memory-fit` tries it as it is")
    return "; ".join(parts)


def _without_others(subject: Subject, case: Case, found: Judgement) -> Iterator[str]:
    """Whether only others are in the way, what can be had beside them, and which single card here would do instead."""
    alone = gate.judge(idle(case)).verdict
    if alone != found.verdict:
        yield f"stop what else uses the card: then it {_does(alone)}"
        yield from _with_what_is_free(case)
    plan, engine = subject.plan, case.demand.engine
    others = (gpu for gpu in subject.facts.gpu.gpus if (gpu.index,) != plan.gpus.value and has_kernels(gpu, engine))
    free = next((gpu.index for gpu in others if verdict_on(plan, subject.facts, [gpu.index]) == "fits"), None)
    if free is not None:
        single = f" {flag_of(TENSOR_PARALLEL)} 1" if len(case.rooms) > 1 else ""
        yield f"it fits on card {free} alone: `--gpu {free}{single}`"


def _with_what_is_free(case: Case) -> Iterator[str]:
    """vLLM does not start unless its whole share is free: a smaller share may do."""
    free = min(1 - (room.others_bytes or 0) / room.total_bytes for room in case.rooms)
    share = int(free * 100) / 100
    if fit().engines[case.demand.engine].counts_others or not 0 < share < case.demand.gpu_memory_utilization:
        return
    verdict = gate.judge(gate.changed(case, SHARE, share)).verdict
    if verdict != "does not fit":
        yield f"it {_does(verdict)} with `{flag_of(SHARE)} {share}`"


def _does(verdict: Verdict) -> str:
    return "fits" if verdict == "fits" else "starts"


def _flags(subject: Subject, lever: Lever, flags: str, wanted: Verdict) -> str:
    """The flags of a lever; more cards than are chosen must be here, or be added."""
    value = lever.value if wanted == "fits" else lever.starts_value
    if lever.key != TENSOR_PARALLEL or not isinstance(value, int):
        return f"`{flags}`"
    here = _cards_here(subject, value, wanted)
    if not here:
        return f"`{flags}` on {value} such cards"
    # Cards that a person has chosen stay chosen, unless they choose again.
    chosen = "".join(f" --gpu {index}" for index in here) if is_asked_for(subject.plan.gpus) else ""
    return f"`{flags}{chosen}`"


def _cards_here(subject: Subject, count: int, wanted: Verdict) -> tuple[int, ...]:
    """Cards of this host on which it would be so; none when there are not as many, or not as good ones."""
    here = largest_cards(subject.facts, count)
    verdict = verdict_on(subject.plan, subject.facts, here) if here else None
    return here if verdict in ("fits", wanted) else ()


def _is_possible_here(subject: Subject, lever: Lever) -> bool:
    if lever.key != TENSOR_PARALLEL:
        return bool(lever.flags or lever.starts_flags)
    values: tuple[tuple[object, Verdict], ...] = ((lever.value, "fits"), (lever.starts_value, "tight"))
    return any(isinstance(value, int) and _cards_here(subject, value, wanted) for value, wanted in values)


def _elsewhere(subject: Subject, case: Case, found: Judgement) -> Iterator[str]:
    """Another engine on these cards, and the smallest card that is large enough."""
    if found.verdict == "does not fit" and (other := engine_that_holds(subject.plan, subject.facts)):
        flags, verdict = other
        yield f"`{flags}` {_does(verdict)} here"
    needed = cards().compute_capability[case.demand.engine]
    card = smallest_card(case, gate.fits, lambda capability: suits(capability, needed))
    if card:
        kind = f"{card.sold_gb} GB such as {card.id} ({card.total_mib} MiB)"
        yield f"it fits on {'a card' if len(case.rooms) == 1 else f'{len(case.rooms)} cards'} of {kind}"


def _either(flags: list[str]) -> str:
    return ", or ".join(flags)
