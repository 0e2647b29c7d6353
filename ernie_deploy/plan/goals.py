"""The best settings for a goal on these cards: a search down the rungs of goals.yaml. Pure and deterministic.

1. The first rung that fits is taken, except that one which fits even if every entry of the ledger takes the most that
   is thinkable is preferred to one up to `certainty_is_worth_rungs` higher that is only expected to fit.
2. On that rung: the fewest cards, then the first step of the goal's list, then the most sequence slots that typical
   requests can fill. A smaller step is taken for certainty, never for more slots.

So more memory, or more cards, never leads to a lower rank. Whatever fits with a larger step fits with a smaller one.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Final, Literal, NamedTuple

import msgspec

from ernie_deploy.architecture.shape import tensor_parallel_sizes
from ernie_deploy.architecture.tokens import PIXELS_PER_TOKEN
from ernie_deploy.catalog.fit import fit
from ernie_deploy.catalog.goals import Goal, Rung, goals
from ernie_deploy.catalog.load import engines
from ernie_deploy.plan import alternatives
from ernie_deploy.plan.demand import Demand
from ernie_deploy.plan.gate import Case, gib, is_allowed, judge
from ernie_deploy.plan.memory import Room
from ernie_deploy.plan.proposal import Found, Impossible, Proposal, proposal, tokens_of_a_request

Sure = Literal["certain", "likely"]
PARALLEL: Final = "tensor_parallel_size"
SETTABLE: Final = (
    "quantization",
    PARALLEL,
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "mm_processor_kwargs",
    "limit_mm_per_prompt",
)
"""The keys of deploy.yaml that are proposed."""
SLOTS: Final = (*range(1, 9), *range(12, 32, 4), *range(32, 64, 8), *range(64, 257, 16))
"""The numbers of sequence slots to choose from: FastDeploy refuses more, and vLLM takes as many by itself."""


class Candidate(NamedTuple):
    """A rung on so many cards."""

    rung: Rung
    cards: int


class Search(NamedTuple):
    """What is searched, and the settings that may be chosen; the others stay as the case has them.

    `wishes` are those that nobody has settled, whether or not the engine has such a setting.
    """

    case: Case
    goal: Goal
    free: frozenset[str]
    wishes: frozenset[str]

    def is_free(self, key: str) -> bool:
        return key in self.free


def best(
    case: Case, goal: Goal, *, keep: Collection[str] = (), suits: Callable[[str], bool] = lambda _: True
) -> Proposal | Impossible:
    """The settings to use, or why none do. Keys in `keep` stay as they are in the case.

    The cards of the case are those that may be used. `suits` is asked for the compute capability of a card that might
    be proposed instead.
    """
    wishes = frozenset(SETTABLE) - set(keep)
    search = Search(case, goal, wishes.intersection(engines()[case.demand.engine].settings), wishes)
    if goal.sees and case.weights.shape.vision is None:
        return Impossible("this model does not see, and the goal is about pictures")
    rungs = _rungs(search)
    if not rungs:
        longest = case.weights.shape.max_position_embeddings
        return Impossible(f"the model's context ends at {longest:,} tokens, and the goal needs more")
    for level, sure in _by_rank(len(rungs)):
        for candidate in _spread(search, rungs[level]):
            if _holds(search, candidate, step=_steps(search)[-1], slots=_least(search, rungs[level]), sure=sure):
                return _filled(search, rungs, candidate, sure)
    return _impossible(search, rungs[-1], suits)


def rank(index: int, sure: Sure) -> int:
    """How good it is to fit on this rung, the less the better: what the search walks along."""
    # In halves of a rung: a likely one loses against certain ones up to the worth of certainty below it.
    return 2 * index + (2 * goals().certainty_is_worth_rungs + 1 if sure == "likely" else 0)


def _by_rank(rungs: int) -> list[tuple[int, Sure]]:
    kinds: tuple[Sure, ...] = ("certain", "likely")
    return sorted(((level, sure) for level in range(rungs) for sure in kinds), key=lambda way: rank(*way))


def _rungs(search: Search) -> tuple[Rung, ...]:
    """The rungs that this engine and this model can stand on; two that differ in bits it does not have are one."""
    longest = search.case.weights.shape.max_position_embeddings
    rungs = search.goal.rungs
    if search.is_free("max_model_len"):
        rungs = tuple(rung for rung in rungs if rung.max_model_len <= longest)
    return tuple(dict.fromkeys(msgspec.structs.replace(rung, bits=_bits(search, rung)) for rung in rungs))


def _bits(search: Search, rung: Rung) -> int:
    """Those of the rung, or the next more that there are; a settled quantization has its own."""
    demand = search.case.demand
    known = fit().engines[demand.engine].quantizations
    if not search.is_free("quantization"):
        return known[demand.quantization].bits
    return min(one.bits for one in known.values() if one.bits >= rung.bits)


def _quantization(demand: Demand, bits: int) -> str:
    """The engine's first quantization of so many bits."""
    known = fit().engines[demand.engine].quantizations
    return next(name for name in engines()[demand.engine].quantizations if known[name].bits == bits)


