"""`plan --fit --for documents`: what is proposed fits, nothing better does, and more memory never makes it worse."""

import json
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ernie_deploy.architecture.tokens import AROUND_A_PICTURE, PIXELS_PER_TOKEN, most_video_tokens
from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.catalog.fit import fit
from ernie_deploy.catalog.goals import Goal, Rung, goal_named, goals
from ernie_deploy.catalog.load import engines
from ernie_deploy.cli.app import app
from ernie_deploy.cli.options import Asked
from ernie_deploy.cli.stages import planned
from ernie_deploy.errors import UsageError
from ernie_deploy.plan.assess import Unknown, case_of
from ernie_deploy.plan.demand import Demand, demand_of
from ernie_deploy.plan.gate import Case, fits, is_allowed, judge
from ernie_deploy.plan.goals import SETTABLE, SLOTS, Sure, best, rank
from ernie_deploy.plan.memory import Room, weights_of
from ernie_deploy.plan.proposal import Impossible, Proposal
from ernie_deploy.plan.values import Plan

MODEL = weights_of(architectures()["baidu/ERNIE-4.5-VL-28B-A3B-Thinking"])
DEMANDS = {
    "fastdeploy": Demand("fastdeploy", "wint8", 131072, 32, 16384, limits={"image_max_pixels": 12845056}),
    "vllm": Demand("vllm", "bf16", 131072, 256, 8192, 0.92, images=999, videos=999, block_size=16),
    "transformers": Demand("transformers", "bf16", 131072, 1, 16384, 1.0, images=999, videos=999, block_size=1),
}
SINGLE_MIB = (15360, 24564, 32607, 40960, 46068, 49140, 81559, 97887, 143771)
CARDS = (*((mib, 1) for mib in SINGLE_MIB), (24564, 2), (24564, 4), (46068, 2), (81559, 4))
NAMES = tuple(goals().goals)
Way = tuple[int, Sure, int, int, int]


def on(mib: int, cards: int = 1, engine: str = "fastdeploy", others_mib: int | None = 0) -> Case:
    others = None if others_mib is None else others_mib << 20
    return Case(DEMANDS[engine], MODEL, tuple(Room("a card", mib << 20, others, index) for index in range(cards)))


@cache
def found(name: str, mib: int, cards: int = 1, engine: str = "fastdeploy") -> Proposal | Impossible:
    return best(on(mib, cards, engine), goal_named(name))


def rungs(goal: Goal, engine: str) -> list[Rung]:
    """Those that differ for an engine that has not all the bits."""
    there = [one.bits for one in fit().engines[engine].quantizations.values()]
    bits = {rung.bits: min(one for one in there if one >= rung.bits) for rung in goal.rungs}
    return list(dict.fromkeys(msgspec.structs.replace(rung, bits=bits[rung.bits]) for rung in goal.rungs))


def holds(case: Case, goal: Goal, rung: Rung, way: Way) -> bool:
    """Whether this way of standing on a rung holds all that it promises; written down without any search."""
    _, sure, cards, step, slots = way
    engine, limits = case.demand.engine, {"image_max_pixels": rung.picture_tokens * PIXELS_PER_TOKEN}
    limits |= {"video_max_frames": rung.video_frames} if rung.video_frames else {}
    names = (one for one in engines()[engine].quantizations)
    demand = msgspec.structs.replace(
        case.demand,
        quantization=next(one for one in names if fit().engines[engine].quantizations[one].bits == rung.bits),
        max_model_len=rung.max_model_len,
        max_num_seqs=slots,
        max_num_batched_tokens=step,
        tensor_parallel_size=cards,
        images=rung.images,
        videos=int(rung.video_frames > 0),
        limits=case.demand.limits | limits,
    )
    judgement = judge(Case(demand, case.weights, case.rooms[:cards]))
    ledger, each = judgement.ledger, min(goal.request.tokens, rung.max_model_len)
    sure_bytes = ledger.kv_low if sure == "certain" else ledger.kv_bytes
    is_sure = sure == "likely" or judgement.confidence == "certain"
    has_room = ledger.tokens(sure_bytes) >= rung.at_once * each and ledger.kv_tokens >= slots * each
    return is_allowed(demand) and judgement.verdict == "fits" and is_sure and has_room


