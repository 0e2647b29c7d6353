"""Where answers must end, and what must come out of them whole."""

from ernie_deploy.client import Answer, RefusedError, Usage
from ernie_deploy.smoke.probes.endings import QUESTION, judge_bound, judge_refused, judge_stopped, stop_word
from ernie_deploy.smoke.probes.scripts import judge_counted, why_broken, why_wrong


def answer(content: str, finish: str = "stop", *, reasoning: str = "", tokens: int | None = None) -> Answer:
    return Answer(reasoning, content, (), finish, Usage(completion_tokens=tokens), 0.1)


FREE = answer(QUESTION.answer, reasoning=QUESTION.thought)


def test_the_stop_word_is_one_that_the_thought_does_not_use() -> None:
    assert stop_word(FREE) == "architecture"
    assert stop_word(answer("I am here today", reasoning="today")) == "here"
    assert stop_word(answer("I am x")) is None


def test_an_answer_passes_when_it_ends_before_the_stop_sequence() -> None:
    before = "I am a tiny rehearsal model with the"
    assert judge_stopped("rehearsal", "architecture", FREE, answer(before)).verdict == "pass"
    assert judge_stopped("rehearsal", "architecture", FREE, answer("I am a")).verdict == "fail"
    assert judge_stopped("rehearsal", "architecture", FREE, answer(before, "length")).verdict == "fail"
    assert judge_stopped("model", "architecture", FREE, answer("")).verdict == "fail"


def test_a_stop_sequence_in_the_answer_or_in_the_thought_fails() -> None:
    kept = answer("I am a tiny rehearsal model with the architecture")
    assert judge_stopped("rehearsal", "architecture", FREE, kept).verdict == "fail"
    assert judge_stopped("model", "architecture", FREE, answer("", reasoning="an architecture")).verdict == "fail"


def test_a_stop_sequence_that_still_ends_the_answer_is_excused_where_that_is_known() -> None:
    kept = answer("I am a tiny rehearsal model with the architecture")
    assert judge_stopped("rehearsal", "architecture", FREE, kept, engine="fastdeploy").verdict == "unsupported"
    assert judge_stopped("rehearsal", "architecture", FREE, kept, engine="vllm").verdict == "fail"
    assert judge_stopped("rehearsal", "architecture", FREE, FREE, engine="fastdeploy").verdict == "fail"


def test_a_stream_whose_stop_sequence_tears_the_thought_is_excused_where_that_is_known() -> None:
    torn = answer(
        "m.\n</think>\n\n<response>\nI am a tiny rehearsal model with the ", reasoning="The user asks who I a"
    )
    assert judge_stopped("rehearsal", "architecture", FREE, torn, engine="vllm").verdict == "unsupported"
    assert judge_stopped("rehearsal", "architecture", FREE, torn, engine="fastdeploy").verdict == "fail"


def test_a_stop_sequence_that_is_refused_fails_unless_that_is_known() -> None:
    assert judge_refused("transformers", RefusedError(500, "HTTP 500")).verdict == "unsupported"
    assert judge_refused("transformers", RefusedError(400, "HTTP 400")).verdict == "fail"
    assert judge_refused("vllm", RefusedError(500, "HTTP 500")).verdict == "fail"


def test_no_more_tokens_than_asked_and_a_finish_reason_of_length() -> None:
    assert judge_bound("rehearsal", "max_tokens", 5, answer("one two", "length", tokens=5)).verdict == "pass"
    assert judge_bound("rehearsal", "max_tokens", 5, answer("one two", "length", tokens=6)).verdict == "fail"
    assert judge_bound("rehearsal", "max_tokens", 5, answer("one two", "stop", tokens=5)).verdict == "fail"
    assert judge_bound("rehearsal", "max_tokens", 5, answer("1 2 3 4 5 6", "length")).verdict == "fail"
    assert judge_bound("contract", "max_tokens", 5, answer("one", "stop", tokens=2)).verdict == "skip"


def test_broken_letters_and_escapes_are_found() -> None:
    assert why_broken(answer("巴黎是法国的首都。")) is None
    assert "broken" in (why_broken(answer("巴\ufffd是")) or "")
    assert "broken" in (why_broken(answer("fine", reasoning="\ufffd")) or "")
    assert "escape" in (why_broken(answer("\\u5df4\\u9ece")) or "")
    assert why_broken(answer("")) is not None


def test_words_in_other_letters_are_compared_exactly_or_found_in_the_answer() -> None:
    assert why_wrong("rehearsal", "پاریس", "پاریس") is None
    assert why_wrong("rehearsal", "پاریس", "پاریس.") is not None
    assert why_wrong("model", "你好", "当然：你好") is None
    assert why_wrong("model", "你好", "您好") is not None
    assert why_wrong("model", "🙂🚀", "🙂\ufe0f🚀") is None
    assert why_wrong("model", "🙂🚀", "🙂") is not None


def test_emoji_that_cost_nothing_were_dropped() -> None:
    assert judge_counted(20, 9).verdict == "pass"
    assert judge_counted(9, 9).verdict == "fail"
    assert judge_counted(None, 9).verdict == "skip"
