"""Two pictures in one request, and one more than the service allows."""

import re

from ernie_deploy.client import Answer, RawAnswer, RefusedError, Usage, image_part, server_message
from ernie_deploy.client.answers import parse_answer
from ernie_deploy.client.png import plain
from ernie_deploy.rehearsal.grammar import COLOUR_QUESTIONS, COLOURS
from ernie_deploy.rehearsal.sights import TWO_PICTURES_QUESTIONS, two_pictures_reply
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.pictures import colour_field
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.reading import colours_in_order
from ernie_deploy.smoke.refusing import alive, judge_refusals, said
from ernie_deploy.smoke.target import Target

MANY = 33
LITTLE = 28
"""Pixels a side: four image tokens at most, so that many pictures are still a short request."""

FEW_TOKENS = 16
"""To be accepted or not is all that counts, so the answer need not be finished."""

LIMIT_NAMED = re.compile(r"limit is (\d+)|at most (\d+) (?:image|picture)", re.IGNORECASE)
HINT = 'start the engine with --limit-mm-per-prompt \'{"image": 10, "video": 1}\''


def limit_named(message: str) -> int | None:
    """How many pictures a refusal says are allowed."""
    found = LIMIT_NAMED.search(message)
    return int(found[1] or found[2]) if found else None


# Two --------------------------------------------------------------------------------------------------------------


def judge_two(target: Target) -> Judgement:
    names = tuple(COLOURS) if target.profile == "rehearsal" else PLAIN_COLOURS
    first, second = target.rng.sample(names, 2)
    parts = [image_part(colour_field(colour, target.rng)) for colour in (first, second)]
    question = {"type": "text", "text": TWO_PICTURES_QUESTIONS[0]}
    try:
        answer = target.chat([*parts, question])
    except RefusedError as error:
        return why_not_two(target.engine, error)
    if why := why_empty(answer):
        return failed(why)
    if target.profile == "contract":
        return judge_cost(answer, target.chat([parts[0], question]))
    if why := why_wrong(target, (first, second), answer.content):
        return failed(why)
    return passed(f"the first was called {first}, the second {second}")


def why_not_two(engine: str, error: RefusedError) -> Judgement:
    if limit_named(error.message) != 1:
        return failed(error.message, hint=error.hint)
    known = why_unsupported(engine, "one-picture-a-request")
    message = "one picture is all that a request may have"
    return Judgement("unsupported" if known else "fail", message, hint=HINT, reference=known or "")


def why_wrong(target: Target, pair: tuple[str, str], content: str) -> str | None:
    if target.profile == "rehearsal":
        expected = two_pictures_reply(*pair).answer
        return None if content == expected else f"expected {expected!r}, got {content[:200]!r}"
    return (
        None
        if colours_in_order(content) == pair
        else f"the pictures are {' and '.join(pair)}, the answer {content[:200]!r}"
    )


def judge_cost(two: Answer, one: Answer) -> Judgement:
    """What a contract can see: the second picture costs tokens too."""
    if two.usage.prompt_tokens is None or one.usage.prompt_tokens is None:
        return skipped("the answers carry no token counts, and a contract does not judge the words")
    if two.usage.prompt_tokens <= one.usage.prompt_tokens:
        return failed(
            f"the second picture was ignored: {two.usage.prompt_tokens} prompt tokens with it, "
            f"{one.usage.prompt_tokens} without"
        )
    return passed(f"the second picture costs {two.usage.prompt_tokens - one.usage.prompt_tokens} tokens")


# One too many -----------------------------------------------------------------------------------------------------


def judge_limit(target: Target) -> Judgement:
    """Nobody tells how many are allowed but the refusal itself; then it has to be true."""
    many = _ask(target, MANY)
    if many.status == 200:
        return judge_many(target.engine, _usage(many), _usage(_ask(target, 1)), _usage(_ask(target, 2)))
    allowed = limit_named(server_message(many))
    if allowed is None or allowed >= MANY:
        found = judge_refusals(target.engine, "image-limit-is-a-500", {f"{MANY} pictures": many})
        return alive(target, found)
    return alive(target, limit_judged(target.engine, allowed, _ask(target, allowed), _ask(target, allowed + 1)))


def judge_many(engine: str, many: Usage, one: Usage, two: Usage) -> Judgement:
    """All were accepted. Then each must cost its tokens: to be left out in silence is worse than to be refused."""
    message = f"{MANY} pictures in one request were accepted"
    if many.prompt_tokens is not None and one.prompt_tokens is not None and two.prompt_tokens is not None:
        each, rest = two.prompt_tokens - one.prompt_tokens, many.prompt_tokens - one.prompt_tokens
        if each < 1 or rest < (MANY - 1) * each:
            return failed(f"{message}, but some were left out in silence: one costs {each} tokens, {MANY - 1} {rest}")
    known = why_unsupported(engine, "pictures-not-counted")
    return unsupported(message, known) if known else skipped(f"{message}; how many are allowed is not told")


def _usage(answer: RawAnswer) -> Usage:
    return parse_answer(answer.text, answer.total_s).usage


def limit_judged(engine: str, allowed: int, fitting: RawAnswer, over: RawAnswer) -> Judgement:
    if allowed and fitting.status != 200:
        return failed(f"{allowed} pictures are allowed, but {allowed} were refused: {said(fitting)}")
    found = judge_refusals(engine, "image-limit-is-a-500", {f"{allowed + 1} pictures": over})
    if found.verdict != "pass":
        return found
    return passed(f"{allowed} in one request are accepted, and one more is refused in words")


def _ask(target: Target, count: int) -> RawAnswer:
    colour = COLOURS[PLAIN_COLOURS[0]]
    parts = [image_part(plain(colour, LITTLE, LITTLE)) for _ in range(count)]
    question = {"type": "text", "text": COLOUR_QUESTIONS[0]}
    return target.post_chat(target.request([*parts, question], max_tokens=FEW_TOKENS))


TWO = Probe("two-images", "two pictures in one request are told apart", "full", judge_two, needs=("vision",))
LIMIT = Probe("image-limit", "one picture too many is refused in words", "full", judge_limit, needs=("vision",))