def way_of(proposal: Proposal) -> Way:
    demand = proposal.demand
    sure: Sure = "certain" if proposal.is_certain else "likely"
    cards = demand.tensor_parallel_size
    return proposal.level, sure, cards, demand.max_num_batched_tokens, demand.max_num_seqs


def better(goal: Goal, levels: list[Rung], way: Way, most_cards: int) -> Iterator[Way]:
    """For each of its choices the nearest ways that would be preferred, with as little of all else as there is."""
    level, sure, cards, step, slots = way
    least = goal.steps[-1]
    sizes = [size for size in (1, 2, 4) if size <= most_cards]
    for other, rung in enumerate(levels):
        for kind in get_args(Sure):
            if rank(other, kind) < rank(level, sure):
                yield from ((other, kind, size, least, rung.at_once) for size in sizes)
    yield from ((level, sure, size, least, levels[level].at_once) for size in sizes if size < cards)
    larger = [one for one in goal.steps if one > step]
    yield from ((level, sure, cards, one, levels[level].at_once) for one in larger[-1:])
    more = [one for one in SLOTS if one > slots]
    yield from ((level, sure, cards, step, one) for one in more[:1])


def goodness(proposal: Proposal | Impossible, goal: Goal) -> tuple[int, ...]:
    """What the search maximizes, in its order; less than everything when there is no proposal."""
    if isinstance(proposal, Impossible):
        return (-1000,)
    level, sure, cards, step, slots = way_of(proposal)
    return (-rank(level, sure), -cards, -goal.steps.index(step) if step in goal.steps else 0, slots)


@pytest.mark.parametrize("name", NAMES)
def test_every_rung_holds_what_it_says(name: str) -> None:
    goal, answer = goal_named(name), fit().answer_tokens
    for rung in goal.rungs:
        length = rung.max_model_len
        assert rung.pictures * (rung.picture_tokens + AROUND_A_PICTURE) + answer <= length, rung
        video = most_video_tokens({"video_max_frames": rung.video_frames}) if rung.video_frames else 0
        assert video + AROUND_A_PICTURE + answer <= length, rung
        assert rung.images >= rung.pictures
        assert rung.at_once in SLOTS
        assert length % 1024 == 0
    assert list(goal.steps) == sorted(goal.steps, reverse=True)
    assert [rung.bits for rung in goal.rungs] == sorted((rung.bits for rung in goal.rungs), reverse=True)


@pytest.mark.parametrize("name", ["documents", "video", "zoom"])
def test_no_goal_is_served_with_less_than_was_promised_for_it(name: str) -> None:
    least = goal_named(name).rungs[-1]
    promised = {"documents": least.pictures >= 4, "video": least.video_frames >= 30, "zoom": least.images >= 10}
    assert promised[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", DEMANDS)
def test_what_is_proposed_fits_when_planned_again(name: str, engine: str) -> None:
    for mib, cards in CARDS:
        proposal = found(name, mib, cards, engine)
        if isinstance(proposal, Proposal):
            case = on(mib, cards, engine)
            rooms = case.rooms[: proposal.demand.tensor_parallel_size]
            assert fits(Case(proposal.demand, MODEL, rooms)), (mib, cards)
            assert set(proposal.settings) <= set(engines()[engine].settings)
            assert proposal.demand.max_num_seqs <= 256
            assert proposal.whys.keys() == proposal.settings.keys()
            assert proposal.at_once == proposal.demand.max_num_seqs or engine == "transformers"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ["fastdeploy", "vllm"])
