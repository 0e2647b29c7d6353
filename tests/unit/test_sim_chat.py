"""What the simulated FastDeploy makes of chat requests: refusals, budgets, parsers and their quirks."""

import json
from typing import Any

import msgspec
import pytest

from ernie_deploy.client.answers import DeltaReader, collect
from ernie_deploy.sim.fastdeploy import answers, parsers, refusals, replies, tokens
from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest, understand
from ernie_deploy.sim.fastdeploy.era import era_of
from ernie_deploy.sim.fastdeploy.message_parts import DownloadError
from ernie_deploy.sim.fastdeploy.metrics import METRICS, Counted
from ernie_deploy.sim.fastdeploy.parsers import Parsers, StreamParser, parse
from ernie_deploy.sim.fastdeploy.refusals import RefusedError
from ernie_deploy.sim.fastdeploy.request_types import Served

SERVED = Served("ernie", True, 2048, {"image": 1, "video": 1}, {}, False, False)
BOTH = Parsers(reasoning=True, tools=True)
CALL = (
    'thought\n</think>\n\n<tool_call>\n{"name": "zoom", "arguments": {"box": [1, 2], "deep": {"a": {}}}}\n</tool_call>'
)


def asked(text: str = "Say hello.", **fields: Any) -> ChatRequest:
    return understand({"messages": [{"role": "user", "content": text}], **fields}, SERVED)


def why(**fields: Any) -> RefusedError:
    body = {"messages": [{"role": "user", "content": "Say hello."}], **fields}
    with pytest.raises(RefusedError) as refused:
        understand(body, SERVED)
    return refused.value


