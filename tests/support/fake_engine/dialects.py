"""How the three engines parse the same text into fields, stream it, and refuse. Pure functions of values."""

import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from . import brain

Engine = Literal["fastdeploy", "vllm", "transformers"]
Json = dict[str, Any]

MARKERS = re.compile(r"</?response>\n?")
CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>\n?", re.DOTALL)

TRANSFORMERS_FIELDS = {
    "messages", "model", "stream", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop",
    "tools", "tool_choice", "stream_options", "response_format", "frequency_penalty", "presence_penalty", "logit_bias",
    "generation_config", "chat_template_kwargs", "n", "user", "logprobs", "top_logprobs", "metadata",
    "parallel_tool_calls", "reasoning_effort",
}  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """Which engine speaks, and what it was started with."""

    engine: Engine
    version: str
    model: str
    parses_reasoning: bool
    parses_tools: bool

    @property
    def release(self) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:2])

    @property
    def thinking_share(self) -> float:
        return 0.8 if self.engine == "fastdeploy" else 1.0

    def without_parsers(self, *, reasoning: bool = False, tools: bool = False) -> "Voice":
        return replace(
            self,
            parses_reasoning=self.parses_reasoning and not reasoning,
            parses_tools=self.parses_tools and not tools,
        )


@dataclass(frozen=True)
class Said:
    """One finished answer in the engine's own fields."""

    reasoning: str
    content: str | None
    call: Json | None
    finish_reason: str
    usage: Json


def say(voice: Voice, request: brain.Request, raw: str, *, blind: bool) -> Said:
    text, was_cut = brain.cut(raw, request.max_tokens, voice.thinking_share)
    images = 0 if blind else request.image_tokens
    usage = _usage(voice, request.text_tokens, images, len(brain.pieces(text)))
    finish = "length" if was_cut else "stop"
    if not voice.parses_reasoning:
        return Said("", "<think>\n" + text if voice.engine == "vllm" else text, None, finish, usage)
    thought, ended, rest = text.partition("</think>")
    if not ended:
        return Said(thought, "" if voice.engine == "fastdeploy" else None, None, finish, usage)
    call = CALL.search(rest)
    if call and voice.parses_tools:
        content = "" if voice.engine == "fastdeploy" else None
        return Said(thought, content, json.loads(call[1]), "tool_calls", usage)
    return Said(thought, _content(voice, request, rest), None, finish, usage)


def _content(voice: Voice, request: brain.Request, rest: str) -> str:
    """FastDeploy's model writes no markers; vLLM's stream leaks them when the request has no tools."""
    if voice.engine == "vllm":
        if request.stream and not request.has_tools:
            return rest
        bare = MARKERS.sub("", rest)
        return bare.lstrip("\n") if request.stream else bare.removeprefix("\n")
    bare = MARKERS.sub("", rest).rstrip("\n")
    return bare.strip() if voice.engine == "transformers" else bare


def _usage(voice: Voice, text_tokens: int, image_tokens: int, completion: int) -> Json:
    prompt = text_tokens + image_tokens
    usage: Json = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    if voice.engine == "fastdeploy":
        usage["prompt_tokens_details"] = {"cached_tokens": 0, "image_tokens": image_tokens, "video_tokens": 0}
        usage["completion_tokens_details"] = {"reasoning_tokens": 0, "image_tokens": 0}
    if voice.engine == "vllm":
        usage["prompt_tokens_details"] = None
    return usage


def silence(voice: Voice, request: brain.Request) -> Said:
    """An answer that says nothing."""
    return Said("", "", None, "stop", _usage(voice, request.text_tokens, request.image_tokens, 0))


# The plain answer -----------------------------------------------------------------------------------------------------


def completion(voice: Voice, said: Said) -> Json:
    message: Json = {"role": "assistant", "content": said.content}
    calls = [_call(said.call)] if said.call else None
    if voice.engine == "fastdeploy":
        message |= {"multimodal_content": None, "reasoning_content": said.reasoning, "tool_calls": calls}
        message |= {"prompt_token_ids": None, "completion_token_ids": None, "prompt_tokens": None}
    elif voice.engine == "vllm":
        message |= {"refusal": None, "annotations": None, "audio": None, "function_call": None}
        message |= {"tool_calls": calls or [], "reasoning": said.reasoning or None}
    else:
        message |= {"tool_calls": calls, "reasoning_content": said.reasoning.strip()}
        message = {key: value for key, value in message.items() if value is not None}
    choice: Json = {"index": 0, "message": message, "finish_reason": said.finish_reason}
    if voice.engine == "vllm":
        choice |= {"logprobs": None, "stop_reason": None, "token_ids": None}
    return {**_envelope(voice, "chat.completion"), "choices": [choice], "usage": said.usage}


def _call(call: Json) -> Json:
    arguments = json.dumps(call["arguments"], ensure_ascii=False)
    return {
        "id": f"chatcmpl-tool-{uuid.uuid4().hex}",
        "type": "function",
        "function": {"name": call["name"], "arguments": arguments},
    }


