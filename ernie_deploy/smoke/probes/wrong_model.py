"""Is a model refused that is not served."""

from ernie_deploy.client import RawAnswer, server_message
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.target import Target


def judge(target: Target) -> Judgement:
    name = f"no-such-model-{target.rng.randrange(1000, 10000)}"
    request = target.request("Say hello.", max_tokens=16, model=name)
    answer = target.post_chat(request)
    given = names_are_given(target.get("/v1/models").json()) if answer.status == 200 else True
    return judge_answer(target.engine, name, answer, names_are_given=given)


def names_are_given(listed: object) -> bool:
    """Whether the model has a name beside its place, which FastDeploy needs to look at names at all."""
    entries = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(entries, list):
        return False
    return any(isinstance(entry, dict) and entry.get("root") not in (None, entry.get("id")) for entry in entries)


def judge_answer(engine: str, name: str, answer: RawAnswer, *, names_are_given: bool) -> Judgement:
    said = server_message(answer)
    if answer.status == 200:
        known = why_unsupported(engine, "model-name-not-checked")
        if known and not names_are_given:
            return unsupported(f"{name!r} was answered: this service has one model and looks at no names", known)
        return failed(f"{name!r} was answered, and no such model is served", hint="check what stands before the engine")
    names_it = "model" in said.lower() or name in said
    if answer.status in (400, 404) and names_it:
        return passed(f"{name!r} is refused: HTTP {answer.status}: {said}")
    known = why_unsupported(engine, "wrong-model-is-a-500")
    if answer.status == 500 and known and names_it:
        return unsupported(f"{name!r} is refused, but with HTTP 500: {said}", known)
    return failed(f"{name!r}: HTTP {answer.status}, where a 404 or 400 should name the model: {said}")


PROBE = Probe("wrong-model", "a model that is not served is refused by name", "full", judge)
