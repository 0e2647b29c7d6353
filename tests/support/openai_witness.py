"""The essentials of the probes through the official `openai` client: it knows nothing of us, and is not wrong with us.

Run with `pytest --ernie-endpoint URL --ernie-expect rehearsal`; tests/integration and tests/engine do so.
"""

import random
from typing import Any

import openai
import pytest

from ernie_deploy.client import image_part
from ernie_deploy.rehearsal import grammar, scenes
from ernie_deploy.smoke.pytest_plugin import Ernie

ADDITION = grammar.TEXT_QA[1]


def user(content: Any) -> Any:
    return [{"role": "user", "content": content}]


def create(ernie: Ernie, client: openai.OpenAI, messages: Any, **fields: Any) -> Any:
    return client.chat.completions.create(
        model=ernie.endpoint.model, messages=messages, temperature=0, max_tokens=256, **fields
    )


def words(text: str | None) -> str:
    """vLLM leaves the model's markers and line ends around an answer that it streams."""
    return (text or "").replace("<response>", "").replace("</response>", "").strip()


def thought(message: Any) -> str:
    """vLLM calls it `reasoning`, FastDeploy and transformers `reasoning_content`."""
    return words(getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None))


def test_a_question_is_answered_and_the_thought_is_apart(ernie: Ernie, ernie_openai: openai.OpenAI) -> None:
    answer = create(ernie, ernie_openai, user(ADDITION.prompt))
    assert words(answer.choices[0].message.content) == ADDITION.answer
    assert thought(answer.choices[0].message) == ADDITION.thought
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_brings_the_same_answer(ernie: Ernie, ernie_openai: openai.OpenAI) -> None:
    stream = create(ernie, ernie_openai, user(ADDITION.prompt), stream=True, stream_options={"include_usage": True})
    deltas = [chunk.choices[0].delta for chunk in stream if chunk.choices]
    assert words("".join(delta.content or "" for delta in deltas)) == ADDITION.answer
    assert len(deltas) > 2


def test_a_picture_is_seen(ernie: Ernie, ernie_openai: openai.OpenAI) -> None:
    picture = scenes.colour_field("blue", random.Random(3))
    content = [image_part(picture.png()), {"type": "text", "text": grammar.COLOUR_QUESTIONS[0]}]
    answer = create(ernie, ernie_openai, user(content))
    assert words(answer.choices[0].message.content) == grammar.colour_reply("blue").answer


def test_a_tool_is_called_and_its_result_is_used(ernie: Ernie, ernie_openai: openai.OpenAI) -> None:
    picture = scenes.colour_field("green", random.Random(4))
    question = grammar.zoom_questions("top right")[0]
    messages = user([image_part(picture.png()), {"type": "text", "text": question}])
    called = create(ernie, ernie_openai, messages, tools=[grammar.ZOOM_TOOL]).choices[0]
    assert called.finish_reason == "tool_calls"
    (call,) = called.message.tool_calls
    assert call.function.name == grammar.ZOOM_TOOL_NAME
    function = {"name": call.function.name, "arguments": call.function.arguments}
    calls = [{"id": call.id, "type": "function", "function": function}]
    back = {"role": "assistant", "content": "", "tool_calls": calls}
    result = {"role": "tool", "tool_call_id": call.id, "content": grammar.ZOOM_RESULT}
    answer = create(ernie, ernie_openai, [*messages, back, result], tools=[grammar.ZOOM_TOOL])
    assert words(answer.choices[0].message.content) == grammar.zoomed_reply("green", "top right").answer


def test_a_wrong_key_is_an_error_of_the_client(ernie: Ernie, ernie_openai: openai.OpenAI) -> None:
    if not ernie.endpoint.api_key:
        pytest.skip("the service has no key")
    with pytest.raises(openai.AuthenticationError):
        ernie_openai.with_options(api_key="sk-wrong").models.list()


def test_what_cannot_be_is_an_error_of_the_client(ernie: Ernie, ernie_openai: openai.OpenAI) -> None:
    with pytest.raises((openai.BadRequestError, openai.UnprocessableEntityError, openai.InternalServerError)):
        create(ernie, ernie_openai, "no list of messages")


def test_the_probes_can_be_asked_one_by_one(ernie: Ernie) -> None:
    case = ernie.probe("text")
    assert case.verdict == "pass", case
    assert ernie.ask(ADDITION.prompt).content == ADDITION.answer
