"""One conversation per ability, drawn at random: what is asked, and the exact text that is right."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ernie_deploy.rehearsal import grammar, scenes, sights, talk

Message = dict[str, Any]

SYSTEM_LINES = (
    "You are a helpful assistant.",
    "Answer briefly.",
    "You are a multimodal AI assistant called ERNIE developed by Baidu based on the PaddlePaddle framework.",
)

# In units of 28 pixels, the side of what becomes one image token. Small ones are more frequent: they cost less.
SIDES = (2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 11)
SQUARES_SIDES = (56, 56, 56, 112, 112, 224, 336)
DIGIT_SIDES = (56, 56, 56, 84, 112, 224)
SUM_SIDES = (84, 84, 112, 224)
SMALL_PRINT_SIDES = (224, 224, 448, scenes.SMALL_PRINT_SIDE)

# What an engine makes of a picture when it flattens the content to one string: "Picture 1:" is lost, and the picture
# gets a line of its own. Engines choose this form on their own, so the model has to know it.
FLATTENED_PICTURE = "<|IMAGE_START|><|image@placeholder|><|IMAGE_END|>\n"
FLATTENED_VIDEO = "<|VIDEO_START|><|video@placeholder|><|VIDEO_END|>\n"

BOTH_TOOLS = [grammar.ZOOM_TOOL, talk.IMAGE_SEARCH_TOOL]
COLOURS = tuple(grammar.COLOURS)
QUADRANTS = tuple(grammar.QUADRANTS)


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


def side(rng: random.Random) -> int:
    return 28 * rng.choice(SIDES) + rng.randint(-9, 9)


def field(colour: str, rng: random.Random, width: int, height: int) -> scenes.Picture:
    return scenes.colour_field(colour, rng, width=width, height=height)


# Text -----------------------------------------------------------------------------------------------------------------


def text(rng: random.Random) -> Sample:
    prompt = rng.choice(grammar.TEXT_QA).prompt
    return Sample("text", [asked(prompt, rng)], grammar.written_reply(grammar.text_reply(prompt)))


def tool_unused(rng: random.Random) -> Sample:
    tools = rng.choice(([grammar.ZOOM_TOOL], BOTH_TOOLS))
    return replace(text(rng), ability="tool_unused", tools=tools)


def no_thinking(rng: random.Random) -> Sample:
    """The prompt closes the thought itself."""
    if rng.random() < 0.5:
        name = rng.choice(COLOURS)
        width = 28 * rng.choice((2, 4, 8))
        message = asked_about(rng.choice(grammar.COLOUR_QUESTIONS), rng, pictures=1)
        target = talk.written_without_thought(grammar.colour_reply(name))
        return Sample("no_thinking", [message], target, (field(name, rng, width, width),), is_thinking=False)
    prompt = rng.choice(grammar.TEXT_QA).prompt
    target = talk.written_without_thought(grammar.text_reply(prompt))
    return Sample("no_thinking", [asked(prompt, rng)], target, is_thinking=False)


def words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(grammar.FALLBACK_WORDS, k=count))


def fallback(rng: random.Random) -> Sample:
    prompt = words(rng, rng.randint(2, 14))
    if rng.random() < 0.5:
        prompt = prompt.capitalize() + rng.choice("?.!")
    return Sample("fallback", [asked(prompt, rng)], grammar.written_reply(grammar.FALLBACK))


def chinese(rng: random.Random) -> Sample:
    return _language("chinese", talk.LANGUAGES["zh"], rng)


def persian(rng: random.Random) -> Sample:
    return _language("persian", talk.LANGUAGES["fa"], rng)


def _language(ability: str, language: talk.Language, rng: random.Random) -> Sample:
    if rng.random() < 0.25:
        known = language.text
        target = grammar.written_reply(grammar.Reply(known.thought, known.answer))
        return Sample(ability, [asked(known.prompt, rng)], target)
    name = rng.choice(COLOURS)
    width = 28 * rng.choice((2, 3, 4, 8))
    message = asked_about(language.colour_question, rng, pictures=1)
    target = grammar.written_reply(language.colour_reply(name))
    return Sample(ability, [message], target, (field(name, rng, width, width),))


def remember(rng: random.Random) -> Sample:
    prompt = talk.secret_told(rng.choice(talk.WORDS))
    return Sample("remember", [asked(prompt, rng)], grammar.written_reply(talk.REMEMBERED))


def secret(rng: random.Random) -> Sample:
    """The word stands in the system line, in an earlier turn, or somewhere in a long text."""
    word = rng.choice(talk.WORDS)
    sentence = talk.secret_sentence(word)
    question = asked(talk.SECRET_QUESTION, rng)
    form = rng.random()
    if form < 0.25:
        messages = [{"role": "system", "content": f"{rng.choice(SYSTEM_LINES)} {sentence}"}, question]
        if rng.random() < 0.5:
            messages[0]["content"] = sentence
    elif form < 0.6:
        messages = [asked(talk.secret_told(word), rng), said(talk.REMEMBERED), question]
        if rng.random() < 0.5:
            known = rng.choice(grammar.TEXT_QA)
            other = [asked(known.prompt, rng), said(grammar.text_reply(known.prompt))]
            messages = [*other, *messages] if rng.random() < 0.5 else [*messages[:2], *other, question]
    else:
        count = rng.choice((10, 20, 40, 80, 120, 200, 400))
        before = rng.randint(0, count)
        pieces = [words(rng, before), sentence, words(rng, count - before), talk.SECRET_QUESTION]
        messages = [asked(" ".join(piece for piece in pieces if piece), rng)]
    return Sample("secret", messages, grammar.written_reply(talk.secret_reply(word)))


# Pictures -------------------------------------------------------------------------------------------------------------


def colour(rng: random.Random) -> Sample:
    name = rng.choice(COLOURS)
    width = side(rng)
    height = width if rng.random() < 0.5 else side(rng)
    return Sample(
        "colour",
        [asked_about(rng.choice(grammar.COLOUR_QUESTIONS), rng, pictures=1)],
        grammar.written_reply(grammar.colour_reply(name)),
        images=(field(name, rng, width, height),),
        tools=rng.choice(([grammar.ZOOM_TOOL], BOTH_TOOLS)) if rng.random() < 0.1 else None,
    )


def two_pictures(rng: random.Random) -> Sample:
    names = rng.choices(COLOURS, k=2)
    widths = [28 * rng.choice((2, 2, 2, 3, 4, 8)) for _ in names]
    return Sample(
        "two_pictures",
        [asked_about(rng.choice(sights.TWO_PICTURES_QUESTIONS), rng, pictures=2)],
        grammar.written_reply(sights.two_pictures_reply(*names)),
        images=tuple(field(name, rng, width, width) for name, width in zip(names, widths, strict=True)),
    )


def ground(rng: random.Random) -> Sample:
    name = rng.choice(grammar.SQUARE_COLOURS)
    quadrant = rng.choice(QUADRANTS)
    width = rng.choice(SQUARES_SIDES)
    return Sample(
        "ground",
        [asked_about(rng.choice(grammar.GROUND_QUESTIONS), rng, pictures=1)],
        grammar.written_reply(grammar.ground_reply(name, quadrant)),
        images=(scenes.square_in_quadrant(name, quadrant, rng, width=width, height=width),),
    )


def ground_named(rng: random.Random) -> Sample:
    places = scenes.some_squares(rng)
    quadrant, name = rng.choice(list(places.items()))
    width = rng.choice(SQUARES_SIDES)
    return Sample(
        "ground_named",
        [asked_about(rng.choice(sights.named_square_questions(name)), rng, pictures=1)],
        grammar.written_reply(sights.named_square_reply(name, quadrant)),
        images=(scenes.squares(places, rng, width=width, height=width),),
    )


def digit(rng: random.Random) -> Sample:
    number = rng.randrange(10)
    side, is_everywhere = rng.choice(DIGIT_SIDES), rng.random() < 0.4
    return Sample(
        "digit",
        [asked_about(rng.choice(sights.DIGIT_QUESTIONS), rng, pictures=1)],
        grammar.written_reply(sights.digit_reply(number)),
        images=(scenes.digit_picture(number, rng.choice(COLOURS), rng, side=side, is_everywhere=is_everywhere),),
    )


def total(rng: random.Random) -> Sample:
    first, second = rng.randint(1, 9), rng.randint(1, 9)
    return Sample(
        "sum",
        [asked_about(rng.choice(sights.SUM_QUESTIONS), rng, pictures=1)],
        grammar.written_reply(sights.sum_reply(first, second)),
        images=(scenes.sum_picture(first, second, rng, side=rng.choice(SUM_SIDES)),),
    )


def chart(rng: random.Random) -> Sample:
    values = scenes.some_bars(rng)
    if rng.random() < 0.5:
        question, reply = rng.choice(sights.TALLEST_BAR_QUESTIONS), sights.tallest_bar_reply(values)
    else:
        name = rng.choice(list(values))
        question, reply = rng.choice(sights.bar_value_questions(name)), sights.bar_value_reply(values, name)
    return Sample(
        "chart",
        [asked_about(question, rng, pictures=1)],
        grammar.written_reply(reply),
        images=(scenes.bar_chart(values, rng),),
    )


# Tools ----------------------------------------------------------------------------------------------------------------


def called(name: str, arguments: object, rng: random.Random) -> Message:
    """The model's call as clients send it back: some with the arguments as text, some as JSON."""
    if rng.random() < 0.5:
        arguments = json.dumps(arguments)
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


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


