"""Memory, the limit of the context, many at once, and long answers: what is judged, from answers as values."""

import threading

from ernie_deploy.client import Answer, Delta, RawAnswer, RefusedError, Usage
from ernie_deploy.errors import DeployError, EngineError
from ernie_deploy.smoke.lengths import Ruler
from ernie_deploy.smoke.probes import context_limit, remembering
from ernie_deploy.smoke.probes.load import judge_crowd, most_beside
from ernie_deploy.smoke.probes.long_answers import judge_freed, judge_long
from ernie_deploy.smoke.together import at_once


def answer(content: str = "yes", *, tokens: int | None = None, begin: float = 0.0, end: float = 0.1) -> Answer:
    return Answer("", content, (), "stop", Usage(prompt_tokens=tokens), end, ttft_s=begin)


def raw(status: int, body: str, **headers: str) -> RawAnswer:
    return RawAnswer(status, headers, body.encode(), "http://127.0.0.1:9/v1/chat/completions", 0.1)


# What was said before -------------------------------------------------------------------------------------------------


def test_the_secret_word_must_be_the_right_one() -> None:
    assert remembering.why_wrong("rehearsal", "apple", answer("The secret word is apple.")) is None
    assert remembering.why_wrong("rehearsal", "apple", answer("The secret word is river.")) is not None
    assert remembering.why_wrong("model", "apple", answer("It is **Apple**.")) is None
    assert remembering.why_wrong("model", "apple", answer("I cannot tell.")) is not None
    assert remembering.why_wrong("model", "apple", answer("")) is not None
    assert remembering.why_wrong("model", "apple", answer("It may be apple, river or candle.")) is not None


def test_what_costs_no_tokens_was_not_read() -> None:
    assert remembering.judge_cost("a system line", 60, 20).verdict == "pass"
    assert remembering.judge_cost("a system line", 20, 20).verdict == "fail"
    assert remembering.judge_cost("a system line", None, 20).verdict == "skip"


def test_fewer_tokens_than_words_mean_that_a_prompt_was_cut() -> None:
    assert remembering.why_cut(300, 310) is None
    assert "cut" in (remembering.why_cut(300, 200) or "")
    assert remembering.why_cut(300, None) is None


def test_the_filler_leaves_room_for_the_answer() -> None:
    assert remembering.filler_words("model", 131072, 2048) == 8000
    assert remembering.filler_words("model", 4096, 1024) == 1486
    assert remembering.filler_words("rehearsal", 300, 150) == 25
    assert remembering.filler_words("model", None, 2048) == 2000


# The limit of the context ---------------------------------------------------------------------------------------------


def test_blocks_are_counted_up_to_a_length_and_not_above_it() -> None:
    measured = Ruler(first=130, each=120)
    assert (measured.blocks_within(129), measured.blocks_within(130), measured.blocks_within(250)) == (0, 1, 2)
    assert measured.tokens(measured.blocks_within(1000)) <= 1000 < measured.tokens(measured.blocks_within(1000) + 1)


def test_a_prompt_below_the_limit_must_be_counted_whole() -> None:
    assert context_limit.judge_taken(4000, 4096, 4001).verdict == "pass"
    assert "cut" in context_limit.judge_taken(4000, 4096, 2048).message
    assert context_limit.judge_taken(4000, 4096, 2048).verdict == "fail"
    assert context_limit.judge_taken(4000, 4096, 5000).verdict == "fail"
    assert context_limit.judge_taken(4000, 4096, None).verdict == "fail"


def test_a_prompt_above_the_limit_must_be_refused_in_words() -> None:
    words = "http://host: HTTP 400: the prompt is too long"
    assert context_limit.judge_refused("vllm", 5000, 4096, RefusedError(400, words)).verdict == "pass"
    assert (
        context_limit.judge_refused("vllm", 5000, 4096, RefusedError(400, "HTTP 400: (no message)")).verdict == "fail"
    )
    assert context_limit.judge_refused("vllm", 5000, 4096, RefusedError(429, words)).verdict == "fail"
    assert context_limit.judge_refused("vllm", 5000, 4096, RefusedError(500, words)).verdict == "fail"
    assert context_limit.judge_refused("fastdeploy", 5000, 4096, RefusedError(500, words)).verdict == "unsupported"


