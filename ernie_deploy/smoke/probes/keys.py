"""Is a key asked for, is a wrong one refused without being repeated, and does no other door answer without one."""

from collections.abc import Mapping

from ernie_deploy.client import RawAnswer, server_message
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.probes.text import ADDITION
from ernie_deploy.smoke.target import CHAT, Target

REFUSED = (401, 403)
OPEN = "start the engine with a key, or put a proxy that checks one in front of it"
DOORS = (
    CHAT,
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "//v1/chat/completions",
    "/V1/chat/completions",
    "/chat/completions",
    "/invocations",
)
"""Addresses under which some engine answers a chat, and spellings that a careless proxy passes on."""


def judge_required(target: Target) -> Judgement:
    answers = {"GET /v1/models": target.get("/v1/models", api_key=""), f"POST {CHAT}": _chat(target, CHAT, "")}
    with_key = target.get("/v1/models")
    if with_key.status in REFUSED:
        return failed(f"the run's own key is refused: HTTP {with_key.status}: {server_message(with_key)}")
    return judge_refused(target.engine, "without a key", answers)


def judge_wrong(target: Target) -> Judgement:
    key = f"sk-wrong-{target.rng.randrange(16**24):024x}"
    answers = {"GET /v1/models": target.get("/v1/models", api_key=key), f"POST {CHAT}": _chat(target, CHAT, key)}
    for name, answer in answers.items():
        if key in answer.text or any(key in value for value in answer.headers.values()):
            return failed(f"{name}: the answer repeats the key that came: it would stand in logs and reports")
    return judge_refused(target.engine, "with a wrong key", answers)


def judge_refused(engine: str, how: str, answers: Mapping[str, RawAnswer]) -> Judgement:
    known = why_unsupported(engine, "no-key")
    for name, answer in answers.items():
        if answer.status == 200 and known:
            return unsupported(f"{name} {how} was answered", known)
        if answer.status not in REFUSED:
            said = f"{name} {how}: HTTP {answer.status} instead of 401: {server_message(answer)[:200]}"
            return failed(said, hint=OPEN if answer.status == 200 else "")
    return passed(f"{', '.join(answers)} {how}: {', '.join(str(answer.status) for answer in answers.values())}")


def judge_scope(target: Target) -> Judgement:
    health = target.get("/health", api_key="")
    if health.status in REFUSED:
        hint = "probes of a balancer or an orchestrator carry no key"
        return failed(f"/health asks for a key: HTTP {health.status}", hint=hint)
    return judge_doors(target.engine, {path: _chat(target, path, "") for path in DOORS})


def judge_doors(engine: str, answers: Mapping[str, RawAnswer]) -> Judgement:
    through = [path for path, answer in answers.items() if is_an_answer(answer)]
    known = {path: why_unsupported(engine, f"no-key-for-{path.strip('/')}") for path in through}
    if CHAT in through and (nowhere := why_unsupported(engine, "no-key")):
        return unsupported("chat is answered without a key", nowhere)
    unknown = [path for path, reference in known.items() if reference is None]
    if unknown:
        return failed(f"chat is answered without a key at {', '.join(unknown)}", hint=OPEN)
    if references := [reference for reference in known.values() if reference]:
        return unsupported(f"chat is answered without a key at {', '.join(known)}", "; ".join(references))
    return passed(f"/health asks for no key, and none of {len(answers)} doors to chat opens without one")


def is_an_answer(answer: RawAnswer) -> bool:
    body = answer.json()
    return answer.status == 200 and isinstance(body, dict) and bool({"choices", "output", "content"} & set(body))


def _chat(target: Target, path: str, key: str) -> RawAnswer:
    request = target.client.chat_request(target.request(ADDITION.prompt, max_tokens=16), stream=False)
    return target.post(path, request, api_key=key)


REQUIRED = Probe("auth-required", "nothing under /v1 is answered without a key", "fast", judge_required, needs=("key",))
WRONG = Probe("auth-wrong-key", "a wrong key is refused and not repeated", "fast", judge_wrong, needs=("key",))
SCOPE = Probe(
    "auth-scope", "no side door to chat is open, and /health needs no key", "fast", judge_scope, needs=("key",)
)
