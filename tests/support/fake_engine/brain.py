"""What the fake model writes: a request in, the raw text out, as a trained model would, before any parser."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from . import grammar, png

GARBLED = grammar.Reply("Lorem ipsum dolor.", "Consectetur adipiscing elit sed.")
QUARTERS = {
    "top left": (60, 60, 440, 440),
    "top right": (560, 60, 940, 440),
    "bottom left": (60, 560, 440, 940),
    "bottom right": (560, 560, 940, 940),
}


class RefusedError(Exception):
    """The request is not served; `kind` is schema, bad-image, wrong-model or too-long."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True)
class Request:
    """A chat request, understood."""

    text: str
    first_text: str
    pictures: tuple[png.Picture, ...]
    has_tools: bool
    follows_a_tool: bool
    stream: bool
    include_usage: bool
    max_tokens: int

    @property
    def image_tokens(self) -> int:
        return sum(max(4, picture.width * picture.height // (28 * 28)) for picture in self.pictures)

    @property
    def text_tokens(self) -> int:
        return 8 + len(pieces(self.text))


def understand(body: object) -> Request:
    if not isinstance(body, dict):
        raise RefusedError("schema", "the body must be a JSON object")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RefusedError("schema", "messages: Input should be a valid list with at least one message")
    texts: list[str] = []
    pictures: list[png.Picture] = []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant", "tool"):
            raise RefusedError("schema", "messages: each one needs a known role")
        words, seen = _parts(message.get("content"))
        pictures += seen
        if message["role"] == "user":
            texts.append(words)
    if not texts:
        raise RefusedError("schema", "messages: one must come from the user")
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or 4096
    if not isinstance(limit, int) or limit < 1:
        raise RefusedError("schema", "max_tokens: Input should be a positive integer")
    options = body.get("stream_options")
    return Request(
        text=texts[-1],
        first_text=texts[0],
        pictures=tuple(pictures),
        has_tools=bool(body.get("tools")),
        follows_a_tool=messages[-1]["role"] == "tool",
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        max_tokens=limit,
    )


def _parts(content: object) -> tuple[str, list[png.Picture]]:
    if content is None or isinstance(content, str):
        return content or "", []
    if not isinstance(content, list):
        raise RefusedError("schema", "content: Input should be a string or a list of parts")
    words, pictures = [], []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            words.append(str(part.get("text", "")))
        elif kind == "image_url" and isinstance(part.get("image_url"), dict):
            pictures.append(_picture(str(part["image_url"].get("url", ""))))
        else:
            raise RefusedError("schema", f"Unknown content part type: {kind}")
    return "\n".join(words), pictures


def _picture(url: str) -> png.Picture:
    match = re.fullmatch(r"data:image/[\w.+-]+;base64,(.*)", url, re.DOTALL)
    if match is None:
        raise RefusedError("bad-image", "only data URLs are reachable from here")
    try:
        return png.read(base64.b64decode(match[1], validate=True))
    except (binascii.Error, png.UnreadablePictureError) as error:
        raise RefusedError("bad-image", f"Failed to load image: {error}") from None


def write(request: Request, *, blind: bool) -> str:
    """The raw text after the prompt's `<think>`."""
    if blind or not request.pictures:
        return grammar.written_reply(grammar.text_reply(request.text))
    colour = _colour(request.pictures[0])
    if request.follows_a_tool:
        corner = grammar.quadrant_named(request.first_text) or "top left"
        return grammar.written_reply(grammar.zoomed_reply(colour, corner))
    quadrant = grammar.quadrant_named(request.text)
    if request.has_tools and quadrant is not None:
        arguments = grammar.zoom_arguments(quadrant)
        return grammar.written_call(grammar.zoom_thought(quadrant), grammar.ZOOM_TOOL_NAME, arguments)
    if "square" in request.text.lower():
        return grammar.written_reply(grammar.ground_reply(*_square(request.pictures[0])))
    return grammar.written_reply(grammar.colour_reply(colour))


def written(reply: grammar.Reply) -> str:
    return grammar.written_reply(reply)


def _colour(picture: png.Picture) -> str:
    return grammar.nearest_colour(picture.average(0, 0, 1000, 1000))


def _square(picture: png.Picture) -> tuple[str, str]:
    """The colour and the quarter of what is not white."""
    seen = {quarter: picture.average(*box) for quarter, box in QUARTERS.items()}
    darkest = min(seen, key=lambda quarter: sum(seen[quarter]))
    return grammar.nearest_colour(seen[darkest]), darkest


def pieces(text: str) -> list[str]:
    """Text cut the way a tokenizer might; joined again it is the same text."""
    return re.findall(r"\n|</?\w+>| ?[^\s<]+|\s|<", text)


def cut(raw: str, max_tokens: int, thinking_share: float) -> tuple[str, bool]:
    """Keep `max_tokens`; after its share the thought is ended by force. Returns the text, and whether it was cut."""
    tokens = pieces(raw)
    end = tokens.index("</think>")
    allowed = int(max_tokens * thinking_share)
    if thinking_share < 1 and end > allowed:
        tokens = tokens[:allowed] + tokens[end:]
    return "".join(tokens[:max_tokens]), len(tokens) > max_tokens


def count(parts: Sequence[str]) -> int:
    return sum(len(pieces(part)) for part in parts)
