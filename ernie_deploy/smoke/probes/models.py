"""Is the model served under the name that clients will use."""

from collections.abc import Sequence

from ernie_deploy.client import ServedModel, server_message
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.target import Target


def judge(target: Target) -> Judgement:
    answer = target.get("/v1/models")
    known = why_unsupported(target.engine, "models-not-listed")
    if known and answer.status == 500:
        return unsupported(server_message(answer), known)
    return judge_list(target.model, target.client.listed(answer), known)


def judge_list(model: str, served: Sequence[ServedModel], known: str | None) -> Judgement:
    """known: the reference for an engine that lists no model of a local folder."""
    match = next((one for one in served if one.id == model), None)
    if match:
        length = f", max_model_len {match.max_model_len}" if match.max_model_len else ""
        return passed(f"{match.id} is served{length}")
    names = [one.id for one in served]
    message = f"{model!r} is not served; /v1/models lists {', '.join(names) or 'nothing'}"
    if known:
        return unsupported(message, known)
    return failed(message, hint="use a listed name: --model NAME", evidence={"models": names})


PROBE = Probe("models", "the model is listed under the name that clients use", "fast", judge)