def _envelope(voice: Voice, kind: str) -> Json:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": voice.model}


# The stream -----------------------------------------------------------------------------------------------------------


def events(
    voice: Voice, request: brain.Request, said: Said, *, in_one_chunk: bool, ends_with_done: bool
) -> Iterator[str]:
    """Whole SSE events. FastDeploy's first line has a blank before its end; transformers ends without `[DONE]`."""
    envelope = _envelope(voice, "chat.completion.chunk")
    key = "reasoning" if voice.engine == "vllm" else "reasoning_content"

    def event(delta: Json, finish: str | None = None, **more: object) -> str:
        choice: Json = {"index": 0, "delta": delta}
        if voice.engine != "transformers" or finish is not None:
            choice["finish_reason"] = finish
        if voice.engine == "fastdeploy":
            choice["arrival_time"] = time.monotonic()
        return f"data: {json.dumps({**envelope, 'choices': [choice], **more}, ensure_ascii=False)}\n\n"

    first: Json = {"role": "assistant", "content": ""}
    if voice.engine == "fastdeploy":
        first |= {"reasoning_content": "", "tool_calls": None}
        yield event(first)[:-2] + " \n\n"
    else:
        yield event({"role": "assistant"} if voice.engine == "transformers" else first)
    deltas: list[Json] = [{key: piece} for piece in brain.pieces(said.reasoning)]
    deltas += [{"content": piece} for piece in brain.pieces(said.content or "")]
    if in_one_chunk:
        deltas = [{key: said.reasoning, "content": said.content or ""}]
    deltas += [{"tool_calls": [part]} for part in _streamed_call(voice, said)]
    usage_at_the_end: Json = {"usage": said.usage} if voice.engine == "transformers" else {}
    if voice.engine == "transformers":
        yield from (event(delta) for delta in deltas)
        yield event({}, said.finish_reason, **usage_at_the_end)
    else:
        yield from (event(delta) for delta in deltas[:-1])
        yield event(deltas[-1] if deltas else {"content": ""}, said.finish_reason)
        if request.include_usage:
            yield f"data: {json.dumps({**envelope, 'choices': [], 'usage': said.usage})}\n\n"
    if ends_with_done and voice.engine != "transformers":
        yield "data: [DONE]\n\n"


def _streamed_call(voice: Voice, said: Said) -> list[Json]:
    """FastDeploy sends the name first and the arguments in fragments, the others everything at once."""
    if said.call is None:
        return []
    call = _call(said.call)
    if voice.engine != "fastdeploy":
        return [{"index": 0, **call}]
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    head = {"index": 0, **call, "function": {"name": name, "arguments": ""}}
    cuts = [arguments[i : i + 9] for i in range(0, len(arguments), 9)]
    return [head, *({"index": 0, "function": {"arguments": cut}} for cut in cuts)]


# Refusals -------------------------------------------------------------------------------------------------------------


def refusal(voice: Voice, error: brain.RefusedError) -> tuple[int, Json | str]:
    """The status and the body; a str is sent as plain text."""
    if voice.engine == "vllm":
        status = {"wrong-model": 404}.get(error.kind, 400)
        kind = "NotFoundError" if status == 404 else "BadRequestError"
        return status, {"error": {"message": error.message, "type": kind, "param": None, "code": status}}
    if voice.engine == "transformers":
        if error.kind in ("wrong-model", "unknown-field"):
            return (400 if error.kind == "wrong-model" else 422), {"detail": error.message}
        return 500, "Internal Server Error"
    return _fastdeploy_refusal(voice, error)


def _fastdeploy_refusal(voice: Voice, error: brain.RefusedError) -> tuple[int, Json]:
    codes = {"schema": "invalid_value", "wrong-model": "model_not_support", "too-long": "context_length_exceeded"}
    code = codes.get(error.kind, "invalid_value")
    if voice.release >= (2, 4):
        body = {"message": error.message, "type": "invalid_request_error", "param": None, "code": code}
        return (400 if error.kind == "schema" else 500), {"error": body}
    if error.kind == "schema":
        return 422, {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": error.message}]}
    return 400, {"detail": {"object": "error", "message": error.message, "type": "invalid_request_error", "code": 400}}


def wrong_model(voice: Voice, requested: object) -> brain.RefusedError:
    messages = {
        "fastdeploy": f"Unsupported model: [{requested}], support [{voice.model}] or default",
        "vllm": f"The model `{requested}` does not exist.",
        "transformers": f"Server is pinned to '{voice.model}'; requested '{requested}'.",
    }
    return brain.RefusedError("wrong-model", messages[voice.engine])


def unknown_fields(body: object) -> brain.RefusedError | None:
    """transformers refuses what it does not know."""
    unexpected = set(body) - TRANSFORMERS_FIELDS if isinstance(body, dict) else set()
    if not unexpected:
        return None
    return brain.RefusedError("unknown-field", f"Unexpected fields in the request: {unexpected}")
