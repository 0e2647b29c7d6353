"""Is the model served under the name that clients will use."""

from ernie_deploy.client import server_message
from ernie_deploy.errors import VerifyError
from ernie_deploy.smoke.base import Judgement, Probe
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.target import Target


def judge(target: Target) -> Judgement:
    if target.engine == "transformers":
        return _judge_transformers(target)
    served = target.models()
    names = [model.id for model in served]
    evidence: dict[str, object] = {"models": names}
    match = next((model for model in served if model.id == target.model), None)
    if match is None:
        listed = ", ".join(names) or "nothing"
        return Judgement(
            "fail",
            f"{target.model!r} is not served; /v1/models lists {listed}",
            hint="use a listed name: --model NAME",
            evidence=evidence,
        )
    length = f", max_model_len {match.max_model_len}" if match.max_model_len else ""
    return Judgement("pass", f"{match.id} is served{length}", evidence=evidence)


def _judge_transformers(target: Target) -> Judgement:
    try:
        served = target.models()
    except VerifyError as error:
        answer = target.get("/v1/models")
        if answer.status != 500:
            raise
        return Judgement(
            "unsupported",
            server_message(answer) or error.message,
            reference=why_unsupported("transformers", "models-not-listed") or "",
        )
    if any(model.id == target.model for model in served):
        return Judgement("pass", f"{target.model} is served")
    return Judgement(
        "unsupported",
        f"the served model {target.model!r} is not listed",
        reference=why_unsupported("transformers", "models-not-listed") or "",
    )


PROBE = Probe("models", "the model is listed under the name that clients use", "fast", judge)
