"""A proposal of settings for a goal, in values and in words."""

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import msgspec

from ernie_deploy.architecture.tokens import VIDEO_MAX_FRAMES, limit, most_picture_tokens
from ernie_deploy.catalog.fit import fit
from ernie_deploy.catalog.goals import Goal
from ernie_deploy.catalog.load import engines
from ernie_deploy.plan.demand import Demand
from ernie_deploy.plan.gate import Case, Judgement, judge
from ernie_deploy.plan.memory import Room
from ernie_deploy.spec.schema import flag_of


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings by the keys of deploy.yaml, and a sentence why for each; `flags` is one line for a shell.

    `level` of `levels` is the rung, 0 is what the goal wants. `is_certain` when it and `at_once` requests of the rung
    fit even if everything takes the most that is thinkable. `at_once` typical requests of the goal are expected to find
    room together. `cards` are the indices of those to use, when not all are needed. `given_up` is what the goal would
    have liked, the gravest first.
    """

    settings: dict[str, object]
    whys: dict[str, str]
    flags: str
    level: int
    levels: int
    is_certain: bool
    at_once: int
    given_up: tuple[str, ...]
    cards: tuple[int, ...]
    demand: Demand
    judgement: Judgement


class Impossible(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why there is no proposal: on `card`, not even the `least` of the goal fits; and what would help."""

    why: str
    card: str = ""
    least: Demand | None = None
    would_help: tuple[str, ...] = ()


class Found(NamedTuple):
    """What a search has found, among these cards, and what it would have liked on the first rung."""

    case: Case
    among: tuple[Room, ...]
    wanted: Demand
    level: int
    levels: int
    is_certain: bool


def proposal(found: Found, goal: Goal, *, free: Collection[str]) -> Proposal:
    """What was found, in words. Settings that are not `free` were asked for."""
    case, demand = found.case, found.case.demand
    judgement = judge(case)
    settings = _settings(case)
    whys = {key: _why(key, found, goal, judgement) if key in free else "as asked for" for key in settings}
    is_part = len(case.rooms) < len(found.among)
    return Proposal(
        settings=settings,
        whys=whys,
        flags=_flags(settings),
        level=found.level,
        levels=found.levels,
        is_certain=found.is_certain,
        at_once=min(demand.max_num_seqs, judgement.ledger.kv_tokens // tokens_of_a_request(demand, goal)),
        given_up=tuple(_given_up(found)),
        cards=tuple(room.index for room in case.rooms) if is_part else (),
        demand=demand,
        judgement=judgement,
    )


def tokens_of_a_request(demand: Demand, goal: Goal) -> int:
    """A typical request of the goal; none is longer than the context."""
    return min(goal.request.tokens, demand.max_model_len)


def _settings(case: Case) -> dict[str, object]:
    demand = case.demand
    values: dict[str, object] = {
        "quantization": demand.quantization,
        "tensor_parallel_size": demand.tensor_parallel_size,
        "max_model_len": demand.max_model_len,
        "max_num_seqs": demand.max_num_seqs,
        "max_num_batched_tokens": demand.max_num_batched_tokens,
    }
    if case.weights.shape.vision:
        values["mm_processor_kwargs"] = dict(demand.limits)
        values["limit_mm_per_prompt"] = {"image": demand.images, "video": demand.videos}
    known = engines()[demand.engine].settings
    return {key: value for key, value in values.items() if key in known}


def _flags(settings: Mapping[str, object]) -> str:
    words = []
    for key, value in settings.items():
        text = msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)
        words += [flag_of(key), text]
    return shlex.join(words)


def _why(key: str, found: Found, goal: Goal, judgement: Judgement) -> str:
    demand = found.case.demand
    if key == "quantization":
        bits = fit().engines[demand.engine].quantizations[demand.quantization].bits
        return "the weights as they are" if bits == 16 else f"{bits} bits a weight: no level with more fits as surely"
    if key == "tensor_parallel_size":
        return _why_cards(len(found.case.rooms), len(found.among))
    if key == "max_model_len":
        return f"holds {_contents(demand, judgement)}: {goal.length_why}"
    if key == "max_num_seqs":
        room = f"the KV cache of {judgement.ledger.kv_tokens:,} tokens"
        return f"{room} holds so many of {tokens_of_a_request(demand, goal):,}: {goal.request.why}"
    if key == "max_num_batched_tokens":
        is_first = demand.max_num_batched_tokens == goal.steps[0]
        return goal.step_why if is_first else "a larger step needs memory that is worth more elsewhere"
    if key == "mm_processor_kwargs":
        frames = f", videos of at most {_frames(demand)} frames" if demand.videos else ""
        return f"pictures of at most {most_picture_tokens(demand.limits):,} tokens{frames}: {goal.picture_why}"
    return "how many pictures and videos a request may have; most pictures are smaller than the largest one"


def _why_cards(used: int, here: int) -> str:
    if used == here:
        return "the only card" if here == 1 else "all cards are needed"
    rest = "the other one is" if here - used == 1 else f"the other {here - used} are"
    return f"{used} of {here} cards will do; {rest} free for a second copy"


def _contents(demand: Demand, judgement: Judgement) -> str:
    if not judgement.buys.pictures_per_request:
        return f"{demand.max_model_len:,} tokens"
    number, each = judgement.buys.pictures_per_request, most_picture_tokens(demand.limits)
    video = f", or a video of {_frames(demand)} frames" if demand.videos else ""
    pictures = f"{number} pictures" if number > 1 else "1 picture"
    return f"{pictures} of {each:,} tokens{video}, and {fit().answer_tokens:,} for thinking and the answer"


def _frames(demand: Demand) -> int:
    return limit(demand.limits, "video_max_frames", VIDEO_MAX_FRAMES)


def _given_up(found: Found) -> Iterator[str]:
    """What is less than on the goal's first rung."""
    demand, wanted = found.case.demand, found.wanted
    if demand.quantization != wanted.quantization:
        yield f"weights in {wanted.quantization}: {demand.quantization} instead"
    if demand.max_model_len < wanted.max_model_len:
        yield f"requests of {wanted.max_model_len:,} tokens: {demand.max_model_len:,} at most"
    if found.case.weights.shape.vision:
        yield from _pictures_given_up(demand, wanted)
    if demand.max_num_seqs < wanted.max_num_seqs:
        yield f"{wanted.max_num_seqs} requests at once: {demand.max_num_seqs}, and further ones wait"
    if demand.max_num_batched_tokens < wanted.max_num_batched_tokens:
        steps = f"{wanted.max_num_batched_tokens:,} tokens: {demand.max_num_batched_tokens:,}"
        yield f"prefill steps of {steps}, so that long prompts take more of them"
    if not found.is_certain:
        yield "certainty: it is expected to fit, and does not if the engine takes the most that is thinkable"


def _pictures_given_up(demand: Demand, wanted: Demand) -> Iterator[str]:
    largest, smaller = most_picture_tokens(wanted.limits), most_picture_tokens(demand.limits)
    if smaller < largest:
        yield f"pictures of {largest:,} tokens: larger ones than {smaller:,} are made smaller"
    if demand.images < wanted.images:
        yield f"{wanted.images} pictures in a request: {demand.images}"
    if demand.videos < wanted.videos:
        yield "videos: there is no room for one"
    elif _frames(demand) < _frames(wanted) and demand.videos:
        yield f"{_frames(wanted)} frames of a video: {_frames(demand)}"
