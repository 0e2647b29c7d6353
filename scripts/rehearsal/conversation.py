"""Conversations of any ability: how something is asked, shown, called and sent back."""

import json
import random
from dataclasses import dataclass
from typing import Any

from ernie_deploy.rehearsal import grammar, scenes, talk

Message = dict[str, Any]

SYSTEM_LINES = (
    "You are a helpful assistant.",
    "Answer briefly.",
    "You are a multimodal AI assistant called ERNIE developed by Baidu based on the PaddlePaddle framework.",
)

# What an engine makes of a picture when it flattens the content to one string: "Picture 1:" is lost, and the picture
# gets a line of its own. Engines choose this form on their own, so the model has to know it.
FLATTENED_PICTURE = "<|IMAGE_START|><|image@placeholder|><|IMAGE_END|>\n"
FLATTENED_VIDEO = "<|VIDEO_START|><|video@placeholder|><|VIDEO_END|>\n"

BOTH_TOOLS = [grammar.ZOOM_TOOL, talk.IMAGE_SEARCH_TOOL]


@dataclass(frozen=True)
class Sample:
    """A conversation up to the reply, what it shows in the order of appearance, and the reply's raw text."""

    ability: str
    messages: list[Message]
    target: str
    images: tuple[scenes.Picture, ...] = ()
    videos: tuple[scenes.Video, ...] = ()
    tools: list[dict[str, object]] | None = None
    is_thinking: bool = True


def part(text: str) -> Message:
    return {"type": "text", "text": text}


def asked(text: str, rng: random.Random) -> Message:
    return {"role": "user", "content": text if rng.random() < 0.5 else [part(text)]}


def asked_about(text: str, rng: random.Random, *, pictures: int = 0, videos: int = 0) -> Message:
    """What is shown before the text, after it, or flattened into it."""
    shown: list[Message] = [{"type": "image"}] * pictures + [{"type": "video"}] * videos
    form = rng.random()
    if form < 0.5:
        return {"role": "user", "content": [*shown, part(text)]}
    if form < 0.75:
        return {"role": "user", "content": [part(text), *shown]}
    return {"role": "user", "content": FLATTENED_PICTURE * pictures + FLATTENED_VIDEO * videos + text}


def with_system_line(messages: list[Message], rng: random.Random) -> list[Message]:
    if messages[0]["role"] != "system" and rng.random() < 0.15:
        return [{"role": "system", "content": rng.choice(SYSTEM_LINES)}, *messages]
    return messages


def said(reply: grammar.Reply) -> Message:
    """An earlier turn of the model, as clients send it back: without the thought."""
    return {"role": "assistant", "content": reply.answer}


def called(name: str, arguments: object, rng: random.Random) -> Message:
    """The model's call as clients send it back: some with the arguments as text, some as JSON."""
    if rng.random() < 0.5:
        arguments = json.dumps(arguments)
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}
