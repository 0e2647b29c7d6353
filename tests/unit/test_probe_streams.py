"""Counts, repetition, and the order and times of streams: an answer in, a judgement out."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ernie_deploy.client import Answer, Client, Delta, Endpoint, RawAnswer, RefusedError, Usage
from ernie_deploy.errors import VerifyError
from ernie_deploy.smoke.probes import counting, repeatable, stream_order, stream_start, streaming
from ernie_deploy.smoke.probes.counting import Counted
from ernie_deploy.smoke.target import Target

CAPTURED = Path(__file__).parent.parent / "captured" / "answers"


# Counts ---------------------------------------------------------------------------------------------------------------


def test_counts_add_up_and_a_longer_prompt_costs_more() -> None:
    short = Counted(18, 10, 28)
    assert counting.judge_both(short, Counted(30, 9, 39)).verdict == "pass"
    assert counting.judge_both(short, Counted(18, 9, 27)).verdict == "fail"
    assert counting.judge_both(Counted(18, 10, 29), Counted(30, 9, 39)).message.endswith("18 + 10 = 29")
    assert counting.judge_both(Counted(0, 0, 0), Counted(30, 9, 39)).verdict == "fail"
    assert counting.judge_both("the answer has no usage", short).message == "the answer has no usage"


def test_what_came_must_have_been_counted_thought_and_all() -> None:
    def counted(tokens: int | None) -> Answer:
        return Answer("Two plus two is four.", "4", (), "stop", Usage(completion_tokens=tokens), 0.1)

    assert [counting.why_too_few(counted(tokens)) for tokens in (6, 9, None)] == [None] * 3
    assert "6 words came" in str(counting.why_too_few(counted(1)))


def test_a_stream_counts_as_the_plain_answer_does() -> None:
    plain = Counted(18, 10, 28)
    assert counting.judge_same(plain, plain, all_of_it=True).verdict == "pass"
    assert counting.judge_same(plain, Counted(18, 12, 30), all_of_it=False).verdict == "pass"
    assert counting.judge_same(plain, Counted(18, 12, 30), all_of_it=True).verdict == "fail"
    assert counting.judge_same(plain, Counted(19, 10, 29), all_of_it=False).verdict == "fail"
    assert counting.judge_same(plain, "the stream has no usage", all_of_it=False).verdict == "fail"


def test_the_usage_of_a_stream_is_its_last_one() -> None:
    told = ['{"usage": null}', '{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}', "[DONE]"]
    assert counting.last_usage(told) == Counted(1, 2, 3)
    assert counting.last_usage(['{"choices": []}', "[DONE]"]) == "the stream has no usage"
    assert counting.usage_of({"usage": {"prompt_tokens": "many"}}) != Counted(1, 2, 3)
    assert str(counting.usage_of({"usage": {"prompt_tokens": "\ud800"}})).startswith("the usage cannot be read")
    assert counting.usage_of({}) == "the answer has no usage"


# The same again -------------------------------------------------------------------------------------------------------


def answer(content: str, reasoning: str = "a thought") -> Answer:
    return Answer(reasoning, content, (), "stop", Usage(), 0.1)


def test_the_same_question_gets_the_same_answer() -> None:
    four = answer("4")
    assert repeatable.judge_answers("rehearsal", [four, four]).verdict == "pass"
    assert repeatable.judge_answers("rehearsal", [four, answer("5")]).verdict == "fail"
    assert repeatable.judge_answers("rehearsal", [four, answer("4", "another thought")]).verdict == "fail"
    assert repeatable.judge_answers("model", [four, answer("4\n", "another thought")]).verdict == "pass"
    assert repeatable.judge_answers("model", [four, answer("**4**"), answer("2 + 2 = 4")]).verdict == "pass"
    assert repeatable.judge_answers("model", [four, answer("5")]).verdict == "fail"
    assert repeatable.judge_answers("model", [four, answer("Hm.")]).verdict == "fail"
    assert repeatable.judge_answers("model", [answer("Well."), answer("Hm.")]).verdict == "fail"
    assert repeatable.judge_answers("contract", [four, answer("5")]).verdict == "skip"
    assert repeatable.judge_answers("contract", [four, answer("")]).verdict == "fail"


def test_a_stream_that_says_the_same_once_loses_nothing_and_one_that_never_does_loses_something() -> None:
    paris, bold, lossy = answer("Paris."), answer("**Paris**"), answer("Par.")
    assert streaming.why_never_same([(paris, bold), (bold, bold)]) is None
    assert streaming.why_never_same([(bold, paris), (paris, bold)]) is None
    assert "streamed 'Par.'" in str(streaming.why_never_same([(lossy, paris), (lossy, bold)]))


# The order of events --------------------------------------------------------------------------------------------------


def event(delta: dict[str, object] | None = None, finish: str | None = None, **fields: object) -> dict[str, object]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "a", "object": "chat.completion.chunk", "model": "ernie", "choices": choices, **fields}


USED = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
ROLE, THOUGHT, WORD = event({"role": "assistant", "content": ""}), event({"reasoning": "so"}), event({"content": "4"})
END, USAGE = event({}, "stop"), event(None, usage=USED)
WHOLE = (ROLE, THOUGHT, WORD, WORD, END, USAGE)


def stream(
    events: Sequence[object], *, done: bool = True, kind: str = "text/event-stream", rest: str = ""
) -> RawAnswer:
    text = "".join(f"data: {json.dumps(one)}\n\n" for one in events) + ("data: [DONE]\n\n" if done else "") + rest
    return RawAnswer(200, {"content-type": kind}, text.encode(), "http://127.0.0.1:9", 0.1)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((ROLE, WORD, THOUGHT, END, USAGE), "the reasoning comes after the answer"),
        ((ROLE, THOUGHT, END, WORD, USAGE), "the answer comes after the finish_reason"),
        ((ROLE, THOUGHT, WORD, USAGE, END), "the finish_reason comes after the usage"),
        ((ROLE, THOUGHT, WORD, USAGE), "without a finish_reason"),
        ((THOUGHT, ROLE, WORD, END, USAGE), "the reasoning comes before the role"),
        ((ROLE, WORD, {"error": {"message": "Engine is not healthy"}}), "Engine is not healthy"),
        ((*WHOLE[:-1], {**USAGE, "id": "b"}), "differ in their id: a, b"),
        ((*WHOLE[:-1], {**USAGE, "model": "other"}), "differ in their model"),
        ((ROLE, "no object", END), "not a JSON object"),
    ],
)
def test_events_out_of_order_fail(events: Sequence[object], words: str) -> None:
    found = stream_order.judge_stream("vllm", stream(events))
    assert (found.verdict, words in found.message) == ("fail", True), found.message


def test_events_in_order_pass_and_may_share_a_chunk() -> None:
    assert stream_order.judge_stream("vllm", stream(WHOLE)).verdict == "pass"
    together = (ROLE, THOUGHT, event({"content": "4"}, "stop", usage=USED))
    assert stream_order.judge_stream("vllm", stream(together)).verdict == "pass"


def test_done_is_the_last_word_and_only_transformers_may_leave_it_out() -> None:
    assert stream_order.judge_stream("vllm", stream(WHOLE, done=False)).verdict == "fail"
    assert stream_order.judge_stream("transformers", stream(WHOLE, done=False)).verdict == "unsupported"
    after = stream_order.judge_stream("vllm", stream(WHOLE, rest='data: {"choices": []}\n\n'))
    assert after.message.startswith("after [DONE] there is more")
    plain = stream_order.judge_stream("vllm", stream(WHOLE, kind="application/json"))
    assert plain.message == "a stream was asked for, and application/json came"


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("vllm-0.32-text", "pass"), ("fastdeploy-2.5-text", "pass"), ("transformers-5.23-text", "unsupported")],
)
def test_what_the_engines_really_send_is_in_order(name: str, verdict: str) -> None:
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    sent = RawAnswer(200, headers, (CAPTURED / f"{name}.sse").read_bytes(), "http://127.0.0.1:9", 0.1)
    assert stream_order.judge_stream(name.partition("-")[0], sent).verdict == verdict


# When they come -------------------------------------------------------------------------------------------------------


def deltas(*times: float, end: float) -> list[Delta]:
    return [*(Delta(at, content="x", carries_tokens=True) for at in times), Delta(end, finish_reason="stop")]


def test_tokens_that_all_come_at_the_end_were_collected() -> None:
    assert stream_start.judge_times(deltas(0.1, 0.3, 0.6, 1.0, end=1.0)).verdict == "pass"
    collected = stream_start.judge_times(deltas(0.97, 0.98, 0.99, 1.0, end=1.0))
    assert collected.verdict == "fail"
    assert "proxy_buffering off" in collected.hint
    assert stream_start.judge_times(deltas(1.0, end=1.0)).verdict == "fail"
    assert stream_start.judge_times([Delta(1.0, finish_reason="stop")]).verdict == "fail"


def tried(monkeypatch: pytest.MonkeyPatch, *tries: list[Delta]) -> tuple[str, list[float]]:
    """The verdict, and the rests between the tries."""
    streams, rests = iter(tries), list[float]()
    monkeypatch.setattr(Target, "deltas", lambda _target, _request: next(streams))
    monkeypatch.setattr(Target, "pause", lambda _target, seconds: rests.append(seconds))
    with Client(Endpoint("http://127.0.0.1:9")) as client:
        return stream_start.judge_first(Target(client, "vllm", "rehearsal")).verdict, rests


def test_a_stream_in_one_piece_is_asked_for_again_after_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, steady = deltas(0.97, 0.98, 1.0, end=1.0), deltas(0.1, 0.5, 1.0, end=1.0)
    assert tried(monkeypatch, steady) == ("pass", [])
    assert tried(monkeypatch, at_once, at_once, steady) == ("pass", [stream_start.REST_S] * 2)
    assert tried(monkeypatch, *[at_once] * stream_start.TRIES) == ("fail", [stream_start.REST_S] * 3)


def test_a_stream_that_cannot_be_is_refused_in_words_before_or_within() -> None:
    def verdict(engine: str, error: VerifyError) -> str:
        return stream_start.judge_refusal(engine, error).verdict

    assert verdict("vllm", RefusedError(400, "http://x: HTTP 400: Failed to load image")) == "pass"
    assert verdict("vllm", VerifyError("the stream ended with an error: cannot identify image file")) == "pass"
    assert verdict("vllm", RefusedError(500, "http://x: HTTP 500: 'Internal Server Error'")) == "fail"
    assert verdict("transformers", RefusedError(500, "http://x: HTTP 500: 'Internal Server Error'")) == "unsupported"
    assert verdict("vllm", RefusedError(401, "http://x: HTTP 401: Unauthorized")) == "fail"
