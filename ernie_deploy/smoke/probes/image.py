"""Is a picture really looked at: two pictures drawn now, of two colours that nobody could guess both.

The second has an alpha channel, as screenshots have. It is opaque, so whoever reads it sees the same pixels.
"""

from ernie_deploy.client import Answer, RefusedError, image_part
from ernie_deploy.client.png import png
from ernie_deploy.rehearsal.grammar import COLOUR_QUESTIONS, COLOURS
from ernie_deploy.rehearsal.scenes import colour_field
from ernie_deploy.smoke.base import Judgement, Probe, failed, skipped
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.reading import colour_meant
from ernie_deploy.smoke.target import Target

QUESTION = COLOUR_QUESTIONS[0]
HINT = "see whether it was loaded as a vision model, and what was sent: --html smoke.html"
PLAIN_COLOURS = ("red", "green", "blue", "yellow")
"""The real model may call the others violet, amber or grey, and be right."""


def judge(target: Target) -> Judgement:
    names = tuple(COLOURS) if target.profile == "rehearsal" else PLAIN_COLOURS
    for colour, with_alpha in zip(target.rng.sample(names, 2), (False, True), strict=True):
        scene = colour_field(colour, target.rng)
        picture = png(scene.width, scene.height, scene.rows(), with_alpha=with_alpha)
        kind = "with an alpha channel, as screenshots have: " if with_alpha else ""
        try:
            answer = target.chat([image_part(picture), {"type": "text", "text": QUESTION}])
        except RefusedError as error:
            return failed(f"{kind}{error.message}", hint=error.hint)
        why = why_empty(answer) or _why_unseen(target, answer) or _why_wrong(target, colour, answer.content)
        if why:
            return failed(kind + why, hint=HINT)
    how = _proof(target, answer)
    if how is None:
        return skipped("the answers carry no token counts, and a contract does not judge the words")
    return Judgement("pass", how)


def _why_unseen(target: Target, answer: Answer) -> str | None:
    """None also when the engine does not count; then the words have to prove it."""
    if answer.usage.image_tokens == 0:
        return "the picture was ignored: usage says 0 image tokens"
    if answer.usage.image_tokens is None and answer.usage.prompt_tokens is not None:
        without = target.chat(QUESTION).usage.prompt_tokens
        if without is not None and answer.usage.prompt_tokens <= without:
            return f"the picture was ignored: {answer.usage.prompt_tokens} prompt tokens with it, {without} without"
    return None


def _why_wrong(target: Target, colour: str, content: str) -> str | None:
    if target.profile == "contract":
        return None
    if target.profile == "rehearsal" and content != f"The image is {colour}.":
        return f"the picture is {colour}, the answer {content[:200]!r}"
    return None if colour_meant(content) == colour else f"the picture is {colour}, the answer {content[:200]!r}"


def _proof(target: Target, answer: Answer) -> str | None:
    tokens = answer.usage.image_tokens
    if target.profile != "contract":
        return "both colours were named right" + (f"; {tokens} image tokens" if tokens else "")
    if tokens:
        return f"a picture costs {tokens} image tokens"
    return "a picture costs prompt tokens" if answer.usage.prompt_tokens is not None else None


PROBE = Probe("image", "a picture drawn now is really looked at", "fast", judge, needs=("vision",))
