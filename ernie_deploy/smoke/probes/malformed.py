"""Is a request refused that is no JSON, has wrong types, or numbers out of bounds; and does the service live on."""

from collections.abc import Mapping

from ernie_deploy.client import RawAnswer
from ernie_deploy.smoke.base import Judgement, Probe, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.refusing import judge_refusals
from ernie_deploy.smoke.target import CHAT, Target

QUESTION = "Say hello."
FEW_TOKENS = 16
"""Whoever accepts what it should not must not spend long on it."""

BODIES = {"half an object": b'{"messages": [', "words": b"hello", "no body": b"", "a list": b"[1]"}


def judge_json(target: Target) -> Judgement:
    answers = {name: target.post(CHAT, body) for name, body in BODIES.items()}
    require_answer(target)
    return judge_refusals(target.engine, "malformed-is-a-500", answers)


def judge_types(target: Target) -> Judgement:
    request = target.request(QUESTION, max_tokens=FEW_TOKENS)
    wrong = {
        "messages that are text": {**request, "messages": "hello"},
        "no messages": {name: value for name, value in request.items() if name != "messages"},
        "max_tokens as a word": {**request, "max_tokens": "many"},
        "temperature as a word": {**request, "temperature": "warm"},
    }
    answers = {name: target.post_chat(body) for name, body in wrong.items()}
    require_answer(target)
    return judge_refusals(target.engine, "malformed-is-a-500", answers)


def judge_bounds(target: Target) -> Judgement:
    request = target.request(QUESTION, max_tokens=FEW_TOKENS)
    wrong = {
        "max_tokens -5": {**request, "max_tokens": -5},
        "temperature 99": {**request, "temperature": 99},
        "top_p 7": {**request, "top_p": 7},
        "an empty list of messages": {**request, "messages": []},
    }
    answers = {name: target.post_chat(body) for name, body in wrong.items()}
    require_answer(target)
    return judge_values(target.engine, answers)


def judge_values(engine: str, answers: Mapping[str, RawAnswer]) -> Judgement:
    """An engine may be known to pass over numbers that mean nothing; the others are judged without those."""
    known = why_unsupported(engine, "bad-value-is-accepted")
    accepted = [name for name, answer in answers.items() if answer.status == 200]
    if not known or not accepted:
        return judge_refusals(engine, "bad-value-is-a-500", answers)
    others = {name: answer for name, answer in answers.items() if name not in accepted}
    found = judge_refusals(engine, "bad-value-is-a-500", others) if others else None
    if found and found.verdict == "fail":
        return found
    return unsupported(f"accepted: {', '.join(accepted)}", known)


def require_answer(target: Target) -> None:
    """Raises EngineError when the service did not survive. Whether it still generates, error-shape asks."""
    target.get("/v1/models")


JSON = Probe("malformed-json", "a body that is no JSON object is refused in words", "fast", judge_json)
TYPES = Probe("wrong-types", "fields of the wrong type are refused in words", "fast", judge_types)
BOUNDS = Probe("wrong-values", "values out of bounds are refused in words", "full", judge_bounds)
