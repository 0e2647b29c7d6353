"""What an answer must be like for the probes of thinking."""

import pytest

from ernie_deploy.client import Answer, Usage
from ernie_deploy.smoke.base import failed
from ernie_deploy.smoke.probes.reasoning import judge_one
from ernie_deploy.smoke.probes.thinking import QUESTION, judge_bound, judge_hungry, judge_silent, of_both
from ernie_deploy.smoke.target import Profile


def answer(reasoning: str, content: str, finish: str = "stop", tokens: int | None = None) -> Answer:
    return Answer(reasoning, content, (), finish, Usage(completion_tokens=tokens), 0.1)


FREE = answer(QUESTION.thought, QUESTION.answer)
FREE_OF_THOUGHT = answer("", QUESTION.answer)


@pytest.mark.parametrize("profile", ["contract", "model"])
@pytest.mark.parametrize("token", ["<|end_of_sentence|>", "</s>", "<|im_end|>", "<response>", "<mask:1>", "<｜end｜>"])
def test_a_special_token_in_the_text_fails_and_is_named(profile: Profile, token: str) -> None:
    found = judge_one(profile, answer("A thought.", f"Paris.{token} It is."))
    assert (found.verdict, found.message) == ("fail", f"the special token {token} is in the text")
    fine = answer("A thought.", "Paris, where 1 < 2 and <b>bold</b> letters are fine.")
    assert judge_one(profile, fine).verdict == "pass"


def test_a_thought_within_its_budget_and_an_answer_after_it_pass() -> None:
    found = judge_bound("fastdeploy", "rehearsal", "reasoning_max_tokens", 3, FREE, answer("The capital of", "Paris."))
    assert found.verdict == "pass"


def test_a_thought_over_its_budget_fails_or_is_a_known_limit() -> None:
    field = "reasoning_max_tokens"
    assert judge_bound("fastdeploy", "rehearsal", field, 3, FREE, FREE).verdict == "fail"
    assert judge_bound("transformers", "rehearsal", field, 3, FREE, FREE).verdict == "unsupported"


def test_no_answer_after_a_thought_that_was_cut_fails() -> None:
    found = judge_bound("fastdeploy", "rehearsal", "reasoning_max_tokens", 3, FREE, answer("The capital of", ""))
    assert (found.verdict, "the thought was cut at 3 tokens" in found.message) == ("fail", True)


def test_a_real_answer_must_be_right_also_after_a_short_thought() -> None:
    bound = answer("The capital", "I do not know.")
    assert judge_bound("fastdeploy", "model", "reasoning_max_tokens", 16, FREE, bound).verdict == "fail"


def test_a_real_answer_may_be_chinese() -> None:
    bound = answer("The capital", "法国的首都是巴黎。")
    assert judge_bound("fastdeploy", "model", "reasoning_max_tokens", 16, FREE, bound).verdict == "pass"
    assert judge_silent("vllm", "model", answer("", "法国的首都是巴黎。")).verdict == "pass"
    assert judge_silent("vllm", "model", answer("", "法国的首都是里昂。")).verdict == "fail"


def test_a_thought_that_comes_though_switched_off_fails() -> None:
    assert judge_silent("vllm", "rehearsal", FREE).verdict == "fail"
    assert judge_silent("vllm", "rehearsal", answer("", QUESTION.answer)).verdict == "pass"


def test_an_answer_that_lands_in_the_reasoning_is_unsupported_only_where_that_is_known() -> None:
    lost = answer(QUESTION.answer, "")
    assert judge_silent("fastdeploy", "rehearsal", lost).verdict == "unsupported"
    assert judge_silent("unknown", "rehearsal", lost).verdict == "fail"


def test_markers_around_an_answer_in_the_reasoning_are_no_thought() -> None:
    lost = answer(f"<response>\n{QUESTION.answer}\n</response>\n", "")
    assert judge_silent("vllm", "rehearsal", lost).verdict == "unsupported"


def test_of_plain_and_streamed_the_worse_one_counts_and_both_are_told() -> None:
    good, lost = judge_silent("vllm", "model", FREE_OF_THOUGHT), judge_silent("vllm", "model", answer("Paris", ""))
    found = of_both({"enable_thinking": False}, lost, good)
    assert (found.verdict, found.reference) == ("unsupported", lost.reference)
    assert "streamed: no thought came" in found.message
    assert of_both({}, good, failed("a thought came")).verdict == "fail"
    assert of_both({}, good, good).verdict == "pass"


def test_nothing_at_all_or_another_answer_fails_with_the_thinking_off() -> None:
    assert judge_silent("fastdeploy", "rehearsal", answer("", "")).verdict == "fail"
    assert judge_silent("fastdeploy", "rehearsal", answer(QUESTION.thought, "")).verdict == "fail"
    assert judge_silent("fastdeploy", "model", answer("", "London")).verdict == "fail"


def test_a_starved_budget_passes_only_when_it_is_told_as_one() -> None:
    assert judge_hungry("rehearsal", 4, answer("The capital of", "", "length", 4)).verdict == "pass"
    assert judge_hungry("rehearsal", 4, answer("The capital of", "", "stop", 4)).verdict == "fail"
    assert judge_hungry("rehearsal", 4, answer("The capital of", "", "length", 5)).verdict == "fail"
    assert judge_hungry("rehearsal", 4, answer("", "Rome.", "length", 4)).verdict == "fail"
    assert judge_hungry("rehearsal", 4, answer("", "", "length", 4)).verdict == "fail"
    assert judge_hungry("rehearsal", 4, answer(QUESTION.thought, QUESTION.answer, "length")).verdict == "fail"
