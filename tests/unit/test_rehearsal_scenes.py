"""What is drawn is there: read back by other code than the one that drew it, and by Pillow."""

import ast
import io
import itertools
import random
import subprocess
import sys

import pytest
from PIL import Image

from ernie_deploy import rehearsal
from ernie_deploy.rehearsal import glyphs, grammar, scenes

DIGITS = "0123456789"
SEEN_AT_MOST = 6


def opened(picture: scenes.Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.png())).convert("RGB")


def cells(picture: scenes.Picture) -> dict[tuple[int, int], str]:
    """Every cell with a glyph in it, by column and row."""
    grid = itertools.product(range(picture.width // scenes.CELL), range(picture.height // scenes.CELL))
    found = {(column, row): scenes.glyph_at(picture, column, row) for column, row in grid}
    return {place: glyph for place, glyph in found.items() if glyph is not None}


def test_drawing_needs_nothing_but_the_standard_library() -> None:
    program = (
        "import sys, random; from ernie_deploy.rehearsal import scenes, sights, talk;"
        "scenes.sum_picture(1, 2, random.Random(0)); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"numpy", "PIL", "torch", "msgspec", "httpx2"}


def test_every_glyph_is_seven_rows_of_five_dots_and_no_two_are_near() -> None:
    for rows in glyphs.GLYPHS.values():
        assert [len(row) for row in rows] == [glyphs.COLUMNS] * glyphs.ROWS
        assert set("".join(rows)) == {".", "#"}
    for one, other in itertools.combinations(DIGITS, 2):
        assert len(set(glyphs.dots(one)) ^ set(glyphs.dots(other))) >= 2, (one, other)


def test_the_processor_of_the_checkpoint_draws_the_same_digits() -> None:
    source = (rehearsal.HUB / "processing_ernie4_5_vl.py").read_text(encoding="utf-8")
    table = source[source.index("GLYPHS = {") :].partition("}\n")[0].partition("= ")[2] + "}"
    assert ast.literal_eval(table) == {digit: glyphs.GLYPHS[digit] for digit in DIGITS}


@pytest.mark.parametrize("ground", grammar.COLOURS)
def test_a_digit_is_read_back_on_any_ground(ground: str) -> None:
    colour = grammar.COLOURS[ground]
    for digit in DIGITS:
        canvas = scenes.Canvas(56, 56, colour)
        canvas.write(digit, 1, 1, scenes.ink_on(colour))
        assert cells(canvas.picture()) == {(1, 1): digit}


def test_a_digit_stands_in_one_cell_or_in_every_one() -> None:
    once = cells(scenes.digit_picture(4, "red", random.Random(0), side=112))
    everywhere = cells(scenes.digit_picture(4, "red", random.Random(0), side=112, is_everywhere=True))
    assert list(once.values()) == ["4"]
    assert list(everywhere.values()) == ["4"] * 16


def test_a_sum_shows_its_two_numbers_and_the_sign() -> None:
    for seed in range(20):
        first, second = random.Random(seed).choices(range(1, 10), k=2)
        found = cells(scenes.sum_picture(first, second, random.Random(seed)))
        ((column, row), *_) = sorted(found)
        assert found == {(column, row): str(first), (column + 1, row): "+", (column + 2, row): str(second)}


def test_a_chart_prints_each_value_under_a_bar_of_its_colour_and_height() -> None:
    for seed in range(20):
        values = scenes.some_bars(random.Random(seed))
        picture = scenes.bar_chart(values, random.Random(seed))
        shown = {}
        for (column, row), digit in cells(picture).items():
            left, top = scenes.CELL * column, scenes.CELL * row
            colour = grammar.nearest_colour(picture.at(left, top))
            shown[colour] = int(digit)
            column_of_pixels = [grammar.nearest_colour(picture.at(left + 1, y)) for y in range(top - 2)]
            assert column_of_pixels.count(colour) == scenes.BAR_UNIT * int(digit) - 2
        assert shown == values


def test_squares_stand_in_the_boxes_of_their_quarters() -> None:
    for seed in range(20):
        places = scenes.some_squares(random.Random(seed))
        picture = scenes.squares(places, random.Random(seed), width=300, height=200)
        for quadrant in grammar.QUADRANTS:
            left, top, right, bottom = grammar.box_in_pixels(grammar.square_box(quadrant), 300, 200)
            corners = {picture.at(x, y) for x in (left, right - 1) for y in (top, bottom - 1)}
            outside = picture.at(left - 1, top - 1)
            assert [grammar.nearest_colour(corner) for corner in corners] == [places.get(quadrant, "white")]
            assert grammar.nearest_colour(outside) == "white"


@pytest.mark.parametrize("quadrant", grammar.QUADRANTS)
def test_the_cut_out_quarter_shows_the_digit_that_nothing_else_shows(quadrant: str) -> None:
    picture = scenes.small_print(7, quadrant, "blue", random.Random(1))
    shown = {name: list(cells(picture.crop(grammar.zoom_box(name))).values()) for name in grammar.QUADRANTS}
    assert shown == {name: ["7"] if name == quadrant else [] for name in grammar.QUADRANTS}


def test_small_print_cannot_be_read_before_the_zoom() -> None:
    """Shrunk as the model's processor shrinks it, all ten digits are the same picture to within six steps of 255."""
    shrunk = []
    for number in range(10):
        picture = scenes.small_print(number, "top left", "blue", random.Random(1)).crop((125, 125, 375, 375))
        size = (picture.width // 2, picture.height // 2)
        shrunk.append(opened(picture).resize(size, Image.Resampling.BICUBIC).tobytes())
    most = max(abs(a - b) for one, other in itertools.pairwise(shrunk) for a, b in zip(one, other, strict=True))
    assert most <= SEEN_AT_MOST


def test_a_video_has_its_frames_in_the_order_of_its_seconds() -> None:
    colours = scenes.some_sequence(random.Random(3))
    assert len(colours) == scenes.VIDEO_SECONDS
    assert len(set(colours)) == 3
    video = scenes.video(colours, random.Random(3))
    seen = [grammar.nearest_colour(frame.at(0, 0)) for frame in video.frames]
    assert seen == [colour for colour in colours for _ in range(video.fps)]


def test_a_flash_lasts_one_second() -> None:
    assert scenes.flash("red", 5) == ("white",) * 5 + ("red",) + ("white",) * 2


def test_pillow_sees_the_same_pixels() -> None:
    picture = scenes.sum_picture(3, 4, random.Random(0))
    assert opened(picture).tobytes() == picture.pixels
