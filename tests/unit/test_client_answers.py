"""Every dialect ends in the same Answer."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_deploy.client.answers import Answer, DeltaReader, ToolCall, collect, parse_answer
from ernie_deploy.client.markers import Trimmer, trimmed
from ernie_deploy.client.sse import EventReader
from ernie_deploy.errors import VerifyError

CAPTURED = Path(__file__).parents[1] / "captured" / "answers"
ENGINES = ("fastdeploy-2.5", "transformers-5.23", "vllm-0.32")
ZOOM = {"bbox_2d": [500, 0, 1000, 500], "label": "top right", "img_idx": 0}


def plain(name: str) -> Answer:
    return parse_answer((CAPTURED / f"{name}.json").read_text(encoding="utf-8"), 1.0)


def streamed(name: str, *, chunk_bytes: int = 7) -> Answer:
    """Read a stream that comes in small chunks, one second apart."""
    return read_stream((CAPTURED / f"{name}.sse").read_bytes(), chunk_bytes)


def read_stream(data: bytes, chunk_bytes: int = 7) -> Answer:
    events, reader, deltas = EventReader(), DeltaReader(), []
    chunks = [data[start : start + chunk_bytes] for start in range(0, len(data), chunk_bytes)]
    payloads = [(float(at), payload) for at, chunk in enumerate(chunks) for payload in events.feed(chunk)]
    payloads += [(float(len(chunks)), payload) for payload in events.finish()]
    for at, payload in payloads:
        delta = reader.read(payload, at)
        if delta.is_done and (rest := reader.rest(at)):
            deltas.append(rest)
        deltas.append(delta)
    if rest := reader.rest(float(len(chunks))):
        deltas.append(rest)
    return collect(deltas)


def event(**delta: object) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}, ensure_ascii=False).encode() + b"\n\n"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("read", [plain, streamed])
def test_the_thought_and_the_answer_are_bare_in_every_dialect(engine: str, read: Callable[[str], Answer]) -> None:
    answer = read(f"{engine}-text")
    assert answer.content == "Paris is the capital of France."
    assert answer.reasoning == "The capital of France is Paris."
    assert answer.finish_reason == "stop"
    assert answer.tool_calls == ()
    assert answer.usage.completion_tokens


@pytest.mark.parametrize("engine", ["transformers-5.23", "vllm-0.32"])
def test_a_stream_of_a_request_with_tools_reads_like_one_without(engine: str) -> None:
    assert streamed(f"{engine}-text-with-tools").content == streamed(f"{engine}-text").content


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("chunk_bytes", [1, 11, 100_000])
def test_a_tool_call_is_whole_however_it_was_streamed(engine: str, chunk_bytes: int) -> None:
    for answer in (plain(f"{engine}-tool-call"), streamed(f"{engine}-tool-call", chunk_bytes=chunk_bytes)):
        assert [(call.name, call.parsed) for call in answer.tool_calls] == [("image_zoom_in_tool", ZOOM)]
        assert json.loads(answer.tool_calls[0].arguments) == ZOOM
        assert answer.finish_reason == "tool_calls"
        assert answer.content == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_an_answer_cut_off_in_the_thought_has_no_content(engine: str) -> None:
    answer = plain(f"{engine}-starved")
    assert answer.content == ""
    assert answer.reasoning.startswith("The capital")
    assert answer.finish_reason == "length"


def test_image_tokens_are_read_where_an_engine_counts_them() -> None:
    assert plain("fastdeploy-2.5-image").usage.image_tokens == 64
    assert plain("vllm-0.32-image").usage.image_tokens is None


def test_done_is_seen_where_it_was_sent() -> None:
    assert [streamed(f"{engine}-text").saw_done for engine in ENGINES] == [True, False, True]


def test_times_tell_the_first_token_from_the_first_answer_token() -> None:
    data = event(role="assistant", content="") + event(reasoning="Hm") + event(content="\n") + event(content="Yes")
    answer = read_stream(data, chunk_bytes=len(event(content="Yes")))
    assert answer.ttft_s is not None
    assert answer.first_answer_s is not None
    assert 0 < answer.ttft_s < answer.first_answer_s
    assert answer.chunks == 3


def test_an_error_object_in_a_stream_is_raised_with_the_servers_words() -> None:
    with pytest.raises(VerifyError, match="Engine is not healthy: worker heartbeat is 41 s old"):
        streamed("fastdeploy-2.5-failing")


def test_an_error_with_unescaped_quotes_is_understood_as_an_error() -> None:
    with pytest.raises(VerifyError, match="the stream ended with an error"):
        read_stream(b'data: {"error": "no such key "x""}\n\n')


def test_comments_keep_alives_and_carriage_returns_are_no_answer() -> None:
    data = b": keep-alive\r\n\r\nevent: message\r\nid: 1\r\n" + event(content="Yes").replace(b"\n", b"\r\n")
    assert read_stream(data + b":\n\ndata: [DONE]\n\n").content == "Yes"


def test_a_last_event_without_an_empty_line_counts() -> None:
    assert read_stream(event(content="Yes").rstrip()).content == "Yes"


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 5])
def test_a_character_cut_between_two_chunks_stays_whole(chunk_bytes: int) -> None:
    assert read_stream(event(content="北京 — 🐼"), chunk_bytes).content == "北京 — 🐼"


def test_usage_comes_from_a_chunk_without_choices() -> None:
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}\n\n'
    assert read_stream(event(content="Yes") + usage).usage.prompt_tokens == 5


def test_two_streamed_calls_are_kept_apart_by_their_index() -> None:
    def part(index: int, **function: str) -> bytes:
        return event(tool_calls=[{"index": index, "function": function}])

    data = part(0, name="a", arguments="") + part(1, name="b", arguments='{"y"') + part(0, arguments="{}")
    calls = read_stream(data + part(1, arguments=": 2}")).tool_calls
    assert calls == (ToolCall("a", "{}", {}), ToolCall("b", '{"y": 2}', {"y": 2}))


def test_arguments_that_are_nested_too_deep_to_be_read_are_kept_as_text() -> None:
    arguments = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
    call = {"function": {"name": "zoom", "arguments": arguments}}
    (found,) = parse_answer(json.dumps({"choices": [{"message": {"tool_calls": [call]}}]}), 1.0).tool_calls
    assert (found.arguments, found.parsed) == (arguments, None)


def test_arguments_that_are_no_json_object_are_kept_as_text() -> None:
    call = {"function": {"name": "a", "arguments": '{"x": '}}
    body = {"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "stop"}]}
    assert parse_answer(json.dumps(body), 0).tool_calls == (ToolCall("a", '{"x": ', None),)


@pytest.mark.parametrize("text", ["<html></html>", "[]", "{}", '{"choices": []}', "", '{"choices": 3}', "[" * 100_000])
def test_what_is_no_chat_completion_is_said_to_be_none(text: str) -> None:
    with pytest.raises(VerifyError, match="the answer"):
        parse_answer(text, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\n<response>\nyes\n</response>\n", "yes"),
        ("yes\n</response>", "yes"),
        ("\nyes\n\nno\n", "yes\n\nno"),
        ("use <response> as a tag", "use <response> as a tag"),
        ("a </response> b", "a </response> b"),
        ("a </resp", "a </resp"),
        ("<resp", "<resp"),
        ("<response></response>", ""),
        ("", ""),
    ],
)
def test_packing_goes_and_words_stay(text: str, expected: str) -> None:
    assert trimmed(text, markers=True) == expected


def bare(text: str) -> str:
    """The rule in one line each, for a whole text."""
    text = text.lstrip("\n").removeprefix("<response>").lstrip("\n")
    return text.rstrip("\n").removesuffix("</response>").rstrip("\n")


@given(
    parts=st.lists(st.sampled_from(["\n", "a", "<", "/", "r", "response>", "<response>", "</response>", " "])),
    cuts=st.lists(st.integers(0, 60), max_size=20),
)
def test_packing_is_removed_the_same_way_wherever_a_stream_is_cut(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    trimmer = Trimmer(markers=True)
    pieces = [trimmer.feed(text[start:end]) for start, end in itertools.pairwise(edges)]
    assert "".join(pieces) + trimmer.finish() == bare(text)
