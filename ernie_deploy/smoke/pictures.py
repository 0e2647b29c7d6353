"""Pictures of one colour or with one square as PNG files, ready to be sent."""

import random

from ernie_deploy.rehearsal import scenes


def colour_field(colour: str, rng: random.Random, *, width: int = 224, height: int = 224) -> bytes:
    """A PNG filled with nearly `colour`: shifted a little and with grain."""
    return scenes.colour_field(colour, rng, width=width, height=height).png()


def square_in_quadrant(colour: str, quadrant: str, rng: random.Random, *, width: int = 224, height: int = 224) -> bytes:
    """A nearly white PNG with one square of nearly `colour` in one quarter."""
    return scenes.square_in_quadrant(colour, quadrant, rng, width=width, height=height).png()
