"""Samples of sights: what pictures and videos show."""

import random

from conversation import BOTH_TOOLS, Sample, asked_about

from ernie_deploy.rehearsal import grammar, scenes, sights

# In units of 28 pixels, the side of what becomes one image token. Small ones are more frequent: they cost less.
SIDES = (2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 11)
SQUARES_SIDES = (56, 56, 112, 112, 224, 224, 224, 336, 336)
DIGIT_SIDES = (56, 56, 56, 84, 112, 224)
SUM_SIDES = (84, 84, 112, 224)

COLOURS = tuple(grammar.COLOURS)
QUADRANTS = tuple(grammar.QUADRANTS)


def side(rng: random.Random) -> int:
    return 28 * rng.choice(SIDES) + rng.randint(-9, 9)


def field(colour: str, rng: random.Random, width: int, height: int) -> scenes.Picture:
    return scenes.colour_field(colour, rng, width=width, height=height)


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
    if rng.random() < 0.65:  # to compare takes more practice than to look up
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
