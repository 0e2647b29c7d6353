"""Are files that are no whole pictures refused in words: text, letters that are no base64, half a file."""

import base64

from ernie_deploy.client import RawAnswer
from ernie_deploy.client.answers import parse_answer
from ernie_deploy.rehearsal.grammar import COLOUR_QUESTIONS, COLOURS
from ernie_deploy.smoke.base import Judgement, Probe
from ernie_deploy.smoke.pictures import colour_field
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.reading import colour_meant
from ernie_deploy.smoke.refusing import alive, judge_refusals, shown, why_not_refused
from ernie_deploy.smoke.target import Target

QUESTION = COLOUR_QUESTIONS[0]
LIMIT = "bad-picture-is-a-500"
NOT_A_PICTURE = b"This is a text, and no picture."


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def ask_about(target: Target, url: str, **fields: object) -> RawAnswer:
    """A question about the picture at a URL, whatever the answer."""
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": QUESTION}]
    return target.post_chat(target.request(content, **fields))


def drawn(target: Target) -> tuple[str, bytes]:
    """A colour and a picture of it."""
    colour = target.rng.choice(tuple(COLOURS) if target.profile == "rehearsal" else PLAIN_COLOURS)
    return colour, colour_field(colour, target.rng)


# The type ---------------------------------------------------------------------------------------------------------


def judge_type(target: Target) -> Judgement:
    refused = {"a text that is called a PNG": ask_about(target, data_url(NOT_A_PICTURE))}
    colour, picture = drawn(target)
    misnamed = ask_about(target, data_url(picture, "image/jpeg"))
    found = judge_refusals(target.engine, LIMIT, refused)
    why = why_misread(target, colour, misnamed)
    if why and found.verdict != "fail":
        found = Judgement("fail", f"a PNG that is called a JPEG: {why}", evidence=shown({"misnamed": misnamed}))
    return alive(target, found)


def why_misread(target: Target, colour: str, answer: RawAnswer) -> str | None:
    """A picture with a wrong name may be read, or refused in words; it must not be mistaken for another one."""
    if answer.status != 200:
        return why_not_refused(answer)
    content = parse_answer(answer.text, answer.total_s).content
    if target.profile == "contract" or colour_meant(content) == colour:
        return None
    return f"the picture is {colour}, the answer {content[:200]!r}"


# The bytes --------------------------------------------------------------------------------------------------------


def judge_base64(target: Target) -> Judgement:
    _, picture = drawn(target)
    url = data_url(picture)
    answers = {
        "letters that base64 does not have": ask_about(target, f"{url[:-7]}*!#%"),
        "base64 of which the end is missing": ask_about(target, url.rstrip("=")[:-1]),
    }
    return alive(target, judge_refusals(target.engine, LIMIT, answers))


def judge_truncated(target: Target) -> Judgement:
    _, picture = drawn(target)
    answers = {
        "the first 40 bytes of a PNG": ask_about(target, data_url(picture[:40])),
        "the first half of a PNG": ask_about(target, data_url(picture[: len(picture) // 2])),
    }
    return alive(target, judge_refusals(target.engine, LIMIT, answers))


TYPE = Probe("image-wrong-type", "a text called a picture is refused in words", "full", judge_type, needs=("vision",))
BASE64 = Probe("image-broken-base64", "broken base64 is refused in words", "full", judge_base64, needs=("vision",))
TRUNCATED = Probe("image-truncated", "half a picture is refused in words", "full", judge_truncated, needs=("vision",))
