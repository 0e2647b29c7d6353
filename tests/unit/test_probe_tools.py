"""What the probes of tools make of answers: calls, their pieces, their results, and none where none is wanted."""

import json

import msgspec
import pytest

from ernie_deploy.client import Answer, Client, Delta, Endpoint, RawAnswer, ToolCall, Usage
from ernie_deploy.client.answers import CallPart
from ernie_deploy.rehearsal.grammar import ZOOM_TOOL_NAME, zoom_arguments, zoom_thought
from ernie_deploy.smoke.probes import tool_call, tool_schema, tool_stream, tool_turns, two_calls
from ernie_deploy.smoke.target import Profile, Target

QUARTER = "top left"
PAIR = ("top left", "bottom right")


def zoom(quadrant: str = QUARTER, *, name: str = ZOOM_TOOL_NAME, number: int = 1) -> ToolCall:
    arguments = zoom_arguments(quadrant)
    return ToolCall(name, json.dumps(arguments), arguments, f"call_{number}")


def broken(number: int = 1) -> ToolCall:
    return ToolCall(ZOOM_TOOL_NAME, '{"bbox_2d": [0,', None, f"call_{number}")


def answer(*calls: ToolCall, content: str = "", reasoning: str = "", finish: str = "") -> Answer:
    return Answer(reasoning, content, calls, finish or ("tool_calls" if calls else "stop"), Usage(), 0.1)


def target(profile: Profile = "rehearsal", engine: str = "unknown") -> Target:
    return Target(Client(Endpoint("http://127.0.0.1:9", "any")), engine, profile)


# One call ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "said", "verdict"),
    [
        ("rehearsal", answer(zoom()), "pass"),
        ("rehearsal", answer(zoom("top right")), "fail"),
        ("model", answer(zoom()), "pass"),
        ("model", answer(zoom("top right")), "fail"),
        ("contract", answer(zoom("top right")), "pass"),
        ("model", answer(zoom(name="crop")), "fail"),
        ("model", answer(broken()), "fail"),
        ("contract", answer(broken()), "fail"),
        ("model", answer(zoom(), finish="stop"), "fail"),
        ("model", answer(content="I cannot."), "fail"),
        ("contract", answer(content="I cannot."), "skip"),
        ("contract", answer(content="<tool_call>{}</tool_call>"), "fail"),
    ],
)
def test_a_call_is_judged_by_its_name_its_arguments_and_its_end(profile: Profile, said: Answer, verdict: str) -> None:
    assert tool_call.judge_call(profile, QUARTER, said).verdict == verdict


# Pieces -----------------------------------------------------------------------------------------------------------


def pieces(*parts: tuple[int, str, str, str]) -> tuple[Delta, ...]:
    return tuple(Delta(0.1, tool_parts=(CallPart(*part),)) for part in parts)


def test_pieces_fit_when_name_and_id_come_first_and_once() -> None:
    assert tool_stream.why_apart(pieces((0, "a", "zoom", ""), (0, "", "", "{}"))) is None
    assert tool_stream.why_apart(pieces((0, "a", "zoom", "{}"), (1, "b", "zoom", "{}"))) is None


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (((0, "a", "zoom", "{"), (0, "", "zoom", "}")), "came more than once"),
        (((0, "a", "", "{"), (0, "", "zoom", "}")), "has no name"),
        (((0, "a", "zoom", "{"), (0, "b", "", "}")), "has the ids"),
        (((0, "", "zoom", "{"), (0, "", "", "}")), "has the ids"),
        (((1, "a", "zoom", "{}"),), "indices [1]"),
        (((0, "a", "zoom", "{"), (2, "", "", "}")), "indices [0, 2]"),
    ],
)
def test_pieces_that_do_not_fit_are_told(parts: tuple[tuple[int, str, str, str], ...], words: str) -> None:
    assert words in str(tool_stream.why_apart(pieces(*parts)))


# Two calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "said", "verdict"),
    [
        ("rehearsal", answer(zoom(PAIR[0]), zoom(PAIR[1], number=2)), "pass"),
        ("rehearsal", answer(zoom(PAIR[1]), zoom(PAIR[0], number=2)), "fail"),
        ("rehearsal", answer(zoom(PAIR[0])), "fail"),
        ("rehearsal", answer(zoom(PAIR[0]), zoom(PAIR[1])), "fail"),
        ("model", answer(zoom(PAIR[1]), zoom(PAIR[0], number=2)), "pass"),
        ("model", answer(zoom(PAIR[0]), zoom(PAIR[0], number=2)), "fail"),
        ("model", answer(zoom(PAIR[0])), "skip"),
        ("model", answer(zoom(), broken(2)), "fail"),
        ("contract", answer(content="I cannot."), "skip"),
    ],
)
def test_two_calls_are_two_in_their_order_with_ids_of_their_own(profile: Profile, said: Answer, verdict: str) -> None:
    assert two_calls.judge_calls(profile, PAIR, said).verdict == verdict


