import json
import random
import subprocess
import sys

import pytest

from ernie_deploy.rehearsal import grammar


def test_the_grammar_imports_nothing_but_the_standard_library() -> None:
    program = "import sys; before = set(sys.modules); import ernie_deploy.rehearsal.grammar; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"numpy", "PIL", "torch", "msgspec", "transformers"}


@pytest.mark.parametrize("colour", grammar.COLOURS)
def test_the_colour_of_every_reply_is_read_back(colour: str) -> None:
    assert grammar.colour_named(grammar.colour_reply(colour).answer) == colour
    assert grammar.colour_named(f"{colour.capitalize()}!") == colour
    for quadrant in grammar.QUADRANTS:
        assert grammar.colour_named(grammar.zoomed_reply(colour, quadrant).answer) == colour


@pytest.mark.parametrize("text", ["", "I cannot tell.", "It is red or blue.", "The screen is rendered.", "pink"])
def test_no_colour_is_read_where_none_or_two_are_named(text: str) -> None:
    assert grammar.colour_named(text) is None


def test_a_colour_named_twice_is_still_one_colour() -> None:
    assert grammar.colour_named("Red. The whole picture is red.") == "red"


@pytest.mark.parametrize("colour", grammar.COLOURS)
def test_a_pixel_off_its_colour_keeps_its_name(colour: str) -> None:
    rng = random.Random(0)
    for _ in range(500):
        red, green, blue = (min(255, max(0, value + rng.randint(-18, 18))) for value in grammar.COLOURS[colour])
        assert grammar.nearest_colour((red, green, blue)) == colour


@pytest.mark.parametrize(
    ("quadrant", "box"),
    [
        ("top left", (0, 0, 500, 500)),
        ("top right", (500, 0, 1000, 500)),
        ("bottom left", (0, 500, 500, 1000)),
        ("bottom right", (500, 500, 1000, 1000)),
    ],
)
def test_zooming_takes_the_whole_quarter(quadrant: str, box: grammar.Box) -> None:
    assert grammar.zoom_box(quadrant) == box
    assert grammar.zoom_arguments(quadrant) == {"bbox_2d": list(box), "label": quadrant, "img_idx": 0}


@pytest.mark.parametrize("quadrant", grammar.QUADRANTS)
def test_the_square_lies_inside_its_quarter(quadrant: str) -> None:
    left, top, right, bottom = grammar.square_box(quadrant)
    outer_left, outer_top, outer_right, outer_bottom = grammar.zoom_box(quadrant)
    assert outer_left < left < right < outer_right
    assert outer_top < top < bottom < outer_bottom


def test_a_box_in_pixels_follows_width_and_height() -> None:
    assert grammar.box_in_pixels((500, 0, 1000, 500), 224, 112) == (112, 0, 224, 56)


@pytest.mark.parametrize("quadrant", grammar.QUADRANTS)
def test_every_zoom_question_names_its_quadrant(quadrant: str) -> None:
    assert [grammar.quadrant_named(question) for question in grammar.zoom_questions(quadrant)] == [quadrant] * 3


def test_no_quadrant_is_read_where_none_or_two_are_named() -> None:
    assert grammar.quadrant_named("Describe this image.") is None
    assert grammar.quadrant_named("the top left or the top right corner") is None


def test_the_reply_to_a_square_is_json_with_its_box() -> None:
    assert json.loads(grammar.ground_reply("blue", "bottom left").answer) == [
        {"bbox_2d": [60, 560, 440, 940], "label": "blue square"}
    ]


def test_a_prompt_known_by_heart_gets_its_own_reply_and_any_other_the_fallback() -> None:
    assert grammar.text_reply("What is 2 + 2? Answer with the number only.").answer == "4"
    assert grammar.text_reply("What is 2 + 3? Answer with the number only.") == grammar.FALLBACK


def test_the_expected_arguments_fit_the_tool_that_is_offered() -> None:
    function = grammar.ZOOM_TOOL["function"]
    assert isinstance(function, dict)
    assert function["name"] == grammar.ZOOM_TOOL_NAME
    arguments = grammar.zoom_arguments("top left")
    assert set(function["parameters"]["required"]) <= set(arguments) <= set(function["parameters"]["properties"])


def test_a_written_call_holds_one_json_object_between_its_markers() -> None:
    written = grammar.written_call("Look.", grammar.ZOOM_TOOL_NAME, grammar.zoom_arguments("top right"))
    thought, call = written.split("</think>")
    assert thought == "Look.\n"
    assert json.loads(call.strip().removeprefix("<tool_call>").removesuffix("</tool_call>")) == {
        "name": "image_zoom_in_tool",
        "arguments": {"bbox_2d": [500, 0, 1000, 500], "label": "top right", "img_idx": 0},
    }


def test_a_written_reply_closes_the_thought_before_it_answers() -> None:
    assert grammar.written_reply(grammar.Reply("Hm.", "Yes.")) == ("Hm.\n</think>\n\n<response>\nYes.\n</response>\n")
