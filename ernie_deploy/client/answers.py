"""What the engines answer, in one shape: whole, or as the deltas of a stream. Pure functions of values."""

import json
from collections.abc import Iterable, Mapping

import msgspec

from ernie_deploy.client.markers import Trimmer, trimmed
from ernie_deploy.errors import VerifyError

RAW_LIMIT = 4000
"""Characters of an answer kept as evidence."""


class ToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call the model asks for. `arguments` is the text as sent; `parsed` is None when that is not a JSON object."""

    name: str
    arguments: str
    parsed: dict[str, object] | None
    id: str = ""


class Usage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens as the engine counted them; None where it does not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    image_tokens: int | None = None
    video_tokens: int | None = None


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One whole answer. Times are seconds since the request was sent; a plain answer has no `ttft_s`.

    `ttft_s` is the first token of any kind, `first_answer_s` the first that is not reasoning. `chunks` counts the
    events of a stream that carried tokens. `raw` is the beginning of what came over the wire.
    """

    reasoning: str
    content: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None
    usage: Usage
    total_s: float
    ttft_s: float | None = None
    first_answer_s: float | None = None
    chunks: int = 0
    saw_done: bool = False
    raw: str = ""


class CallPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of a streamed tool call; `index` tells which call it belongs to."""

    index: int
    id: str
    name: str
    arguments: str


class Delta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event of a stream, `at_s` seconds after the request was sent.

    `carries_tokens` is about the wire: it is true also when the text is held back, because it may be part of a marker.
    `is_done` marks `data: [DONE]`.
    """

    at_s: float
    reasoning: str = ""
    content: str = ""
    tool_parts: tuple[CallPart, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    carries_tokens: bool = False
    is_done: bool = False
    raw: str = ""


# A whole answer -------------------------------------------------------------------------------------------------------


def parse_answer(text: str, total_s: float) -> Answer:
    """Understand a chat completion. Raises VerifyError when it is not one."""
    body = _object(text)
    choice = _first_choice(body)
    if choice is None:
        raise VerifyError(f"the answer has no choices: {text[:200]!r}", details=text[:RAW_LIMIT])
    message = _mapping(choice.get("message"))
    calls = [part for index, call in enumerate(_list(message.get("tool_calls"))) if (part := _call_part(call, index))]
    return Answer(
        reasoning=trimmed(_reasoning(message), markers=False),
        content=trimmed(_text(message.get("content")), markers=True),
        tool_calls=tuple(_call(part) for part in calls),
        finish_reason=_optional_text(choice.get("finish_reason")),
        usage=parse_usage(body.get("usage")) or Usage(),
        total_s=total_s,
        raw=text[:RAW_LIMIT],
    )


def parse_usage(value: object) -> Usage | None:
    if not isinstance(value, Mapping):
        return None
    details = _mapping(value.get("prompt_tokens_details"))
    return Usage(
        prompt_tokens=_count(value.get("prompt_tokens")),
        completion_tokens=_count(value.get("completion_tokens")),
        image_tokens=_count(details.get("image_tokens")),
        video_tokens=_count(details.get("video_tokens")),
    )


def parse_arguments(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


# A stream -------------------------------------------------------------------------------------------------------------


class DeltaReader:
    """Turns the payloads of a stream into deltas; markers and padding are removed across their borders."""

    def __init__(self) -> None:
        self._content = Trimmer(markers=True)
        self._reasoning = Trimmer(markers=False)

    def read(self, payload: str, at_s: float) -> Delta:
        """Raises VerifyError for an error object, or for what is not JSON."""
        if payload == "[DONE]":
            return Delta(at_s, is_done=True, raw=payload)
        body = _event(payload)
        choice = _first_choice(body) or {}
        # Some gateways put the whole `message` into the last event of a stream.
        fields = _mapping(choice.get("delta")) or _mapping(choice.get("message"))
        reasoning, content = _reasoning(fields), _text(fields.get("content"))
        parts = [_call_part(call, index) for index, call in enumerate(_list(fields.get("tool_calls")))]
        return Delta(
            at_s,
            reasoning=self._reasoning.feed(reasoning),
            content=self._content.feed(content),
            tool_parts=tuple(part for part in parts if part is not None),
            finish_reason=_optional_text(choice.get("finish_reason")),
            usage=parse_usage(body.get("usage")),
            carries_tokens=bool(reasoning or content or parts),
            raw=payload,
        )

    def rest(self, at_s: float) -> Delta | None:
        """What was held back and turned out to be text."""
        reasoning, content = self._reasoning.finish(), self._content.finish()
        return Delta(at_s, reasoning=reasoning, content=content) if reasoning or content else None


def collect(deltas: Iterable[Delta]) -> Answer:
    """Put the deltas of one stream together."""
    seen = tuple(deltas)
    parts: dict[int, CallPart] = {}
    for part in (part for delta in seen for part in delta.tool_parts):
        before = parts.get(part.index, CallPart(part.index, "", "", ""))
        joined = before.arguments + part.arguments
        parts[part.index] = CallPart(part.index, before.id or part.id, before.name or part.name, joined)
    return Answer(
        reasoning="".join(delta.reasoning for delta in seen),
        content="".join(delta.content for delta in seen),
        tool_calls=tuple(_call(parts[index]) for index in sorted(parts)),
        finish_reason=next((delta.finish_reason for delta in reversed(seen) if delta.finish_reason), None),
        usage=next((delta.usage for delta in reversed(seen) if delta.usage), Usage()),
        total_s=seen[-1].at_s if seen else 0.0,
        ttft_s=next((delta.at_s for delta in seen if delta.carries_tokens), None),
        first_answer_s=next((delta.at_s for delta in seen if delta.content or delta.tool_parts), None),
        chunks=sum(delta.carries_tokens for delta in seen),
        saw_done=any(delta.is_done for delta in seen),
        raw="\n".join(delta.raw for delta in seen if delta.raw)[:RAW_LIMIT],
    )


# Fields ---------------------------------------------------------------------------------------------------------------


def _event(payload: str) -> Mapping[str, object]:
    # transformers puts its message between quotes without escaping it, so an error need not be JSON.
    try:
        body = _object(payload)
    except VerifyError:
        if not payload.startswith('{"error"'):
            raise
        body = {"error": payload}
    error = body.get("error")
    if error:
        message = error.get("message", error) if isinstance(error, Mapping) else error
        raise VerifyError(
            f"the stream ended with an error: {str(message)[:500]}",
            hint="look at the engine's own log for the cause",
            details=payload[:RAW_LIMIT],
        )
    return body


def _object(text: str) -> Mapping[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise VerifyError(f"the answer is not JSON: {text[:200]!r}", details=text[:RAW_LIMIT]) from None
    if not isinstance(value, dict):
        raise VerifyError(f"the answer is not a JSON object: {text[:200]!r}", details=text[:RAW_LIMIT])
    return value


def _first_choice(body: Mapping[str, object]) -> Mapping[str, object] | None:
    choices = _list(body.get("choices"))
    return _mapping(choices[0]) if choices else None


def _reasoning(fields: Mapping[str, object]) -> str:
    """vLLM calls it `reasoning`, FastDeploy and transformers `reasoning_content`."""
    return _text(fields.get("reasoning_content")) or _text(fields.get("reasoning"))


def _call_part(value: object, position: int) -> CallPart | None:
    call = _mapping(value)
    function = _mapping(call.get("function"))
    if not function:
        return None
    arguments = function.get("arguments")
    index = _count(call.get("index"))
    return CallPart(
        index=position if index is None else index,
        id=_text(call.get("id")),
        name=_text(function.get("name")),
        arguments=arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments),
    )


def _call(part: CallPart) -> ToolCall:
    return ToolCall(part.name, part.arguments, parse_arguments(part.arguments), part.id)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _optional_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
