"""What is cut out of a picture, and what of a call says where."""

import random

import pytest

from ernie_deploy.rehearsal import glyphs
from ernie_deploy.rehearsal.grammar import QUADRANTS, zoom_arguments
from ernie_deploy.rehearsal.scenes import CELL, Picture, glyph_at, small_print
from ernie_deploy.smoke.crops import box_of_call, cropped, enlarged
from ernie_deploy.smoke.formula import LETTERS, drawn, some_equation

CHESS = Picture(4, 2, bytes(range(24)))


@pytest.mark.parametrize("quadrant", QUADRANTS)
def test_the_crop_of_the_right_quarter_shows_the_small_print_in_a_cell(quadrant: str) -> None:
    scene = small_print(7, quadrant, "blue", random.Random(quadrant))
    sides = box_of_call(zoom_arguments(quadrant))
    assert not isinstance(sides, str)
    crop = cropped(scene, sides)
    middle = crop.width // 2 // CELL
    assert (crop.width, crop.height) == (336, 336)
    assert glyph_at(crop, middle, middle) == "7"


def test_a_crop_has_all_pixels_that_the_box_touches() -> None:
    assert cropped(CHESS, (0, 0, 1000, 1000)) == CHESS
    assert cropped(CHESS, (250, 500, 500, 1000)) == Picture(1, 1, bytes(range(15, 18)))
    assert cropped(CHESS, (240, 500, 500, 1000)).width == 2
    assert cropped(CHESS, (999.9, 999.9, 1000, 1000)) == Picture(1, 1, bytes(range(21, 24)))


def test_enlarging_repeats_pixels_in_both_directions() -> None:
    large = enlarged(CHESS, 2)
    assert (large.width, large.height) == (8, 4)
    assert all(large.at(x, y) == CHESS.at(x // 2, y // 2) for x in range(8) for y in range(4))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (None, "not a JSON object"),
        ({}, "not four numbers"),
        ({"bbox_2d": [1, 2, 3]}, "not four numbers"),
        ({"bbox_2d": [0, 0, 1344, 1344]}, "not within 0 and 1000"),
        ({"bbox_2d": [500, 0, 0, 500]}, "empty"),
    ],
)
def test_a_call_without_a_usable_box_is_named(arguments: dict[str, object] | None, why: str) -> None:
    assert why in str(box_of_call(arguments))


def test_an_equation_has_one_whole_solution_that_it_does_not_show() -> None:
    for seed in range(50):
        equation = some_equation(random.Random(seed))
        assert equation.solution / equation.divisor + equation.added == equation.result < 10
        assert equation.solution not in equation


def test_an_equation_is_drawn_with_its_numbers_and_letters() -> None:
    equation = some_equation(random.Random(3))
    picture = drawn(equation)
    assert [glyph_at(picture, column, 2) for column in (3, 4, 6)] == ["+", str(equation.added), str(equation.result)]
    assert glyph_at(picture, 1, 3) == str(equation.divisor)
    assert glyph_at(picture, 1, 1) is None
    assert all(len(row) == glyphs.COLUMNS for rows in LETTERS.values() for row in rows)
    assert picture.at(CELL + 14, 5 * CELL // 2) == (0, 0, 0)
