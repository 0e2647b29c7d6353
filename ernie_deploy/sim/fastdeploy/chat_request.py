"""A chat request, checked as FastDeploy checks it: what its types forbid first, then what the service cannot do."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ernie_deploy.architecture.tokens import AROUND_A_PICTURE, picture_tokens
from ernie_deploy.architecture.tokens import video_tokens as tokens_of_video
from ernie_deploy.sim.fastdeploy import tokens
from ernie_deploy.sim.fastdeploy.message_parts import Turn, check_media, read_turn
from ernie_deploy.sim.fastdeploy.pictures import Picture
from ernie_deploy.sim.fastdeploy.refusals import RefusedError
from ernie_deploy.sim.fastdeploy.request_types import Served, check_abilities, check_model, checked_messages, stops_of

# What the template adds to a prompt without any text.
TEMPLATE_TOKENS = 8


class ChatRequest(NamedTuple):
    """A request that will be answered."""

    turns: tuple[Turn, ...]
    tool_names: tuple[str, ...]
    is_thinking: bool
    stream: bool
    include_usage: bool
    continuous_usage: bool
    max_tokens: int
    reasoning_max_tokens: int
    stops: tuple[str, ...]
    choices: int
    prompt_tokens: int
    image_tokens: int
    video_tokens: int
    request_id: str
    user: str

    @property
    def text(self) -> str:
        """The last word of the user."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All that were shown, in their order."""
        return tuple(picture for turn in self.turns for picture in turn.pictures)


def decoded(body: bytes) -> Mapping[str, Any]:
    """The body as a JSON object. Raises RefusedError."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"JSON decode error: {error}", kind="schema") from None
    if not isinstance(document, dict):
        raise RefusedError("Input should be a valid dictionary or object", kind="schema")
    return document


def understand(body: Mapping[str, Any], served: Served) -> ChatRequest:
    """Raises RefusedError, or DownloadError for a picture behind a URL."""
    messages = checked_messages(body)
    if served.checks_model:
        check_model(body, served)
    check_abilities(body, served)
    turns = tuple(read_turn(message["role"], message.get("content")) for message in messages)
    check_media(turns, served)
    pictures = [picture for turn in turns for picture in turn.pictures]
    clips = [clip for turn in turns for clip in turn.clips]
    image_tokens = sum(picture_tokens(one.width, one.height, served.picture_limits) for one in pictures)
    video_tokens = sum(tokens_of_video(one.size, served.picture_limits) for one in clips)
    around = AROUND_A_PICTURE * (len(pictures) + len(clips))
    tools = [json.dumps(body["tools"])] if body.get("tools") else []
    words_count = sum(tokens.count(text) for text in (*(turn.text for turn in turns), *tools))
    prompt_tokens = TEMPLATE_TOKENS + words_count + image_tokens + video_tokens + around
    max_tokens, reasoning_max_tokens = _budget(body, served, prompt_tokens)
    options = body.get("stream_options") or {}
    return ChatRequest(
        turns=turns,
        tool_names=tuple(_names_of(body.get("tools") or [])),
        is_thinking=_is_thinking(body),
        stream=body.get("stream") is True,
        include_usage=options.get("include_usage") is True,
        continuous_usage=options.get("continuous_usage_stats") is True,
        max_tokens=max_tokens,
        reasoning_max_tokens=reasoning_max_tokens,
        stops=stops_of(body),
        choices=int(body.get("n") or 1),
        prompt_tokens=prompt_tokens,
        image_tokens=image_tokens,
        video_tokens=video_tokens,
        request_id=str(body.get("request_id") or ""),
        user=str(body.get("user") or ""),
    )


def _names_of(tools: Sequence[object]) -> Iterator[str]:
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        yield str(function.get("name", "")) if isinstance(function, dict) else ""


def _budget(body: Mapping[str, Any], served: Served, prompt_tokens: int) -> tuple[int, int]:
    """What may be generated, and how much of it may be thinking: 80 % when nobody says."""
    length = served.max_model_len
    asked = body.get("max_completion_tokens") or body.get("max_tokens")
    asked = body["max_tokens"] if asked is None and body.get("max_tokens") == 0 else asked
    if asked is not None and not 1 <= asked < length:
        raise RefusedError(f"max_tokens can be defined [1, {length}).", param="max_tokens")
    least = body.get("min_tokens") or 1
    # A prompt that is too long is cut first, in silence, and refused then: the number it names is the cut one.
    counted = min(prompt_tokens, length - 1)
    if counted + least >= length:
        message = f"Input text is too long, input_ids_len ({counted}) + min_tokens({least}) >= max_model_len({length})"
        raise RefusedError(message, param="messages", code="context_length_exceeded")
    most = length - counted
    max_tokens = min(asked, most) if asked else most
    given = body.get("reasoning_max_tokens")
    if given is not None and given < 1:
        raise RefusedError("reasoning_max_tokens must be greater than 1", param="reasoning_max_tokens")
    return max_tokens, given or max(1, int(max_tokens * 0.8))


def _is_thinking(body: Mapping[str, Any]) -> bool:
    given = body.get("chat_template_kwargs")
    options = given.get("options") if isinstance(given, dict) else None
    mode = options.get("thinking_mode") if isinstance(options, dict) else None
    return mode not in ("close", "false")
