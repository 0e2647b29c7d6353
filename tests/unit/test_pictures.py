"""The pictures of the smoke probes are real PNG files of the colour they are said to have."""

import io
import random

import pytest
from PIL import Image

from ernie_deploy.client.png import png
from ernie_deploy.rehearsal import scenes
from ernie_deploy.rehearsal.grammar import COLOURS, QUADRANTS, box_in_pixels, nearest_colour, square_box
from ernie_deploy.smoke.pictures import colour_field, square_in_quadrant


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    assert image.mode == "RGB"
    return image


def average(image: Image.Image) -> tuple[int, int, int]:
    red, green, blue = image.resize((1, 1), Image.Resampling.BOX).tobytes()
    return red, green, blue


@pytest.mark.parametrize("colour", COLOURS)
def test_a_field_is_seen_as_its_colour_by_another_reader(colour: str) -> None:
    image = opened(colour_field(colour, random.Random(colour)))
    assert image.size == (224, 224)
    assert nearest_colour(average(image)) == colour


def test_no_two_pictures_are_the_same() -> None:
    rng = random.Random(1)
    assert colour_field("red", rng) != colour_field("red", rng)


def test_the_same_seed_draws_the_same_picture() -> None:
    assert colour_field("red", random.Random(1)) == colour_field("red", random.Random(1))


@pytest.mark.parametrize("quadrant", QUADRANTS)
def test_a_square_is_where_it_is_said_to_be(quadrant: str) -> None:
    image = opened(square_in_quadrant("blue", quadrant, random.Random(1), width=300, height=200))
    inside = image.crop(box_in_pixels(square_box(quadrant), 300, 200))
    assert nearest_colour(average(inside)) == "blue"
    inside_share = inside.width * inside.height / (300 * 200)
    assert 0.1 < inside_share < 0.2
    assert nearest_colour(average(image)) == "white"


def test_an_alpha_channel_changes_no_pixel_for_whoever_drops_it_or_lays_it_on_white() -> None:
    scene = scenes.colour_field("red", random.Random(1))
    image = Image.open(io.BytesIO(png(scene.width, scene.height, scene.rows(), with_alpha=True)))
    paper = Image.new("RGB", image.size, (255, 255, 255))
    paper.paste(image, mask=image.getchannel("A"))
    assert image.mode == "RGBA"
    assert image.convert("RGB").tobytes() == paper.tobytes() == scene.pixels
