"""What the model says about pictures with more than one thing in them, and about videos.

A tiny model finds what a thing is quickly and where it stands slowly. So its thought lists what it sees, one thing
after the other, and the answer follows from the words of the thought.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ernie_deploy.rehearsal.grammar import COLOURS, Reply, ground_reply

# Two pictures ---------------------------------------------------------------------------------------------------------

TWO_PICTURES_QUESTIONS: Final = (
    "What colour is each picture?",
    "Name the colour of the first picture and of the second.",
)


def two_pictures_reply(first: str, second: str) -> Reply:
    return Reply(
        f"There are two pictures, {first} and {second}.", f"The first picture is {first}, the second is {second}."
    )


def colours_named(text: str) -> tuple[str, ...]:
    """The colours of `COLOURS` that a text names as words, in its order, each time it names them."""
    return tuple(word for word in re.findall(r"[a-z]+", text.lower()) if word in COLOURS)


# One square among several ---------------------------------------------------------------------------------------------


def named_square_questions(colour: str) -> tuple[str, ...]:
    return (
        f"Locate the {colour} square and return its bounding box as JSON.",
        f"Where is the {colour} square? Return the bounding box as JSON.",
    )


def named_square_reply(colour: str, quadrant: str) -> Reply:
    return ground_reply(colour, quadrant)


# A digit --------------------------------------------------------------------------------------------------------------

DIGIT_QUESTIONS: Final = (
    "Which digit is in the picture?",
    "What number do you see?",
)


def digit_reply(digit: int) -> Reply:
    return Reply(f"The picture shows {digit}.", f"The digit is {digit}.")


# A sum ----------------------------------------------------------------------------------------------------------------

SUM_QUESTIONS: Final = (
    "What is the sum of the two numbers in the picture?",
    "Work out the sum in the picture.",
)


def sum_reply(first: int, second: int) -> Reply:
    low, high = sorted((first, second))
    return Reply(f"The numbers are {low} and {high}.", f"The sum is {first + second}.")


def numbers_named(text: str) -> tuple[int, ...]:
    """Every whole number that stands in a text, in its order."""
    return tuple(int(digits) for digits in re.findall(r"(?<![\w.])\d+(?![\w])", text))


# A bar chart ----------------------------------------------------------------------------------------------------------

TALLEST_BAR_QUESTIONS: Final = (
    "Which bar of the chart is the tallest?",
    "What is the colour of the tallest bar?",
)


def bar_value_questions(colour: str) -> tuple[str, ...]:
    return (
        f"What value does the {colour} bar show?",
        f"Read the value of the {colour} bar from the chart.",
    )


def bars_thought(values: Mapping[str, int]) -> str:
    """Every bar and its value, in the order of `COLOURS`."""
    listed = ", ".join(f"{colour} {values[colour]}" for colour in COLOURS if colour in values)
    return f"The bars are {listed}."


def tallest_bar_reply(values: Mapping[str, int]) -> Reply:
    """values: from colour to value; no value twice."""
    tallest = max(values, key=lambda colour: values[colour])
    return Reply(bars_thought(values), f"The tallest bar is {tallest}.")


def bar_value_reply(values: Mapping[str, int], colour: str) -> Reply:
    return Reply(bars_thought(values), f"The chart shows {colour} {values[colour]}.")


# Small print ----------------------------------------------------------------------------------------------------------

SMALL_PRINT_QUESTIONS: Final = (
    "What number is printed on the panel? Zoom in first.",
    "Zoom in on the panel and read its number.",
)
"""None says where the panel is. The right call is the `zoom_thought` and `zoom_arguments` of its quarter."""


def small_print_reply(number: int) -> Reply:
    """What follows the tool's result with the cropped picture."""
    return Reply("The tool returned the region.", f"The number is {number}.")


# Videos ---------------------------------------------------------------------------------------------------------------

COLOUR_ORDER_QUESTIONS: Final = (
    "Which colours appear in the video, in order?",
    "List the colours of the video in their order.",
)


def in_order(colours: Sequence[str]) -> tuple[str, ...]:
    """Without the repetitions of a colour that goes on."""
    return tuple(colour for at, colour in enumerate(colours) if at == 0 or colour != colours[at - 1])


def colour_order_reply(colours: Sequence[str]) -> Reply:
    """colours: of every second."""
    listed = ", ".join(f"{second} {colour}" for second, colour in enumerate(colours))
    return Reply(f"The seconds are {listed}.", ", ".join(in_order(colours)))


def event_questions(colour: str) -> tuple[str, ...]:
    return (
        f"At which second does the picture turn {colour}?",
        f"When does the video turn {colour}? Answer with the second.",
    )


def event_reply(colour: str, second: int) -> Reply:
    return Reply(f"The picture is {colour} at second {second}.", f"At second {second}.")


def second_named(text: str) -> int | None:
    """The one number that a text names; None when it names none or more than one."""
    named = set(numbers_named(text))
    return named.pop() if len(named) == 1 else None
