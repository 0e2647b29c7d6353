"""What a refusal must be like, and whether the service lives on after one."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from ernie_deploy.client import RawAnswer, server_message
from ernie_deploy.smoke.base import Judgement
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.probes.text import ADDITION, why_empty
from ernie_deploy.smoke.target import Target

MESSAGE_SHOWN = 200


def in_words(answer: RawAnswer) -> bool:
    """Whether the server said why; the bare name of a status is no reason."""
    said = server_message(answer).strip("'\"")
    return said not in ("(no message)", "Internal Server Error", "Bad Request", "")


def said(answer: RawAnswer) -> str:
    return f"HTTP {answer.status}: {server_message(answer)[:MESSAGE_SHOWN]}"


def why_not_refused(answer: RawAnswer) -> str | None:
    """The reason why an answer is no proper refusal: a 4xx that says why."""
    if answer.status == 200:
        return "it was accepted"
    if not 400 <= answer.status < 500:
        return f"not a 4xx but {said(answer)}"
    return None if in_words(answer) else f"HTTP {answer.status} without a word"


def judge_refusals(engine: str, limit: str, answers: Mapping[str, RawAnswer]) -> Judgement:
    """answers: by what was wrong with the request. limit: the id of the known limit that the status is then a 5xx."""
    evidence = shown(answers)
    unsupported: dict[str, str] = {}
    for subject, answer in answers.items():
        if why := why_not_refused(answer):
            known = why_known(engine, limit, answer)
            if known is None:
                return Judgement("fail", f"{subject}: {why}", evidence=evidence)
            unsupported[f"{subject}: HTTP {answer.status}"] = known
    if unsupported:
        references = "; ".join(dict.fromkeys(unsupported.values()))
        return Judgement("unsupported", "; ".join(unsupported), reference=references, evidence=evidence)
    last = list(answers.values())[-1]
    return Judgement("pass", f"refused in words, such as {said(last)}", evidence=evidence)


def why_known(engine: str, limit: str, answer: RawAnswer) -> str | None:
    """The reference for a 5xx; None when it is no such thing, or when the engine itself calls it a fault of its own."""
    if answer.status < 500 or _blames_itself(answer):
        return None
    return why_unsupported(engine, limit if in_words(answer) else f"{limit}-without-words")


def _blames_itself(answer: RawAnswer) -> bool:
    body = answer.json()
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and error.get("type") in ("internal_error", "server_error")


def shown(answers: Mapping[str, RawAnswer]) -> dict[str, object]:
    return {subject: {"status": answer.status, "body": answer.text[:400]} for subject, answer in answers.items()}


def why_dead(target: Target) -> str | None:
    """The reason why the service cannot be said to live on. Raises DeployError when it is gone."""
    why = why_empty(target.chat(ADDITION.prompt))
    return f"after the refused requests {why}" if why else None


def alive(target: Target, found: Judgement) -> Judgement:
    """What was found, unless the service did not survive the finding out."""
    if found.verdict == "fail":
        return found
    why = why_dead(target)
    return Judgement("fail", why, evidence=found.evidence) if why else found


def is_here(target: Target) -> bool:
    """Whether the service runs on this very machine, as far as its address tells."""
    host = urlsplit(target.client.endpoint.base_url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
