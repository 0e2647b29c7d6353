"""Samples of calls: which tool is called, with what, and what its result is good for."""

import random

from conversation import BOTH_TOOLS, Sample, asked_about, called, part
from of_sights import COLOURS, QUADRANTS, field, side

from ernie_deploy.rehearsal import grammar, scenes, sights, talk

SMALL_PRINT_SIDES = (224, 448, scenes.SMALL_PRINT_SIDE, scenes.SMALL_PRINT_SIDE)


def zoom(rng: random.Random) -> Sample:
    quadrant = rng.choice(QUADRANTS)
    return _zoom(rng, rng.choice(COLOURS), quadrant)


def zoomed(rng: random.Random) -> Sample:
    """The turn after `zoom`: the tool has answered, in words or with the cropped picture."""
    name = rng.choice(COLOURS)
    quadrant = rng.choice(QUADRANTS)
    before = _zoom(rng, name, quadrant)
    result: object = grammar.ZOOM_RESULT
    images = before.images
    if rng.random() < 0.5:
        result = [part(grammar.ZOOM_RESULT), {"type": "image"}]
        images = (*images, field(name, rng, 56, 56))
    call = called(grammar.ZOOM_TOOL_NAME, grammar.zoom_arguments(quadrant), rng)
    messages = [*before.messages, call, {"role": "tool", "content": result}]
    reply = grammar.zoomed_reply(name, quadrant)
    return Sample("zoomed", messages, grammar.written_reply(reply), images, tools=before.tools)


def _zoom(rng: random.Random, name: str, quadrant: str) -> Sample:
    width = side(rng)
    return Sample(
        "zoom",
        [asked_about(rng.choice(grammar.zoom_questions(quadrant)), rng, pictures=1)],
        grammar.written_call(grammar.zoom_thought(quadrant), grammar.ZOOM_TOOL_NAME, grammar.zoom_arguments(quadrant)),
        images=(field(name, rng, width, width),),
        tools=BOTH_TOOLS if rng.random() < 0.3 else [grammar.ZOOM_TOOL],
    )


def small_print(rng: random.Random) -> Sample:
    """Where the panel is must be seen: the question does not say it."""
    return _small_print(rng, rng.randrange(10), rng.choice(QUADRANTS))


def small_print_read(rng: random.Random) -> Sample:
    """The turn after `small_print`: the tool's result shows the quarter in full size."""
    number, quadrant = rng.randrange(10), rng.choice(QUADRANTS)
    before = _small_print(rng, number, quadrant)
    call = called(grammar.ZOOM_TOOL_NAME, grammar.zoom_arguments(quadrant), rng)
    result = {"role": "tool", "content": [part(grammar.ZOOM_RESULT), {"type": "image"}]}
    return Sample(
        "small_print_read",
        [*before.messages, call, result],
        grammar.written_reply(sights.small_print_reply(number)),
        images=(*before.images, before.images[0].crop(grammar.zoom_box(quadrant))),
        tools=before.tools,
    )


def _small_print(rng: random.Random, number: int, quadrant: str) -> Sample:
    side = rng.choice(SMALL_PRINT_SIDES)
    picture = scenes.small_print(number, quadrant, rng.choice(grammar.SQUARE_COLOURS), rng, side=side)
    return Sample(
        "small_print",
        [asked_about(rng.choice(sights.SMALL_PRINT_QUESTIONS), rng, pictures=1)],
        grammar.written_call(grammar.zoom_thought(quadrant), grammar.ZOOM_TOOL_NAME, grammar.zoom_arguments(quadrant)),
        images=(picture,),
        tools=BOTH_TOOLS if rng.random() < 0.2 else [grammar.ZOOM_TOOL],
    )


def two_calls(rng: random.Random) -> Sample:
    first, second = rng.sample(QUADRANTS, 2)
    width = 28 * rng.choice((2, 4, 8))
    return Sample(
        "two_calls",
        [asked_about(talk.two_zooms_question(first, second), rng, pictures=1)],
        talk.written_two_zooms(first, second),
        images=(field(rng.choice(COLOURS), rng, width, width),),
        tools=[grammar.ZOOM_TOOL],
    )


def search(rng: random.Random) -> Sample:
    width = 28 * rng.choice((2, 4, 8))
    return Sample(
        "search",
        [asked_about(rng.choice(talk.SEARCH_QUESTIONS), rng, pictures=1)],
        grammar.written_call(talk.SEARCH_THOUGHT, talk.IMAGE_SEARCH_TOOL_NAME, talk.SEARCH_ARGUMENTS),
        images=(field(rng.choice(COLOURS), rng, width, width),),
        tools=BOTH_TOOLS,
    )


def searched(rng: random.Random) -> Sample:
    before = search(rng)
    word = rng.choice(talk.WORDS)
    call = called(talk.IMAGE_SEARCH_TOOL_NAME, dict(talk.SEARCH_ARGUMENTS), rng)
    messages = [*before.messages, call, {"role": "tool", "content": talk.search_result(word)}]
    reply = talk.search_reply(word)
    return Sample("searched", messages, grammar.written_reply(reply), before.images, tools=before.tools)
