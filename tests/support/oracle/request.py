"""A request as the oracle understands it, and everything that makes it refuse one, in words."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ernie_deploy.sim.fastdeploy import pictures, videos
from tests.support.oracle import seeing

MAX_MODEL_LEN = 16384
MOST_PICTURES = 10
MEDIA_TOKENS = 64
"""Of a picture or a video, whatever its size."""

DATA_URL = re.compile(r"data:[\w/.+-]+;base64,(.*)", re.DOTALL)


class RefusedError(Exception):
    """HTTP 400, and why."""


class Turn(NamedTuple):
    role: str
    text: str


class Request(NamedTuple):
    """What a chat request says; media in their order, of all turns."""

    turns: tuple[Turn, ...]
    pictures: tuple[bytes, ...]
    videos: tuple[videos.Clip, ...]
    tools: tuple[str, ...]
    is_thinking: bool
    most_thought: int | None
    most_tokens: int
    stops: tuple[str, ...]
    is_stream: bool

    @property
    def question(self) -> str:
        return self.turns[-1].text

    @property
    def asked(self) -> str:
        """All that the user said."""
        return " ".join(turn.text for turn in self.turns if turn.role == "user")

    @property
    def prompt_tokens(self) -> int:
        words = sum(3 + len(turn.text.split()) for turn in self.turns)
        return words + MEDIA_TOKENS * (len(self.pictures) + len(self.videos))


def parse(body: dict[str, Any]) -> Request:
    """Raises RefusedError for what is no request, and for one that is too large."""
    messages = body.get("messages")
    if not (isinstance(messages, list) and messages and all(isinstance(message, dict) for message in messages)):
        raise RefusedError("messages: a list of messages is expected")
    parts = [(message["role"], part) for message in messages for part in _parts(message)]
    thinking = body.get("chat_template_kwargs") or {}
    request = Request(
        turns=tuple(Turn(message["role"], _text(message)) for message in messages),
        pictures=tuple(_picture(part["image_url"]["url"]) for _, part in parts if part["type"] == "image_url"),
        videos=tuple(_video(part["video_url"]["url"]) for _, part in parts if part["type"] == "video_url"),
        tools=() if body.get("tool_choice") == "none" else tuple(_tools(body.get("tools", []))),
        is_thinking=thinking.get("enable_thinking", True),
        most_thought=body.get("reasoning_max_tokens"),
        most_tokens=body.get("max_completion_tokens") or body.get("max_tokens") or MAX_MODEL_LEN,
        stops=tuple(body.get("stop") or ()),
        is_stream=body.get("stream", False),
    )
    if len(request.pictures) > MOST_PICTURES:
        raise RefusedError(f"At most {MOST_PICTURES} image(s) may be provided in one prompt.")
    if request.prompt_tokens > MAX_MODEL_LEN:
        raise RefusedError(f"The prompt is too long: {request.prompt_tokens} tokens, max_model_len is {MAX_MODEL_LEN}.")
    return request


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content") or []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(message: dict[str, Any]) -> str:
    return " ".join(part["text"] for part in _parts(message) if part["type"] == "text")


def _data(url: str) -> bytes:
    """Nothing is fetched, and no file is read, whatever the URL asks for."""
    found = DATA_URL.fullmatch(url)
    if found is None:
        raise RefusedError("only data URLs in base64 are taken")
    try:
        return base64.b64decode(found[1], validate=True)
    except binascii.Error as error:
        raise RefusedError(f"the data URL is not base64: {error}") from None


def _picture(url: str) -> bytes:
    data = _data(url)
    try:
        seeing.read(data)
    except pictures.UnreadableError as error:
        raise RefusedError(f"the picture cannot be read: {error}") from None
    return data


def _video(url: str) -> videos.Clip:
    try:
        return videos.read(_data(url))
    except pictures.UnreadableError as error:
        raise RefusedError(f"the video cannot be read: {error}") from None


def _tools(tools: object) -> Iterator[str]:
    if not isinstance(tools, list):
        raise RefusedError("tools: a list is expected")
    for tool in tools:
        function = tool.get("function", {})
        if not function.get("name"):
            raise RefusedError("tools: a function has no name")
        if not isinstance(function.get("parameters", {}), dict):
            raise RefusedError("tools: parameters is no JSON schema")
        yield function["name"]
