"""Faults of reading a request: what is let through, left out or choked on. Pure, but for the wait of a bomb."""

import time
from collections.abc import Collection, Mapping
from typing import Any

from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest, understand
from ernie_deploy.sim.fastdeploy.refusals import RefusedError, WordlessError
from ernie_deploy.sim.fastdeploy.request_types import INTEGERS, NUMBERS, Served, check_sampling

Json = Mapping[str, Any]
BOMB_S = 2.0
LARGE_PIXELS = 4_000_000
TINY_SIDE = 28
NO_END = 1 << 40


def understood(body: Json, served: Served, faults: Collection[str]) -> ChatRequest:
    """As `understand`, while these faults hold."""
    allowed = _loosened(served, faults)
    if "any-number" in faults:
        body = {name: value for name, value in body.items() if _is_possible(name, value)}
    if "any-tools" in faults:
        body = {name: value for name, value in body.items() if name != "tools"}
    if "tools-hide-system" in faults and body.get("tools"):
        body = _without_system(body)
    try:
        request = understand(body, allowed)
    except RefusedError as error:
        if not _is_overlooked(error.message, faults):
            raise
        request = understand(_without_media(body), allowed)
    if "misnames-limit" in faults and len(request.pictures) > served.media_limits.get("image", 1) // 2:
        raise RefusedError("Too many image items in prompt", param="messages")
    _choke(request, faults)
    return request


def _loosened(served: Served, faults: Collection[str]) -> Served:
    """What the service is taken to have been started with."""
    if "any-model" in faults:
        served = served._replace(checks_model=False)
    if "accepts-too-long" in faults:
        served = served._replace(max_model_len=NO_END)
    if "half-length" in faults:
        served = served._replace(max_model_len=served.max_model_len // 2)
    if "unbounded-images" in faults:
        served = served._replace(picture_limits={**served.picture_limits, "image_max_pixels": NO_END})
    return served


def _is_possible(name: str, value: object) -> bool:
    """What no type or bound forbids, and no budget below one."""
    if name not in NUMBERS and name not in INTEGERS:
        return True
    try:
        check_sampling({name: value})
    except RefusedError:
        return False
    return (
        name not in ("max_tokens", "max_completion_tokens")
        or value is None
        or bool(isinstance(value, int) and value > 0)
    )


def _is_overlooked(message: str, faults: Collection[str]) -> bool:
    """Whether a refusal of media does not happen."""
    if "decompression bomb" in message:
        if "bomb-decoded" in faults:
            # The machine is busy with it, but not hurt.
            time.sleep(BOMB_S)
        return "bomb-decoded" in faults
    return ("accepts-broken-images" in faults and "Failed to load image" in message) or (
        "accepts-broken-videos" in faults and "Failed to load video" in message
    )


def _without_media(body: Json) -> Json:
    messages = [
        {**message, "content": [part for part in message["content"] if part.get("type") == "text"]}
        if isinstance(message.get("content"), list)
        else message
        for message in body["messages"]
    ]
    return {**body, "messages": messages}


def _without_system(body: Json) -> Json:
    """As a template does that writes either a system line or a list of tools."""
    messages = body.get("messages")
    kept = [one for one in messages if one.get("role") != "system"] if isinstance(messages, list) else messages
    return {**body, "messages": kept}


def _choke(request: ChatRequest, faults: Collection[str]) -> None:
    sizes = [(picture.width, picture.height) for picture in request.pictures]
    if "chokes-on-large-images" in faults and any(width * height > LARGE_PIXELS for width, height in sizes):
        raise WordlessError
    if "chokes-on-tiny-images" in faults and any(min(size) < TINY_SIDE for size in sizes):
        raise WordlessError
    if "chokes-on-alpha" in faults and any(picture.has_alpha for picture in request.pictures):
        raise WordlessError
    if "chokes-on-emoji" in faults and any(ord(letter) > 0xFFFF for turn in request.turns for letter in turn.text):
        raise WordlessError