def test_nothing_better_would_have_fitted(name: str, engine: str) -> None:
    goal = goal_named(name)
    levels = rungs(goal, engine)
    for mib, cards in CARDS:
        proposal, case = found(name, mib, cards, engine), on(mib, cards, engine)
        if isinstance(proposal, Proposal):
            way = way_of(proposal)
            assert holds(case, goal, levels[way[0]], way), (mib, cards)
            ways = list(better(goal, levels, way, cards))
        else:
            ways = [(level, "likely", cards, goal.steps[-1], rung.at_once) for level, rung in enumerate(levels)]
        for way in ways:
            assert not holds(case, goal, levels[way[0]], way), (mib, cards, way)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", DEMANDS)
def test_a_larger_card_never_gets_a_worse_proposal(name: str, engine: str) -> None:
    reached = [goodness(found(name, mib, 1, engine), goal_named(name)) for mib in SINGLE_MIB]
    assert reached == sorted(reached)
    assert len(set(reached)) >= 4 or engine == "transformers"


def test_certainty_is_worth_two_rungs_and_no_third() -> None:
    ways: list[tuple[int, Sure]] = [(2, "likely"), (0, "certain"), (3, "certain"), (0, "likely"), (2, "certain")]
    in_order = [(0, "certain"), (2, "certain"), (0, "likely"), (3, "certain"), (2, "likely")]
    assert sorted(ways, key=lambda way: rank(*way)) == in_order


def test_a_lower_rung_that_is_certain_is_preferred() -> None:
    proposal = found("documents", 40960, 1, "vllm")
    assert isinstance(proposal, Proposal)
    goal = goal_named("documents")
    levels = rungs(goal, "vllm")
    assert (proposal.level, proposal.is_certain) == (5, True)
    assert holds(on(40960, 1, "vllm"), goal, levels[4], (4, "likely", 1, 2048, 1))


def test_where_nothing_is_certain_what_is_expected_to_fit_is_proposed() -> None:
    proposal = found("documents", 21 * 1024)
    assert isinstance(proposal, Proposal)
    assert not proposal.is_certain
    assert proposal.judgement.confidence == "likely"


@pytest.mark.parametrize("name", NAMES)
def test_more_cards_never_get_a_worse_proposal(name: str) -> None:
    for mib in (15360, 24564, 46068, 81559):
        ranks = [goodness(found(name, mib, cards), goal_named(name))[0] for cards in (1, 2, 4)]
        assert ranks == sorted(ranks), mib


def test_what_the_documented_cards_get_for_documents() -> None:
    wanted = {(24564, 1): ("wint4", 32768), (46068, 1): ("wint8", 98304), (49140, 1): ("wint8", 131072),
              (81559, 1): ("bf16", 131072), (46068, 2): ("bf16", 131072)}  # fmt: skip
    got = {}
    for card in wanted:
        proposal = found("documents", *card)
        assert isinstance(proposal, Proposal)
        got[card] = (proposal.demand.quantization, proposal.demand.max_model_len)
    assert got == wanted


def test_a_proposal_buys_what_its_rung_promises() -> None:
    for name in NAMES:
        for mib in SINGLE_MIB:
            proposal = found(name, mib)
            if isinstance(proposal, Proposal):
                rung = goal_named(name).rungs[proposal.level]
                assert proposal.judgement.buys.pictures_per_request >= rung.pictures, (name, mib)
                assert proposal.judgement.buys.full_length_requests >= 1, (name, mib)


def test_the_first_rung_gives_nothing_up() -> None:
    proposal = found("documents", 143771)
    assert isinstance(proposal, Proposal)
    assert (proposal.level, proposal.given_up, proposal.is_certain) == (0, (), True)


def test_what_is_given_up_is_said() -> None:
    proposal = found("documents", 24564)
    assert isinstance(proposal, Proposal)
    assert proposal.given_up == (
        "weights in bf16: wint4 instead",
        "requests of 131,072 tokens: 32,768 at most",
        "pictures of 16,384 tokens: larger ones than 6,177 are made smaller",
        "prefill steps of 16,384 tokens: 4,096, so that long prompts take more of them",
    )


