"""Is the model served under the name that clients will use."""

from ernie_deploy.client import server_message
from ernie_deploy.errors import VerifyError
from ernie_deploy.smoke.base import Judgement, Probe, Target

TRANSFORMERS = (
    "transformers serve lists only models of its cache, never a local folder, and answers 500 without a cache"
)


def judge(target: Target) -> Judgement:
    if target.engine == "transformers":
        return _judge_transformers(target)
    served = target.client.models(total_s=target.remaining_s())
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
        served = target.client.models(total_s=target.remaining_s())
    except VerifyError as error:
        answer = target.client.get("/v1/models", total_s=target.remaining_s())
        if answer.status != 500:
            raise
        return Judgement("unsupported", server_message(answer) or error.message, reference=TRANSFORMERS)
    if any(model.id == target.model for model in served):
        return Judgement("pass", f"{target.model} is served")
    return Judgement("unsupported", f"the served model {target.model!r} is not listed", reference=TRANSFORMERS)


PROBE = Probe("models", "the model is listed under the name that clients use", "alive", judge)
