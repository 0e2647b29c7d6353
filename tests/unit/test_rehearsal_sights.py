"""What is right to say about pictures and videos, and how it is read out of an answer."""

import json

import pytest

from ernie_deploy.rehearsal import grammar, sights
from ernie_deploy.rehearsal.grammar import COLOURS, QUADRANTS, Reply


def test_two_pictures_are_answered_in_their_order() -> None:
    answer = sights.two_pictures_reply("red", "blue").answer
    assert answer == "The first picture is red, the second is blue."
    assert sights.colours_named(answer) == ("red", "blue")


def test_colours_are_read_in_their_order_and_only_as_whole_words() -> None:
    assert sights.colours_named("Blue, then red; rendered blue.") == ("blue", "red", "blue")


@pytest.mark.parametrize("colour", COLOURS)
def test_every_question_about_one_colour_names_it(colour: str) -> None:
    for questions in (sights.named_square_questions, sights.bar_value_questions, sights.event_questions):
        assert [sights.colours_named(question) for question in questions(colour)] == [(colour,)] * 2


def test_a_named_square_is_answered_as_the_only_one_is() -> None:
    (found,) = json.loads(sights.named_square_reply("blue", "top right").answer)
    assert found == {"bbox_2d": [560, 60, 940, 440], "label": "blue square"}


def test_a_digit_is_read_back_from_its_reply() -> None:
    assert [sights.numbers_named(sights.digit_reply(digit).answer) for digit in range(10)] == [(n,) for n in range(10)]


def test_a_sum_lists_its_numbers_from_the_smaller_one() -> None:
    assert sights.sum_reply(4, 3) == Reply("The numbers are 3 and 4.", "The sum is 7.")
    assert sights.sum_reply(9, 9).answer == "The sum is 18."


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("The sum is 18.", (18,)),
        ("3 + 4 = 7", (3, 4, 7)),
        ("seven", ()),
        ("v2 and 1.5", (1,)),
        ("**7**", (7,)),
    ],
)
def test_numbers_are_read_where_they_stand_alone(text: str, numbers: tuple[int, ...]) -> None:
    assert sights.numbers_named(text) == numbers


def test_bars_are_listed_in_one_order_whatever_the_order_in_the_chart() -> None:
    bars = {"blue": 7, "red": 3, "green": 2}
    assert sights.bars_thought(bars) == "The bars are red 3, green 2, blue 7."
    assert sights.tallest_bar_reply(bars).answer == "The tallest bar is blue."
    assert sights.bar_value_reply(bars, "green").answer == "The chart shows green 2."


@pytest.mark.parametrize("question", sights.SMALL_PRINT_QUESTIONS)
def test_no_question_about_small_print_says_where_it_is(question: str) -> None:
    assert not [quadrant for quadrant in QUADRANTS if quadrant in question.lower()]


def test_the_colours_of_a_video_are_listed_by_second_and_answered_without_repetitions() -> None:
    reply = sights.colour_order_reply(("red", "red", "green", "blue"))
    assert reply == Reply("The seconds are 0 red, 1 red, 2 green, 3 blue.", "red, green, blue")
    assert sights.colours_named(reply.answer) == ("red", "green", "blue")


def test_a_colour_that_comes_back_counts_again() -> None:
    assert sights.in_order(("red", "green", "red")) == ("red", "green", "red")


def test_the_second_of_an_event_is_read_back() -> None:
    assert sights.second_named(sights.event_reply("red", 5).answer) == 5
    assert sights.second_named("At second 5, or 6.") is None
    assert sights.second_named("Never.") is None
    assert sights.second_named("Second 5. Yes, 5.") == 5


def test_what_a_small_print_shows_is_read_back() -> None:
    assert sights.numbers_named(sights.small_print_reply(0).answer) == (0,)
    assert sights.small_print_reply(0).thought == grammar.zoomed_reply("red", "top left").thought
