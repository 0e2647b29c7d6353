"""The pictures that the rehearsal model learns from: one colour all over, or a square in one quarter."""

import random

import numpy as np
from PIL import Image, ImageDraw

from ernie_deploy.rehearsal import grammar

WHITE_GROUND: grammar.Rgb = (245, 245, 245)


def jittered(rgb: grammar.Rgb, rng: random.Random, *, amount: int = 18) -> grammar.Rgb:
    red, green, blue = (min(255, max(0, value + rng.randint(-amount, amount))) for value in rgb)
    return red, green, blue


def solid(colour: str, size: tuple[int, int], rng: random.Random, *, noisy: bool) -> Image.Image:
    """A picture filled with one colour; noisy: a little off that colour, each pixel on its own."""
    if not noisy:
        return Image.new("RGB", size, grammar.COLOURS[colour])
    width, height = size
    noise = np.random.default_rng(rng.getrandbits(32))
    pixels = noise.normal(jittered(grammar.COLOURS[colour], rng), rng.uniform(0, 10), (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def square(colour: str, quadrant: str, size: tuple[int, int], rng: random.Random) -> Image.Image:
    """A white ground with one coloured square that fills most of one quarter."""
    picture = Image.new("RGB", size, jittered(WHITE_GROUND, rng, amount=8))
    box = grammar.box_in_pixels(grammar.square_box(quadrant), *size)
    ImageDraw.Draw(picture).rectangle(box, fill=jittered(grammar.COLOURS[colour], rng))
    return picture
