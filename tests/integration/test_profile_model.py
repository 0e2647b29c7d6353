"""Profile `model` against an oracle: what is right passes however it is said, and what is wrong fails.

The real model is too large for these machines, so nothing else shows that its free words are read as they are meant.
"""

from collections.abc import Collection

import pytest

from ernie_deploy.client import Client, Endpoint
from ernie_deploy.smoke.registry import PROBES
from ernie_deploy.smoke.run import Outcome, is_left_out, run, select
from ernie_deploy.smoke.target import Target
from tests.support.oracle.facts import Fact, lie
from tests.support.oracle.request import MAX_MODEL_LEN
from tests.support.oracle.server import MODEL, oracle
from tests.support.oracle.wording import MANNERS, Manner, plain

OF_THE_MODEL = ("chat", "thinking", "vision", "video", "tools")
"""Needs of the probes that ask the model something."""

NOT_PASSED = {"metrics": "skip"}
"""The oracle serves no metrics. Everything else it plays."""

JUDGED_BY_WORDS = (
    "text",
    "repeatable",
    "streaming",
    "reasoning-budget",
    "thinking-off",
    "system-prompt",
    "multi-turn",
    "needle",
    "unicode-chinese",
    "unicode-persian",
    "unicode-emoji",
    "image",
    "image-digit",
    "two-images",
    "image-large",
    "image-wrong-type",
    "chart-tallest",
    "chart-value",
    "stem-sum",
    "grounding",
    "grounding-named",
    "grounding-scale",
    "video-order",
    "video-event",
    "two-videos",
    "tool-call",
    "tool-stream",
    "two-calls",
    "two-calls-stream",
    "tool-result",
    "tool-unused",
    "zoom-loop",
    "image-search",
    "concurrency",
)
"""Two of them do not know what is true, but ask the same again: the liar never tells the same lie twice."""

IN_CALLS = ("tool-call", "tool-stream", "two-calls", "two-calls-stream")
"""Of these the probes that are answered by calls alone: in no manner, but about the wrong corner by a liar."""

IF_NAMED = (
    "repeatable",
    "streaming",
    "reasoning-budget",
    "thinking-off",
    "unicode-chinese",
    "unicode-persian",
    "unicode-emoji",
)
"""Of these the probes that are content when the right word is among others, or when nothing is said, but twice."""

SLOW = frozenset(("image-large", "image-bomb"))
"""They draw hundreds of millions of pixels, so they are asked in one manner; their words are those of `image`."""


def smoke(
    manner: Manner, seed: int, names: Collection[str], *, skip: Collection[str] = (), lies: bool = False
) -> dict[str, Outcome]:
    """The outcomes of the probes with these ids or needs, by their ids."""
    with oracle(manner, lies=lies) as url, Client(Endpoint(url, MODEL)) as client:
        target = Target(client, "unknown", "model", seed, timeout_s=20, max_model_len=MAX_MODEL_LEN)
        outcomes = tuple(run(PROBES, target, select(PROBES, only=names, skip=skip)))
    return {outcome.id: outcome for outcome in outcomes if not is_left_out(outcome)}


def other_than(verdict: str, outcomes: dict[str, Outcome]) -> dict[str, tuple[str, str]]:
    return {name: (found.verdict, found.message) for name, found in outcomes.items() if found.verdict != verdict}


def verdicts(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {name: verdict for name, (verdict, _) in found.items()}


def slow(manner: str) -> frozenset[str]:
    """The probes to leave out in this manner."""
    return frozenset() if manner == "plain" else SLOW


@pytest.mark.parametrize("manner", MANNERS)
def test_a_model_that_is_right_passes_all_probes_however_it_says_it(manner: str) -> None:
    found = other_than("pass", smoke(MANNERS[manner], 1, OF_THE_MODEL, skip=slow(manner)))
    assert verdicts(found) == NOT_PASSED, found


@pytest.mark.parametrize("manner", MANNERS)
def test_what_is_right_is_right_about_other_pictures_too(manner: str) -> None:
    outcomes = smoke(MANNERS[manner], 2, JUDGED_BY_WORDS, skip=SLOW)
    assert set(outcomes) == set(JUDGED_BY_WORDS) - SLOW
    assert other_than("pass", outcomes) == {}


@pytest.mark.parametrize("manner", MANNERS)
def test_a_model_that_is_wrong_fails_the_probes_that_judge_words_and_no_other(manner: str) -> None:
    outcomes = smoke(MANNERS[manner], 1, OF_THE_MODEL, skip=slow(manner), lies=True)
    judged = [name for name in JUDGED_BY_WORDS if name not in slow(manner)]
    found = other_than("pass", outcomes)
    assert verdicts(found) == NOT_PASSED | dict.fromkeys(judged, "fail"), found
    assert [outcomes[name].exchanges[-1].error for name in judged if outcomes[name].exchanges[-1].error] == []


def undecided(fact: Fact) -> str:
    return f"{plain(lie(fact, 0))} Or maybe: {plain(fact)}"


def ignorant(_: Fact) -> str:
    return "I am sorry, but I cannot tell."


@pytest.mark.parametrize("manner", [undecided, ignorant])
def test_who_names_two_answers_or_none_is_not_right(manner: Manner) -> None:
    left_out = SLOW | {*IF_NAMED, *IN_CALLS}
    outcomes = smoke(manner, 1, JUDGED_BY_WORDS, skip=left_out)
    assert set(outcomes) == set(JUDGED_BY_WORDS) - left_out
    assert other_than("fail", outcomes) == {}