def _spread(search: Search, rung: Rung) -> Iterator[Candidate]:
    """The fewest cards first."""
    sizes: tuple[int, ...] = (search.case.demand.tensor_parallel_size,)
    if search.is_free(PARALLEL):
        sizes = tensor_parallel_sizes(search.case.weights.shape)
    return (Candidate(rung, size) for size in sizes if size <= len(search.case.rooms))


def _steps(search: Search) -> tuple[int, ...]:
    is_free = search.is_free("max_num_batched_tokens")
    return search.goal.steps if is_free else (search.case.demand.max_num_batched_tokens,)


def _least(search: Search, rung: Rung) -> int:
    return rung.at_once if search.is_free("max_num_seqs") else search.case.demand.max_num_seqs


def _filled(search: Search, rungs: tuple[Rung, ...], candidate: Candidate, sure: Sure) -> Proposal:
    """The candidate with the first step and the most slots that hold as surely."""
    least = _least(search, candidate.rung)
    holds = partial(_holds, search, candidate, sure=sure)
    step = next(step for step in _steps(search) if holds(step=step, slots=least))
    slots = least
    if search.is_free("max_num_seqs"):
        slots = _last([one for one in SLOTS if one > least], lambda one: holds(step=step, slots=one), least)
    planned = _case_at(search, candidate, step=step, slots=slots)
    wanted = _case_at(
        search._replace(free=search.wishes),
        Candidate(rungs[0], candidate.cards),
        step=search.goal.steps[0],
        slots=rungs[0].at_once,
    )
    found = Found(
        planned,
        among=search.case.rooms,
        wanted=wanted.demand,
        level=rungs.index(candidate.rung),
        levels=len(rungs),
        is_certain=sure == "certain",
    )
    return proposal(found, search.goal, free=search.free)


def _case_at(search: Search, candidate: Candidate, *, step: int, slots: int) -> Case:
    """The case with the settings of this candidate; an earlier boot's report says nothing about these."""
    demand, rung, cards = search.case.demand, candidate.rung, candidate.cards
    sees = search.case.weights.shape.vision is not None
    fields: dict[str, object] = {"tensor_parallel_size": cards}
    if search.is_free("quantization"):
        fields["quantization"] = _quantization(demand, rung.bits)
    if search.is_free("max_model_len"):
        fields["max_model_len"] = rung.max_model_len
    if search.is_free("max_num_seqs"):
        fields["max_num_seqs"] = slots
    if search.is_free("max_num_batched_tokens"):
        fields["max_num_batched_tokens"] = step
    if search.is_free("mm_processor_kwargs") and sees:
        limits = {"image_max_pixels": rung.picture_tokens * PIXELS_PER_TOKEN}
        limits |= {"video_max_frames": rung.video_frames} if rung.video_frames else {}
        fields["limits"] = {**demand.limits, **limits}
    if search.is_free("limit_mm_per_prompt") and sees:
        fields |= {"images": rung.images, "videos": min(1, rung.video_frames)}
    rooms = _roomiest(demand, search.case.rooms, cards)
    return Case(msgspec.structs.replace(demand, **fields), search.case.weights, rooms)