def test_transformers_says_what_it_has_no_setting_for() -> None:
    proposal = found("documents", 81559, 1, "transformers")
    assert isinstance(proposal, Proposal)
    assert proposal.settings == {"quantization": "bf16"}
    assert "pictures of 16,384 tokens: larger ones than 6,177 are made smaller" in proposal.given_up
    chat = found("chat", 81559, 1, "transformers")
    assert isinstance(chat, Proposal)
    assert "16 requests at once: 1, and further ones wait" in chat.given_up


def test_cards_that_are_not_needed_are_left_free() -> None:
    case = on(81559, 4)
    busy = msgspec.structs.replace(case.rooms[0], others_bytes=1 << 30)
    proposal = best(case._replace(rooms=(busy, *case.rooms[1:])), goal_named("chat"))
    assert isinstance(proposal, Proposal)
    assert proposal.cards == (1,)
    assert proposal.whys["tensor_parallel_size"] == "1 of 4 cards will do; the other 3 are free for a second copy"
    alone = found("chat", 46068, 2)
    assert isinstance(alone, Proposal)
    assert (alone.cards, alone.demand.tensor_parallel_size) == ((), 2)


def test_memory_that_others_use_of_unknown_size_makes_nothing_certain() -> None:
    proposal = best(on(143771, others_mib=None), goal_named("video"))
    assert isinstance(proposal, Proposal)
    assert (proposal.level, proposal.is_certain) == (0, False)
    assert proposal.given_up[-1].startswith("certainty: it is expected to fit")


@pytest.mark.parametrize("key", SETTABLE)
def test_a_setting_that_is_asked_for_stays(key: str) -> None:
    case = on(46068)
    proposal = best(case, goal_named("chat"), keep=[key])
    assert isinstance(proposal, Proposal)
    field = {"mm_processor_kwargs": "limits", "limit_mm_per_prompt": "images"}.get(key, key)
    assert getattr(proposal.demand, field) == getattr(case.demand, field)
    assert proposal.whys[key] == "as asked for"


def test_with_fewer_bits_that_are_asked_for_more_requests_run_at_once() -> None:
    case = on(46068)
    small = Case(msgspec.structs.replace(case.demand, quantization="wint4"), case.weights, case.rooms)
    asked, free = best(small, goal_named("chat"), keep=["quantization"]), found("chat", 46068)
    assert isinstance(asked, Proposal)
    assert isinstance(free, Proposal)
    assert (asked.demand.quantization, free.demand.quantization) == ("wint4", "wint8")
    assert asked.at_once > free.at_once
    assert not any("weights" in one for one in asked.given_up)


def test_what_is_impossible_says_why_and_what_would_help() -> None:
    nothing = found("documents", 15360)
    assert isinstance(nothing, Impossible)
    assert nothing.why.endswith("GiB are missing before there is any KV cache")
    assert nothing.least is not None
    assert (nothing.least.quantization, nothing.least.max_model_len) == ("wint4", 32768)
    assert nothing.would_help[0] == "use 2 such cards together"
    assert nothing.would_help[1].endswith("(24 GB) is the smallest known on which it fits")
    assert isinstance(found("documents", 15360, 2), Proposal)


def test_a_card_that_the_engine_has_no_kernels_for_is_not_proposed() -> None:
    asked: list[str] = []

    def suits(capability: str) -> bool:
        asked.append(capability)
        return capability == "9.0"

    nothing = best(on(15360), goal_named("chat"), suits=suits)
    assert isinstance(nothing, Impossible)
    assert "NVIDIA H" in nothing.would_help[-1]
    assert "8.6" in asked


def test_others_that_are_in_the_way_are_named() -> None:
    nothing = best(on(24564, others_mib=20000), goal_named("chat"))
    assert isinstance(nothing, Impossible)
    assert nothing.would_help[0] == "stop what else uses the cards: up to 19.5 GiB of one are in use"