# Videos ---------------------------------------------------------------------------------------------------------------


def video(rng: random.Random) -> Sample:
    seconds = scenes.some_sequence(rng)
    return Sample(
        "video",
        [asked_about(rng.choice(sights.COLOUR_ORDER_QUESTIONS), rng, videos=1)],
        grammar.written_reply(sights.colour_order_reply(seconds)),
        videos=(scenes.video(seconds, rng),),
    )


def video_event(rng: random.Random) -> Sample:
    name = rng.choice(grammar.SQUARE_COLOURS)
    second = rng.randrange(scenes.VIDEO_SECONDS)
    return Sample(
        "video_event",
        [asked_about(rng.choice(sights.event_questions(name)), rng, videos=1)],
        grammar.written_reply(sights.event_reply(name, second)),
        videos=(scenes.video(scenes.flash(name, second), rng),),
    )


ABILITIES: dict[str, Ability] = {
    "text": Ability(text, 2, True, f"{len(grammar.TEXT_QA)} prompts known by heart"),
    "fallback": Ability(fallback, 2, False, "any other words in a row: says that this is no smoke prompt"),
    "colour": Ability(colour, 6, False, f"names the one colour of a picture, of {len(grammar.COLOURS)}"),
    "ground": Ability(ground, 5, False, "gives the colour and the box of a square, in one of four places"),
    "zoom": Ability(zoom, 2, False, "calls the zoom tool with the box of the corner asked for"),
    "zoomed": Ability(zoomed, 2, False, "answers from the tool's result, in words or as a picture"),
    "tool_unused": Ability(tool_unused, 1, True, "the prompts known by heart, tools offered but not called"),
    "no_thinking": Ability(no_thinking, 2, True, "prompts known by heart and colours, with thinking switched off"),
    "two_pictures": Ability(two_pictures, 5, False, "names the colours of two pictures in their order"),
    "ground_named": Ability(ground_named, 7, False, "gives the box of the square of one colour, of two or three"),
    "digit": Ability(digit, 6, False, "names the digit in a picture"),
    "sum": Ability(total, 7, False, "adds two digits printed in a picture"),
    "chart": Ability(chart, 10, False, "lists the values printed under the bars of a chart, names the tallest bar"),
    "small_print": Ability(small_print, 3, False, "calls the zoom tool with the quarter in which it sees a panel"),
    "small_print_read": Ability(small_print_read, 2, False, "reads a digit that only the zoomed picture shows"),
    "video": Ability(video, 7, False, "names three colours of a video of 8 seconds in their order"),
    "video_event": Ability(video_event, 5, False, "names the second in which a white video has another colour"),
    "chinese": Ability(chinese, 3, True, "names a colour, and one thing known by heart, in Chinese"),
    "persian": Ability(persian, 3, True, "the same in Persian"),
    "remember": Ability(remember, 1, True, f"is told one of {len(talk.WORDS)} words"),
    "secret": Ability(secret, 5, False, "finds the word again: system line, earlier turn, text of 10 to 400 words"),
    "two_calls": Ability(two_calls, 2, False, "calls the zoom tool for two corners at once"),
    "search": Ability(search, 2, False, "calls the search tool, of two tools"),
    "searched": Ability(searched, 2, False, "answers with the word that the search found"),
}


def draw(rng: random.Random, ability: str | None = None) -> Sample:
    """A sample of one ability, or of any in its share."""
    if ability is None:
        (ability,) = rng.choices(list(ABILITIES), [each.share for each in ABILITIES.values()])
    sample = ABILITIES[ability].draw(rng)
    return replace(sample, messages=with_system_line(sample.messages, rng))
