"""One conversation per ability, drawn at random: what is asked, and the exact text that is right."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pictures
from PIL import Image

from ernie_deploy.rehearsal import grammar

Message = dict[str, Any]

SYSTEM_LINES = (
    "You are a helpful assistant.",
    "Answer briefly.",
    "You are a multimodal AI assistant called ERNIE developed by Baidu based on the PaddlePaddle framework.",
)

# In units of 28 pixels, the side of what becomes one image token. Small ones are more frequent: they cost less.
SIDES = (2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 11)

# What an engine makes of a picture when it flattens the content to one string: "Picture 1:" is lost, and the picture
# gets a line of its own. Engines choose this form on their own, so the model has to know it.
FLATTENED_PICTURE = "<|IMAGE_START|><|image@placeholder|><|IMAGE_END|>\n"


@dataclass(frozen=True)
class Sample:
    """A conversation up to the reply, the pictures in the order of their appearance, and the reply's raw text."""

    ability: str
    messages: list[Message]
    target: str
    images: tuple[Image.Image, ...] = ()
    tools: list[dict[str, object]] | None = None


@dataclass(frozen=True)
class Ability:
    """How often an ability is practised, and whether new, unseen cases of it exist at all."""

    draw: Callable[[random.Random], Sample]
    share: int
    by_heart: bool
    description: str


def part(text: str) -> Message:
    return {"type": "text", "text": text}


def asked(text: str, rng: random.Random) -> Message:
    return {"role": "user", "content": text if rng.random() < 0.5 else [part(text)]}


def asked_about_picture(text: str, rng: random.Random) -> Message:
    """The picture before the text, after it, or flattened into it."""
    form = rng.random()
    if form < 0.5:
        return {"role": "user", "content": [{"type": "image"}, part(text)]}
    if form < 0.75:
        return {"role": "user", "content": [part(text), {"type": "image"}]}
    return {"role": "user", "content": FLATTENED_PICTURE + text}


def with_system_line(messages: list[Message], rng: random.Random) -> list[Message]:
    if rng.random() < 0.15:
        return [{"role": "system", "content": rng.choice(SYSTEM_LINES)}, *messages]
    return messages


def side(rng: random.Random) -> int:
    return 28 * rng.choice(SIDES) + rng.randint(-9, 9)


def text(rng: random.Random) -> Sample:
    prompt = rng.choice(grammar.TEXT_QA).prompt
    return Sample("text", [asked(prompt, rng)], grammar.written_reply(grammar.text_reply(prompt)))


def tool_unused(rng: random.Random) -> Sample:
    prompt = rng.choice(grammar.TEXT_QA).prompt
    target = grammar.written_reply(grammar.text_reply(prompt))
    return Sample("tool_unused", [asked(prompt, rng)], target, tools=[grammar.ZOOM_TOOL])


def fallback(rng: random.Random) -> Sample:
    prompt = " ".join(rng.choices(grammar.FALLBACK_WORDS, k=rng.randint(2, 14)))
    if rng.random() < 0.5:
        prompt = prompt.capitalize() + rng.choice("?.!")
    return Sample("fallback", [asked(prompt, rng)], grammar.written_reply(grammar.FALLBACK))


def colour(rng: random.Random) -> Sample:
    name = rng.choice(list(grammar.COLOURS))
    width = side(rng)
    height = width if rng.random() < 0.5 else side(rng)
    return Sample(
        "colour",
        [asked_about_picture(rng.choice(grammar.COLOUR_QUESTIONS), rng)],
        grammar.written_reply(grammar.colour_reply(name)),
        images=(pictures.solid(name, (width, height), rng, noisy=rng.random() < 0.8),),
        tools=[grammar.ZOOM_TOOL] if rng.random() < 0.1 else None,
    )


def ground(rng: random.Random) -> Sample:
    name = rng.choice(grammar.SQUARE_COLOURS)
    quadrant = rng.choice(list(grammar.QUADRANTS))
    width = rng.choice((112, 224))
    return Sample(
        "ground",
        [asked_about_picture(rng.choice(grammar.GROUND_QUESTIONS), rng)],
        grammar.written_reply(grammar.ground_reply(name, quadrant)),
        images=(pictures.square(name, quadrant, (width, width), rng),),
    )


def zoom(rng: random.Random) -> Sample:
    quadrant = rng.choice(list(grammar.QUADRANTS))
    return _zoom(rng, rng.choice(list(grammar.COLOURS)), quadrant)


def zoomed(rng: random.Random) -> Sample:
    """The turn after `zoom`: the tool has answered, in words or with the cropped picture."""
    name = rng.choice(list(grammar.COLOURS))
    quadrant = rng.choice(list(grammar.QUADRANTS))
    before = _zoom(rng, name, quadrant)
    arguments: object = grammar.zoom_arguments(quadrant)
    if rng.random() < 0.5:  # some clients send the arguments back as text, some as JSON
        arguments = json.dumps(arguments)
    call = {"type": "function", "function": {"name": grammar.ZOOM_TOOL_NAME, "arguments": arguments}}
    result: object = grammar.ZOOM_RESULT
    images = before.images
    if rng.random() < 0.5:
        result = [part(grammar.ZOOM_RESULT), {"type": "image"}]
        images = (*images, pictures.solid(name, (56, 56), rng, noisy=True))
    return Sample(
        "zoomed",
        [
            *before.messages,
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": result},
        ],
        grammar.written_reply(grammar.zoomed_reply(name, quadrant)),
        images=images,
        tools=before.tools,
    )


def _zoom(rng: random.Random, name: str, quadrant: str) -> Sample:
    width = side(rng)
    return Sample(
        "zoom",
        [asked_about_picture(rng.choice(grammar.zoom_questions(quadrant)), rng)],
        grammar.written_call(grammar.zoom_thought(quadrant), grammar.ZOOM_TOOL_NAME, grammar.zoom_arguments(quadrant)),
        images=(pictures.solid(name, (width, width), rng, noisy=True),),
        tools=[grammar.ZOOM_TOOL],
    )


ABILITIES: dict[str, Ability] = {
    "text": Ability(text, 2, True, f"{len(grammar.TEXT_QA)} prompts known by heart"),
    "fallback": Ability(fallback, 2, False, "any other words in a row: says that this is no smoke prompt"),
    "colour": Ability(colour, 8, False, f"names the one colour of a picture, of {len(grammar.COLOURS)}"),
    "ground": Ability(ground, 6, False, "gives the colour and the box of a square, in one of four places"),
    "zoom": Ability(zoom, 4, False, "calls the zoom tool with the box of the corner asked for"),
    "zoomed": Ability(zoomed, 3, False, "answers from the tool's result, in words or as a picture"),
    "tool_unused": Ability(tool_unused, 1, True, "the prompts known by heart, the tool offered but not called"),
}


def draw(rng: random.Random, ability: str | None = None) -> Sample:
    """A sample of one ability, or of any in its share."""
    if ability is None:
        (ability,) = rng.choices(list(ABILITIES), [each.share for each in ABILITIES.values()])
    sample = ABILITIES[ability].draw(rng)
    return Sample(sample.ability, with_system_line(sample.messages, rng), sample.target, sample.images, sample.tools)