def test_a_model_that_does_not_see_can_only_chat() -> None:
    text = weights_of(architectures()["baidu/ERNIE-4.5-21B-A3B-Thinking"])
    case = on(46068)._replace(weights=text)
    for name in ("documents", "video", "zoom"):
        assert best(case, goal_named(name)) == Impossible("this model does not see, and the goal is about pictures")
    chat = best(case, goal_named("chat"))
    assert isinstance(chat, Proposal)
    assert "limit_mm_per_prompt" not in chat.settings


def test_a_context_that_is_too_short_for_a_goal_is_said() -> None:
    shape = msgspec.structs.replace(MODEL.shape, max_position_embeddings=8192)
    case = on(46068)._replace(weights=weights_of(shape))
    nothing = best(case, goal_named("video"))
    assert nothing == Impossible("the model's context ends at 8,192 tokens, and the goal needs more")
    chat = best(case, goal_named("chat"))
    assert isinstance(chat, Proposal)
    assert chat.demand.max_model_len == 8192


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    engine=st.sampled_from(tuple(DEMANDS)),
    sizes_mib=st.lists(st.integers(1, 150_000), min_size=1, max_size=4),
    others_mib=st.none() | st.integers(0, 60_000),
    more_mib=st.integers(0, 40_000),
    keep=st.sets(st.sampled_from(SETTABLE)),
)
def test_any_proposal_fits_and_no_larger_cards_get_a_worse_one(
    name: str, engine: str, sizes_mib: list[int], others_mib: int | None, more_mib: int, keep: set[str]
) -> None:
    goal = goal_named(name)

    def case(extra_mib: int) -> Case:
        others = None if others_mib is None else others_mib << 20
        rooms = (Room("a card", size + extra_mib << 20, others, index) for index, size in enumerate(sizes_mib))
        return Case(DEMANDS[engine], MODEL, tuple(rooms))

    small, large = (best(case(extra), goal, keep=keep) for extra in (0, more_mib))
    assert goodness(large, goal)[0] >= goodness(small, goal)[0]
    if isinstance(small, Proposal):
        chosen = small.cards or tuple(range(len(sizes_mib)))
        rooms = tuple(case(0).rooms[index] for index in chosen)
        assert fits(Case(small.demand, MODEL, rooms))
        assert all(getattr(small.demand, key) == getattr(DEMANDS[engine], key) for key in keep & {*SETTABLE[:5]})


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("document", "did you mean documents?"),
        ("Chat ", "did you mean chat?"),
        ("", "known are: chat, documents, video, zoom"),
        ("x" * 100_000, "known are: chat, documents, video, zoom"),
    ],
)
def test_a_word_that_is_no_goal_is_refused_with_the_nearest(word: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        goal_named(word)
    assert caught.value.message == f"--for: {word[:60]!r} is no goal"
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("documents", ["--gpu", "L20"]),
        ("chat", ["--gpu", "2xA30"]),
        ("video", ["--gpu", "L20", "--engine", "vllm"]),
    ],
)
def test_the_flags_give_the_plan_that_was_proposed(
    name: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("ERNIE_DEPLOY_STATE", "ERNIE_DEPLOY_ENGINES", "HF_HUB_CACHE", "PATH"):
        monkeypatch.setenv(variable, str(tmp_path))
    flags: dict[str, object] = {"engine": "vllm"} if "vllm" in words else {}
    made = planned(Asked(None, flags, cards=(words[1],)))
    case = case_of(made.plan, made.facts)
    assert not isinstance(case, Unknown)
    proposal = best(case, goal_named(name))
    assert isinstance(proposal, Proposal)
    done = CliRunner().invoke(app, ["plan", *words, *shlex.split(proposal.flags), "--json"])
    assert done.exit_code == 0, done.exception
    told: dict[str, Any] = json.loads(done.stdout)
    again = msgspec.convert(told["plan"], Plan)
    assert demand_of(again, longest=MODEL.shape.max_position_embeddings) == proposal.demand
    assert {key: told["plan"][key]["value"] for key in proposal.settings} == proposal.settings
    assert told["memory"]["verdict"] == "fits"
