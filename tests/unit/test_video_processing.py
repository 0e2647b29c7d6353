"""What the processor of the `hub` layout draws onto the frames of a video.

The file runs inside an engine, beside transformers, which is not here: only its drawing functions are taken out of it.
"""

import ast
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from ernie_deploy import rehearsal
from ernie_deploy.rehearsal import glyphs

CARRIED = Path(rehearsal.HUB) / "processing_ernie4_5_vl.py"
DRAWN_WITH = ("GLYPHS", "GLYPH_SCALE", "CELL", "seconds_of", "draw_number", "draw_digits")


def names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [node.name] if isinstance(node, ast.FunctionDef) else []


@pytest.fixture(scope="module")
def drawing() -> dict[str, Any]:
    tree = ast.parse(CARRIED.read_text(encoding="utf-8"))
    chosen = [node for node in tree.body if set(names(node)) & set(DRAWN_WITH)]
    assert len(chosen) == len(DRAWN_WITH)
    room: dict[str, Any] = {"np": numpy, "math": math}
    exec(compile(ast.Module(chosen, []), str(CARRIED), "exec"), room)
    return room


def test_the_shipped_processor_is_the_one_that_the_model_was_trained_with() -> None:
    source = Path(__file__).parents[2] / "scripts/rehearsal/remote_code" / CARRIED.name
    assert CARRIED.read_bytes() == source.read_bytes()


def test_the_processor_writes_the_digits_that_pictures_have(drawing: dict[str, Any]) -> None:
    assert drawing["GLYPHS"] == {digit: glyphs.GLYPHS[digit] for digit in "0123456789"}
    assert (drawing["CELL"], drawing["GLYPH_SCALE"]) == (glyphs.CELL, glyphs.SCALE)


@pytest.mark.parametrize(
    ("ground", "ink"), [((250, 250, 250), 0), ((220, 30, 30), 255), ((30, 30, 220), 255), ((240, 220, 40), 0)]
)
def test_a_digit_stands_in_the_middle_of_the_first_cell_in_an_ink_that_shows(
    drawing: dict[str, Any], ground: tuple[int, int, int], ink: int
) -> None:
    frame = numpy.full((56, 56, 3), ground, numpy.uint8)
    drawing["draw_number"](frame, 5)
    inked = {(int(x), int(y)) for y, x in zip(*numpy.where((frame != ground).all(axis=2)), strict=True)}
    scale = range(glyphs.SCALE)
    assert inked == {(left + x, top + y) for left, top in glyphs.dots("5") for x in scale for y in scale}
    assert all((frame[y, x] == ink).all() for x, y in inked)


def test_two_digits_take_two_cells_and_go_into_one_where_there_is_but_one(drawing: dict[str, Any]) -> None:
    def columns(width: int, number: int) -> list[int]:
        frame = numpy.full((28, width, 3), 255, numpy.uint8)
        drawing["draw_number"](frame, number)
        return [int(column) for column in numpy.where((frame == 0).any(axis=(0, 2)))[0]]

    apart = columns(56, 12)
    assert min(apart) >= glyphs.LEFT
    assert any(column >= glyphs.CELL + glyphs.LEFT for column in apart)
    assert all(column < glyphs.CELL for column in columns(28, 12))
    assert all(column < glyphs.CELL for column in columns(28, 1234))


def test_a_frame_belongs_to_the_second_in_which_it_stands(drawing: dict[str, Any]) -> None:
    seconds_of: Callable[[object, float], list[int]] = drawing["seconds_of"]
    assert seconds_of(range(6), 2.0) == [0, 0, 1, 1, 2, 2]
    assert seconds_of([0, 30, 45, 60], 29.97) == [0, 1, 1, 2]
