"""Other languages, a word to keep in mind, and calls of two tools."""

import json

import pytest

from ernie_deploy.rehearsal import grammar, talk
from ernie_deploy.rehearsal.grammar import COLOURS, FALLBACK_WORDS, QUADRANTS


@pytest.mark.parametrize("language", talk.LANGUAGES)
@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_is_read_back_in_every_language(language: str, colour: str) -> None:
    spoken = talk.LANGUAGES[language]
    assert spoken.colour_named(spoken.colour_reply(colour).answer) == colour
    assert spoken.colour_named(spoken.colour_reply(colour).thought) == colour


@pytest.mark.parametrize("language", talk.LANGUAGES)
def test_no_colour_is_read_in_a_language_where_none_or_two_are_named(language: str) -> None:
    spoken = talk.LANGUAGES[language]
    assert spoken.colour_named(spoken.colour_question) is None
    assert spoken.colour_named(f"{spoken.colours['red']} {spoken.colours['blue']}") is None
    assert spoken.colour_named("red") is None


def test_replies_in_another_language_have_no_english_in_them() -> None:
    for spoken in talk.LANGUAGES.values():
        reply = spoken.colour_reply("red")
        said = "".join((reply.thought, reply.answer, spoken.text.thought, spoken.text.answer, spoken.colour_question))
        assert not [letter for letter in said if letter.isascii() and letter.isalpha()]


@pytest.mark.parametrize("word", talk.WORDS)
def test_the_word_is_read_back_from_every_reply_that_names_it(word: str) -> None:
    assert talk.word_named(talk.secret_reply(word).answer) == word
    assert talk.word_named(talk.search_reply(word).answer) == word
    assert talk.secret_told(word).startswith(talk.secret_sentence(word))
    assert talk.word_named(talk.REMEMBERED.answer) is None


def test_the_text_around_the_word_never_names_it() -> None:
    assert not set(talk.WORDS) & set(FALLBACK_WORDS)


def test_no_word_is_read_where_two_are_named() -> None:
    assert talk.word_named("apple or river") is None


def test_two_calls_stand_in_the_order_of_the_question() -> None:
    first, second = "bottom right", "top left"
    assert talk.quadrants_named(talk.two_zooms_question(first, second)) == (first, second)
    thought, _, calls = talk.written_two_zooms(first, second).partition("</think>")
    assert talk.quadrants_named(thought) == (first, second)
    written = [call.partition("</tool_call>")[0] for call in calls.split("<tool_call>")[1:]]
    assert [json.loads(call) for call in written] == [
        {"name": grammar.ZOOM_TOOL_NAME, "arguments": grammar.zoom_arguments(quadrant)} for quadrant in (first, second)
    ]


def test_a_single_corner_is_one_quadrant() -> None:
    for quadrant in QUADRANTS:
        assert talk.quadrants_named(f"the {quadrant} corner") == (quadrant,)


def test_the_search_fits_the_tool_that_is_offered() -> None:
    function = talk.IMAGE_SEARCH_TOOL["function"]
    assert isinstance(function, dict)
    assert function["name"] == talk.IMAGE_SEARCH_TOOL_NAME
    assert set(function["parameters"]["required"]) == set(talk.SEARCH_ARGUMENTS)


def test_without_a_thought_only_the_answer_is_written() -> None:
    assert talk.written_without_thought(grammar.Reply("Hm.", "Yes.")) == "<response>\nYes.\n</response>\n"
