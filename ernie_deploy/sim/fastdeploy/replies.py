"""The bodies and events of answers, field by field as FastDeploy sends them. Pure, but for ids and the time of day."""

import time
import uuid
from typing import Any

from ernie_deploy.sim.fastdeploy.answers import END_OF_THOUGHT
from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest
from ernie_deploy.sim.fastdeploy.parsers import Parsed
from ernie_deploy.sim.fastdeploy.wire import encoded

Json = dict[str, Any]
FINGERPRINT = "simulated"


def answer_id(request: ChatRequest, begins: str) -> str:
    """A given request_id is kept, behind the usual beginning; a user becomes part of it."""
    if request.request_id:
        return request.request_id if request.request_id.startswith(f"{begins}-") else f"{begins}-{request.request_id}"
    return f"{begins}-{request.user}-{uuid.uuid4()}" if request.user else f"{begins}-{uuid.uuid4()}"


def usage(request: ChatRequest, words: list[str]) -> Json:
    """What is counted; image_tokens is the proof that a picture was used."""
    images, prompt = request.image_tokens, request.prompt_tokens
    thought = words.index(END_OF_THOUGHT) if END_OF_THOUGHT in words else len(words)
    generated = len(words) * request.choices
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + generated,
        "completion_tokens": generated,
        "prompt_tokens_details": {"cached_tokens": 0, "image_tokens": images, "video_tokens": request.video_tokens},
        "completion_tokens_details": {"reasoning_tokens": thought * request.choices, "image_tokens": 0},
    }


def envelope(name: str, model: str, kind: str) -> Json:
    return {"id": name, "object": kind, "created": int(time.time()), "model": model, "system_fingerprint": FINGERPRINT}


def completion(head: Json, parsed: Parsed, finish: str, counted: Json | None, count: int) -> Json:
    message: Json = {
        "role": "assistant",
        "content": parsed.content,
        "multimodal_content": None,
        "reasoning_content": parsed.reasoning or None,
        "tool_calls": list(parsed.calls) or None,
        "prompt_token_ids": None,
        "completion_token_ids": None,
        "prompt_tokens": None,
        "completion_tokens": None,
    }
    choice = {"message": message, "logprobs": None, "draft_logprobs": None, "finish_reason": finish}
    told = {"usage": counted} if counted else {}
    return {**head, "choices": [{"index": index, **choice} for index in range(count)], **told}


def event(document: Json) -> bytes:
    return b"data: " + encoded(document) + b"\n\n"


def first_event(head: Json, counted: Json | None) -> bytes:
    """It carries no token, and a blank before its line ends."""
    delta = {"role": "assistant", "content": "", "reasoning_content": "", "tool_calls": None}
    choice = {"index": 0, "delta": delta, "arrival_time": None, "finish_reason": None}
    extra = {"usage": counted} if counted else {}
    return event({**head, "choices": [choice], **extra})[:-2] + b" \n\n"


def delta_event(head: Json, delta: Json, began: float, finish: str | None, counted: Json | None) -> bytes:
    choice: Json = {"index": 0, "delta": delta, "arrival_time": time.monotonic() - began}
    if finish:
        choice["finish_reason"] = finish
    extra = {"usage": counted} if counted else {}
    return event({**head, "choices": [choice], **extra})


def usage_event(head: Json, counted: Json) -> bytes:
    return event({**head, "choices": [], "usage": counted})


DONE = b"data: [DONE]\n\n"
