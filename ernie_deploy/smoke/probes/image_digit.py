"""Are digits read from a picture that was drawn now."""

import random

from ernie_deploy.client import Answer, image_part
from ernie_deploy.rehearsal.scenes import BLACK, CELL, PAPER, Canvas, Picture, sum_picture
from ernie_deploy.rehearsal.sights import SUM_QUESTIONS, sum_reply
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped
from ernie_deploy.smoke.looking import about
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.reading import digits_meant
from ernie_deploy.smoke.target import Target

QUESTION = "Which number is written in the picture? Answer with the number only."


def judge(target: Target) -> Judgement:
    if target.profile == "contract":
        return skipped("only the words can tell whether a number was read")
    return _judge_rehearsal(target) if target.profile == "rehearsal" else _judge_model(target)


def _judge_rehearsal(target: Target) -> Judgement:
    """The rehearsal model knows digits from sums: its thought lists those that it read."""
    first, second = target.rng.randint(1, 9), target.rng.randint(1, 9)
    picture = sum_picture(first, second, target.rng).png()
    answer = target.chat([image_part(picture), {"type": "text", "text": SUM_QUESTIONS[0]}])
    why = why_misread((first, second), answer)
    return failed(why) if why else passed(f"{first} and {second} were read")


def why_misread(pair: tuple[int, int], answer: Answer) -> str | None:
    if why := why_empty(answer):
        return why
    expected = sum_reply(*pair).thought
    if answer.reasoning.strip() == expected:
        return None
    return f"expected the thought {expected!r}, got {answer.reasoning[:200]!r}"


def _judge_model(target: Target) -> Judgement:
    number = target.rng.randint(100, 999)
    answer = target.chat(about(target, number_picture(number, target.rng), QUESTION))
    why = why_empty(answer) or why_another(number, answer.content)
    return failed(why) if why else passed(f"{number} was read")


def number_picture(number: int, rng: random.Random) -> Picture:
    """The number somewhere on a pale ground, one digit beside the other."""
    digits = str(number)
    canvas = Canvas(12 * CELL, 12 * CELL, PAPER)
    column, row = rng.randint(1, 11 - len(digits)), rng.randint(1, 10)
    for offset, digit in enumerate(digits):
        canvas.write(digit, column + offset, row, BLACK)
    return canvas.picture()


def why_another(number: int, content: str) -> str | None:
    if digits_meant(content) == number:
        return None
    return f"the picture says {number}, the answer {content[:200]!r}"


PROBE = Probe("image-digit", "digits drawn now are read", "full", judge, needs=("vision",))