def test_a_prompt_above_the_limit_that_is_accepted_is_told_as_cut() -> None:
    cut = context_limit.judge_accepted("vllm", 5000, 4096, answer(tokens=4095))
    assert (cut.verdict, "cut without a word" in cut.message) == ("fail", True)
    assert context_limit.judge_accepted("fastdeploy", 5000, 4096, answer(tokens=4095)).verdict == "unsupported"
    whole = context_limit.judge_accepted("vllm", 5000, 4096, answer(tokens=5000))
    assert (whole.verdict, "max_model_len is not 4096" in whole.message) == ("fail", True)


# Many at once ---------------------------------------------------------------------------------------------------------


def test_streams_side_by_side_are_told_from_streams_one_after_another() -> None:
    assert most_beside([answer(begin=0.1, end=1.0), answer(begin=0.2, end=1.1), answer(begin=1.2, end=2.0)]) == 2
    assert most_beside([answer(begin=0.1, end=1.0), answer(begin=1.0, end=2.0)]) == 1
    assert most_beside([answer(begin=0.1, end=0.2), answer(begin=0.2, end=0.3)]) is None


def test_a_crowd_is_answered_or_refused_with_a_reason() -> None:
    good = raw(200, '{"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}')
    full = raw(429, '{"detail": "Too many requests"}')
    assert judge_crowd([good, good]).verdict == "pass"
    assert judge_crowd([good, full]).verdict == "pass"
    assert judge_crowd([good, raw(429, "", **{"retry-after": "1"})]).verdict == "pass"
    assert judge_crowd([good, raw(429, "")]).verdict == "fail"
    assert judge_crowd([full, full]).verdict == "fail"
    assert judge_crowd([good, raw(500, "broken")]).verdict == "fail"
    assert judge_crowd([good, EngineError("the connection broke")]).verdict == "fail"
    assert judge_crowd([good, raw(200, '{"choices": [{"message": {"content": ""}}]}')]).verdict == "fail"


def test_jobs_at_once_keep_their_order_and_their_errors() -> None:
    barrier = threading.Barrier(2, timeout=5)

    def meets() -> str:
        barrier.wait()
        return "met"

    def breaks() -> str:
        barrier.wait()
        raise EngineError("broken")

    first, second = at_once([meets, breaks])
    assert first == "met"
    assert isinstance(second, DeployError)


# Long answers ---------------------------------------------------------------------------------------------------------


def stream(
    count: int, *, per_chunk: int = 1, gap_s: float = 0.01, done: bool = True, finish: str = "stop"
) -> list[Delta]:
    deltas = [Delta(index * gap_s, content="x", carries_tokens=True) for index in range(count)]
    deltas.append(Delta(count * gap_s, finish_reason=finish, usage=Usage(completion_tokens=count * per_chunk)))
    return [*deltas, Delta(count * gap_s, is_done=True)] if done else deltas


def test_a_long_answer_must_come_in_many_pieces_without_a_long_silence_to_its_end() -> None:
    assert judge_long(stream(200), needs_done=True, asked=300).verdict == "pass"
    assert judge_long(stream(10, per_chunk=20), needs_done=True, asked=300).verdict == "fail"
    assert judge_long(stream(200, gap_s=31), needs_done=True, asked=300).verdict == "fail"
    assert judge_long(stream(200, done=False), needs_done=True, asked=300).verdict == "fail"
    assert judge_long(stream(200, done=False), needs_done=False, asked=300).verdict == "pass"
    assert judge_long(stream(200)[:100], needs_done=True, asked=300).verdict == "fail"
    assert judge_long(stream(20), needs_done=True, asked=300).verdict == "skip"
    assert judge_long(stream(300, finish="length"), needs_done=True, asked=300).verdict == "pass"
    assert "cut after 256 tokens" in judge_long(stream(256, finish="length"), needs_done=True, asked=300).message


def test_places_that_are_not_free_after_a_cancel_are_told() -> None:
    served, stuck = (answer(), answer()), (answer(), EngineError("nothing came"))
    assert judge_freed("vllm", 2, 0.0, served).verdict == "pass"
    assert judge_freed("vllm", 2, None, served).verdict == "pass"
    assert judge_freed("vllm", 2, 2.0, served).verdict == "fail"
    assert judge_freed("fastdeploy", 2, 2.0, served).verdict == "unsupported"
    assert judge_freed("fastdeploy", 2, 2.0, stuck).verdict == "fail"
    assert judge_freed("vllm", 2, 0.0, (answer(), answer(""))).verdict == "fail"