def _holds(search: Search, candidate: Candidate, *, step: int, slots: int, sure: Sure) -> bool:
    """Whether all that is promised fits: the settings, `at_once` typical requests, and one for each slot.

    To be certain, the first two must fit even if every entry takes the most that is thinkable.
    """
    case = _case_at(search, candidate, step=step, slots=slots)
    if not is_allowed(case.demand):
        return False
    judgement = judge(case)
    if judgement.verdict != "fits" or (sure == "certain" and judgement.confidence != "certain"):
        return False
    if not search.is_free("max_num_seqs"):
        return True
    found, each = judgement.ledger, tokens_of_a_request(case.demand, search.goal)
    surely = found.tokens(found.kv_low) if sure == "certain" else found.kv_tokens
    return surely >= candidate.rung.at_once * each and found.kv_tokens >= slots * each


def _roomiest(demand: Demand, rooms: tuple[Room, ...], count: int) -> tuple[Room, ...]:
    """The cards of which the engine may use the most, in their own order."""
    ranked = sorted(rooms, key=lambda room: (-_usable(demand, room), room.index))
    return tuple(sorted(ranked[:count], key=lambda room: room.index))


def _usable(demand: Demand, room: Room) -> float:
    engine, others = fit().engines[demand.engine], room.others_bytes or 0
    share = room.total_bytes * (demand.gpu_memory_utilization if engine.takes_share else 1)
    if engine.counts_others:
        return share - others
    # It takes its share or does not start.
    return share if others <= room.total_bytes - share else -others


def _last(ordered: list[int], holds: Callable[[int], bool], otherwise: int) -> int:
    """The last for which it holds, given that it holds for all before it."""
    least, most = 0, len(ordered)
    while least < most:
        middle = (least + most) // 2
        least, most = (middle + 1, most) if holds(ordered[middle]) else (least, middle)
    return ordered[least - 1] if least else otherwise


def _impossible(search: Search, rung: Rung, suits: Callable[[str], bool]) -> Impossible:
    """Why not even the last rung fits, and what would help."""
    case, cards = search.case, len(search.case.rooms)
    candidates = list(_spread(search, rung))
    if not candidates:
        return Impossible(f"{case.demand.tensor_parallel_size} cards are asked for, and there are {cards}")
    least = _case_at(search, candidates[-1], step=_steps(search)[-1], slots=_least(search, rung))
    judgement = judge(least)
    why = next(iter(judgement.problems), "the KV cache does not hold the requests that are to be worked on together")
    if not is_allowed(least.demand):
        why = f"{case.demand.engine} does not take these numbers together"
    return Impossible(why, judgement.ledger.room.name, least.demand, tuple(_would_help(search, rung, suits)))


def _would_help(search: Search, rung: Rung, suits: Callable[[str], bool]) -> Iterator[str]:
    """Cards without other processes, more of them, a larger one."""
    case = search.case

    def holds(other: Case) -> bool:
        there, least = search._replace(case=other), {"step": _steps(search)[-1], "slots": _least(search, rung)}
        return any(_holds(there, candidate, **least, sure="likely") for candidate in _spread(there, rung))

    if holds(alternatives.idle(case)):
        used = max(room.others_bytes or 0 for room in case.rooms)
        yield f"stop what else uses the cards: up to {gib(used)} of one are in use"
    if search.is_free(PARALLEL) and case.demand.device == "cuda":
        least = min(case.rooms, key=lambda room: _usable(case.demand, room))
        more = (size for size in tensor_parallel_sizes(case.weights.shape) if size > len(case.rooms))
        enough = next((size for size in more if holds(case._replace(rooms=(least,) * size))), None)
        if enough:
            yield f"use {enough} such cards together"
        case = case._replace(rooms=case.rooms[:1])
    card = alternatives.smallest_card(case, holds, suits) if case.demand.device == "cuda" else None
    if card:
        yield f"use a larger card: {card.name} ({card.sold_gb} GB) is the smallest known on which it fits"
