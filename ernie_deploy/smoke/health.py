"""Does the engine call itself healthy."""

from ernie_deploy.client import server_message
from ernie_deploy.smoke.base import Judgement, Probe, Target


def judge(target: Target) -> Judgement:
    answer = target.client.get("/health", total_s=target.remaining_s())
    evidence: dict[str, object] = {"status": answer.status, "body": answer.text[:200]}
    if answer.status == 200:
        return Judgement("pass", "/health says 200", evidence=evidence)
    if answer.status == 304:
        return Judgement(
            "fail",
            "/health says 304: the engine runs without model weights",
            hint="load the weights again, or restart the engine",
            reference="FastDeploy answers 304 `No model weight enabled` after a weight update was begun",
            evidence=evidence,
        )
    said = server_message(answer)
    return Judgement(
        "fail", f"/health says {answer.status}: {said}", hint="look at the engine's log", evidence=evidence
    )


PROBE = Probe("health", "the engine calls itself healthy", "alive", judge)
