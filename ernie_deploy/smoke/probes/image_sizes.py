"""Are very large and very small pictures answered, within the tokens that they may cost."""

from ernie_deploy.architecture.tokens import resized
from ernie_deploy.client import Answer, RawAnswer, RefusedError, image_part
from ernie_deploy.client.png import plain
from ernie_deploy.client.refusals import is_too_long
from ernie_deploy.rehearsal.grammar import COLOUR_QUESTIONS, COLOURS
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.probes.bad_images import ask_about, data_url
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.reading import colour_meant
from ernie_deploy.smoke.refusing import alive, judge_refusals, shown
from ernie_deploy.smoke.target import Target

QUESTION = COLOUR_QUESTIONS[0]

LARGE = (4800, 3600)
"""Without a limit it would cost 22,000 tokens."""

MOST_TOKENS = 12_845_056 // 784
"""Of one picture, with the largest `image_max_pixels` that the model's makers name."""

WORDS_TOKENS = 200
"""Of the question and the template, which `prompt_tokens` contains."""

TOO_LONG_FROM = MOST_TOKENS + 1024
"""A service with fewer tokens of context may refuse the large picture."""

TINY = ((1, 1), (10, 2000))


# Large ------------------------------------------------------------------------------------------------------------


def judge_large(target: Target) -> Judgement:
    colour = target.rng.choice(PLAIN_COLOURS)
    try:
        return _judge_one(target, colour, LARGE)
    except RefusedError as error:
        length = target.max_model_len
        if length is None or not may_refuse(length, error.message):
            return failed(f"a picture of {LARGE[0]} x {LARGE[1]} was refused: {error.message}", hint=error.hint)
    width, height = fitting(length)
    found = _judge_one(target, colour, (width, height))
    return passed(f"{found.message}; a larger one does not fit {length} tokens") if found.verdict == "pass" else found


def may_refuse(max_model_len: int, message: str) -> bool:
    """Whether the large picture really cannot fit, and that is the reason that is given."""
    return max_model_len < TOO_LONG_FROM and is_too_long(message)


def _judge_one(target: Target, colour: str, size: tuple[int, int]) -> Judgement:
    answer = target.chat([image_part(plain(COLOURS[colour], *size)), {"type": "text", "text": QUESTION}])
    why = why_empty(answer) or why_too_many(answer) or why_misseen(target, colour, answer)
    width, height = size
    return failed(f"{width} x {height}: {why}") if why else passed(f"{width} x {height}: {_cost(answer)}")


def fitting(max_model_len: int) -> tuple[int, int]:
    """The largest picture of four to three that leaves half of the context free."""
    width = 28
    while True:
        new_width, new_height = resized(width + 28, (width + 28) * 3 // 4)
        if new_width * new_height // 784 > max_model_len // 2:
            return width, width * 3 // 4
        width += 28


def why_too_many(answer: Answer) -> str | None:
    tokens, prompt = answer.usage.image_tokens, answer.usage.prompt_tokens
    if tokens is not None and tokens > MOST_TOKENS:
        return f"it cost {tokens} image tokens, and image_max_pixels allows {MOST_TOKENS} at most"
    if tokens is None and prompt is not None and prompt > MOST_TOKENS + WORDS_TOKENS:
        return f"it cost {prompt} prompt tokens, and image_max_pixels allows {MOST_TOKENS} at most"
    return None


def why_misseen(target: Target, colour: str, answer: Answer) -> str | None:
    if target.profile == "contract" or colour_meant(answer.content) == colour:
        return None
    return f"the picture is {colour}, the answer {answer.content[:200]!r}"


def _cost(answer: Answer) -> str:
    if answer.usage.image_tokens is not None:
        return f"{answer.usage.image_tokens} image tokens"
    return f"{answer.usage.prompt_tokens} prompt tokens" if answer.usage.prompt_tokens is not None else "answered"


# Tiny -------------------------------------------------------------------------------------------------------------


def judge_tiny(target: Target) -> Judgement:
    """Both are within what the processor takes (200 to 1), so both ways are right: an answer, or a refusal in words."""
    colour = COLOURS[target.rng.choice(PLAIN_COLOURS)]
    answers = {
        f"{width} x {height}": ask_about(target, data_url(plain(colour, width, height))) for width, height in TINY
    }
    return alive(target, tiny_judged(target.engine, answers))


def tiny_judged(engine: str, answers: dict[str, RawAnswer]) -> Judgement:
    refused = {name: answer for name, answer in answers.items() if answer.status != 200}
    if not refused:
        return Judgement("pass", f"{' and '.join(answers)} pixels were answered", evidence=shown(answers))
    return judge_refusals(engine, "bad-picture-is-a-500", refused)


LARGE_PROBE = Probe(
    "image-large", "a large picture is shrunk to what it may cost", "full", judge_large, needs=("vision",)
)
TINY_PROBE = Probe("image-tiny", "a picture of one pixel harms nobody", "full", judge_tiny, needs=("vision",))