# Around a call ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "said", "is_right"),
    [
        ("rehearsal", answer(content="The search found pepper."), True),
        ("rehearsal", answer(content="The search found river."), False),
        ("model", answer(content="It found **Pepper**."), True),
        ("model", answer(content="It found nothing."), False),
        ("model", answer(content="It could be pepper, silver or apple."), False),
        ("model", answer(zoom()), False),
        ("contract", answer(content="Well."), True),
        ("contract", answer(), False),
    ],
)
def test_the_answer_must_say_what_the_tool_found(profile: Profile, said: Answer, is_right: bool) -> None:
    assert (tool_turns.why_unused(target(profile), "pepper", said) is None) == is_right


@pytest.mark.parametrize(
    ("engine", "said", "verdict"),
    [
        ("vllm", answer(content="It is red."), "pass"),
        ("vllm", answer(zoom()), "fail"),
        ("fastdeploy", answer(zoom()), "unsupported"),
        ("vllm", answer(content="<tool_call>{}</tool_call>"), "unsupported"),
        ("fastdeploy", answer(content="<tool_call>{}</tool_call>"), "fail"),
        ("vllm", answer(), "fail"),
    ],
)
def test_tool_choice_none_means_no_call_and_no_markup(engine: str, said: Answer, verdict: str) -> None:
    assert tool_turns.none_judged(engine, said).verdict == verdict


def test_a_tool_that_nobody_needs_is_not_called() -> None:
    assert tool_turns.why_called(target(), "4", answer(content="4")) is None
    assert tool_turns.why_called(target("model"), "4", answer(content="It is 4.")) is None
    assert tool_turns.why_called(target("model"), "4", answer(content="1, 2, 3, 4, 5, 42, 14")) is not None
    assert tool_turns.why_called(target("contract"), "4", answer(content="Five.")) is None
    assert tool_turns.why_called(target(), "4", answer(content="5")) is not None
    assert tool_turns.why_called(target(), "4", answer()) is not None
    assert "was called" in str(tool_turns.why_called(target("contract"), "4", answer(zoom())))


@pytest.mark.parametrize(
    ("profile", "said", "is_right"),
    [
        ("rehearsal", answer(zoom(), reasoning=zoom_thought(QUARTER)), True),
        ("rehearsal", answer(zoom()), False),
        ("rehearsal", answer(zoom(), reasoning=zoom_thought(QUARTER), content="Well."), False),
        ("model", answer(zoom(), content="I will zoom in."), True),
        ("model", answer(zoom()), False),
        ("contract", answer(zoom()), True),
        ("contract", answer(zoom(), content="\n</think>\n"), False),
        ("model", answer(zoom(), reasoning="well <tool_call>"), False),
    ],
)
def test_words_beside_a_call_are_kept_and_markup_is_not(profile: Profile, said: Answer, is_right: bool) -> None:
    assert (tool_turns.why_garbled(target(profile), QUARTER, said) is None) == is_right


# Tools that are none ----------------------------------------------------------------------------------------------


def raw(status: int, body: bytes = b'{"error": {"message": "tools must be a list"}}') -> RawAnswer:
    return RawAnswer(status, {}, body, "http://127.0.0.1:9/v1/chat/completions", 0.1)


@pytest.mark.parametrize(
    ("engine", "first", "second", "verdict"),
    [
        ("vllm", raw(400), raw(400), "pass"),
        ("vllm", raw(400), raw(200), "fail"),
        ("fastdeploy", raw(400), raw(200), "fail"),
        ("transformers", raw(500, b"Internal Server Error"), raw(200), "unsupported"),
        ("transformers", raw(404, b""), raw(200), "fail"),
        ("vllm", raw(500), raw(400), "fail"),
    ],
)
def test_bad_tools_are_refused_or_known_to_be_taken(
    engine: str, first: RawAnswer, second: RawAnswer, verdict: str
) -> None:
    assert tool_schema.judged(engine, {"no list": first, "no name": second}).verdict == verdict


def test_a_call_that_stayed_text_is_explained_by_the_words_before_it_or_by_a_parser_that_is_missing() -> None:
    said = {before: tool_call.judge_no_call("model", answer(content=f"{before}<tool_call>{{}}</tool_call>")).hint
            for before in ("", "\n\n", "I think.\n</think>\n\n", "Let me look. ")}  # fmt: skip
    assert ["the model wrote words" in hint for hint in said.values()] == [False, False, False, True]
    assert ["with its tool parser" in hint for hint in said.values()] == [True, True, True, False]


@pytest.mark.parametrize("profile", ["contract", "rehearsal", "model"])
def test_a_call_without_an_id_fails(profile: Profile) -> None:
    found = tool_call.judge_call(profile, QUARTER, answer(msgspec.structs.replace(zoom(), id="")))
    assert (found.verdict, "has no id" in found.message) == ("fail", True)