def parts(*given: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(given)}]


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"messages": "x"}, "schema", "Input should be a valid list"),
        ({"temperature": 9}, "schema", "less than or equal to 2"),
        ({"max_tokens": "many"}, "schema", "valid integer"),
        ({"max_tokens": 0}, "request", "max_tokens can be defined [1, 2048)."),
        ({"max_tokens": 2048}, "request", "max_tokens can be defined [1, 2048)."),
        ({"model": "other"}, "request", "Unsupported model: [other], support [ernie] or default"),
        ({"logprobs": True}, "request", "Logprobs is disabled, please enable it in startup config."),
        ({"response_format": {"type": "json_object"}}, "request", "response_format"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "request", "Unsupported role: robot"),
        ({"messages": parts({"type": "audio_url"})}, "request", "Unknown content part type: audio_url"),
        ({"messages": parts({"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}})}, "request",
         "cannot identify image file"),
        ({"stop": ["a"] * 6}, "request", "exceeds the limit"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_served_is_refused_in_the_engines_words(
    fields: dict[str, Any], kind: str, message: str
) -> None:
    refused = why(**fields)
    assert refused.kind == kind
    assert message in refused.message


def test_a_prompt_that_is_too_long_is_cut_in_silence_before_it_is_counted() -> None:
    refused = why(messages=[{"role": "user", "content": "word " * 9000}])
    assert refused.message == "Input text is too long, input_ids_len (2047) + min_tokens(1) >= max_model_len(2048)"
    assert refused.code == "context_length_exceeded"


def test_one_picture_is_the_limit_unless_more_are_allowed() -> None:
    gif = "data:image/gif;base64,R0lGODlhCgAKAIAAAAAAAP///yH5BAAAAAAALAAAAAAKAAoAAAIIhI+py+0PYysAOw=="
    two = parts(*({"type": "image_url", "image_url": {"url": gif}} for _ in range(2)))
    assert why(messages=two).message == "Too many image items in prompt, got 2 but limit is 1"
    found = understand({"messages": two}, SERVED._replace(media_limits={"image": 2}))
    assert found.image_tokens == 8


def test_nothing_is_ever_fetched() -> None:
    picture = {"type": "image_url", "image_url": {"url": "http://192.0.2.1/a.png"}}
    with pytest.raises(DownloadError):
        understand({"messages": parts(picture)}, SERVED)


def test_a_schema_violation_is_422_in_the_old_shape_and_400_in_the_new_one() -> None:
    error = RefusedError("Field required", kind="schema", param="messages", code="missing_required_parameter")
    status, body = refusals.refusal(era_of("2.3.4"), error)
    assert (status, body["detail"][0]["loc"]) == (422, ["body", "messages"])
    status, body = refusals.refusal(era_of("2.4.0"), error)
    assert (status, body["error"]["code"]) == (400, "missing_required_parameter")


def test_all_other_refusals_are_500_since_2_4() -> None:
    error = RefusedError("bad picture")
    assert refusals.refusal(era_of("2.3.0"), error)[0] == 400
    status, body = refusals.refusal(era_of("develop+simulated"), error)
    assert (status, body["error"]["type"]) == (500, "invalid_request_error")


def test_an_unknown_version_is_taken_for_the_newest_below_it() -> None:
    assert era_of("2.4.7").version == "2.4.0"
    assert era_of("2.4.7").is_assumed
    assert not era_of("2.5.0+simulated").is_assumed


def test_thinking_gets_80_percent_of_the_tokens() -> None:
    request = asked("What is the capital of France?", max_tokens=5)
    words, was_cut = answers.generated(answers.write(request), request)
    assert words == ["The", " capital", " of", " France", "</think>"]
    assert was_cut
    assert asked(reasoning_max_tokens=3, max_tokens=100).reasoning_max_tokens == 3


def test_without_the_end_of_a_thought_everything_is_reasoning() -> None:
    closed = asked(chat_template_kwargs={"options": {"thinking_mode": "close"}})
    text = answers.write(closed)
    assert parse(text, BOTH) == parsers.Parsed("Hello! I am the rehearsal model.", "", (), False)


def test_leading_newlines_stay_in_a_plain_answer_and_not_in_a_stream() -> None:
    text = answers.write(asked())
    assert parse(text, BOTH).content == "\n\nHello! I am the rehearsal model."
    assert streamed(text)[1] == "Hello! I am the rehearsal model."


def test_without_parsers_the_raw_text_is_the_answer() -> None:
    assert parse(CALL, Parsers(reasoning=False, tools=False)).content == CALL


def test_a_call_becomes_a_call_whole_and_streamed() -> None:
    whole = parse(CALL, BOTH)
    assert whole.has_called
    assert whole.content == ""
    assert json.loads(whole.calls[0]["function"]["arguments"]) == {"box": [1, 2], "deep": {"a": {}}}
    reasoning, content, calls = streamed(CALL)
    assert (reasoning, content) == ("thought\n", "")
    assert json.loads(calls) == {"box": [1, 2], "deep": {"a": {}}}


def test_a_word_before_a_call_keeps_it_as_text() -> None:
    text = CALL.replace("\n\n<tool_call>", "\n\nLook: <tool_call>")
    assert parse(text, BOTH).calls == ()
    assert "<tool_call>" in parse(text, BOTH).content
    assert "<tool_call>" in streamed(text)[1]


def streamed(text: str) -> tuple[str, str, str]:
    parser = StreamParser(BOTH)
    deltas = [delta for word in tokens.pieces(text) for delta in parser.feed(word)]
    calls = [part["function"] for delta in deltas for part in delta.get("tool_calls", ())]
    assert all(call.get("name") for call in calls[:1])
    fields = ("reasoning_content", "content")
    reasoning, content = ("".join(delta.get(field, "") for delta in deltas) for field in fields)
    return reasoning, content, "".join(call["arguments"] for call in calls)


def test_our_own_client_understands_the_stream() -> None:
    head = replies.envelope("chatcmpl-1", "ernie", "chat.completion.chunk")
    counted = replies.usage(asked(), ["a", "</think>", "b"])
    first = replies.first_event(head, None)
    assert first.endswith(b"} \n\n")
    events = [
        first,
        replies.delta_event(head, {"reasoning_content": "a"}, 0.0, None, None),
        replies.delta_event(head, {"content": "b"}, 0.0, "stop", None),
        replies.usage_event(head, counted),
    ]
    reader = DeltaReader()
    payloads = [event.decode().strip().removeprefix("data: ") for event in (*events, replies.DONE)]
    answer = collect(reader.read(payload, 0.1) for payload in payloads)
    assert (answer.reasoning, answer.content, answer.finish_reason, answer.saw_done) == ("a", "b", "stop", True)
    assert answer.usage.completion_tokens == 3
    assert "simulated" in msgspec.json.encode(head).decode()


def test_counters_and_histograms_are_exposed_under_their_names() -> None:
    counted = Counted()
    counted.add("generation_tokens_total", 7)
    counted.observe("time_to_first_token_seconds", 0.03)
    text = counted.text({"num_requests_running": 2}, {"block_size": "64"})
    assert "fastdeploy:generation_tokens_total 7\n" in text
    assert "fastdeploy:num_requests_running 2\n" in text
    assert 'fastdeploy:time_to_first_token_seconds_bucket{le="0.02"} 0.0' in text
    assert 'fastdeploy:time_to_first_token_seconds_bucket{le="+Inf"} 1.0' in text
    assert "fastdeploy:requests_number_total 0\n" in text
    assert 'fastdeploy:cache_config_info{block_size="64"} 1.0' in text
    assert text.count("SIMULATED") == text.count("# HELP ") == len(METRICS) + 2
