"""Does the engine call itself healthy, and is it true."""

from ernie_deploy.client import server_message
from ernie_deploy.errors import DeployError
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.probes.text import ADDITION
from ernie_deploy.smoke.target import Target

HEALTH_S = 15.0
"""Whoever asks is a balancer, and that waits less."""

TRUTH_S = 60.0


def judge(target: Target) -> Judgement:
    answer = target.get("/health")
    return judge_status(answer.status, server_message(answer) if answer.text else "")


def judge_status(status: int, said: str) -> Judgement:
    evidence: dict[str, object] = {"status": status, "body": said[:200]}
    if status == 200:
        return Judgement("pass", "/health says 200", evidence=evidence)
    if status == 304:
        return Judgement(
            "fail",
            "/health says 304: the engine runs without model weights",
            hint="load the weights again, or restart the engine; most clients take a 304 for healthy",
            reference="FastDeploy answers 304 `No model weight enabled` after a weight update was begun",
            evidence=evidence,
        )
    if status == 404 and "Worker" in said:
        return Judgement(
            "fail",
            f"/health says 404: {said}",
            hint="its worker was not heard of for 30 s: it works on a very long prompt, or it hangs; ask again, then "
            "read workerlog.0",
            reference="FastDeploy answers 404 while the heartbeat of its worker is older than 30 s",
            evidence=evidence,
        )
    hint = "restart the engine: it says itself that it is dead" if status == 503 else "look at the engine's log"
    return Judgement("fail", f"/health says {status}: {said}", hint=hint, evidence=evidence)


def judge_truth(target: Target) -> Judgement:
    """At the same moment: what /health says, and whether a token comes."""
    status = target.get("/health").status
    try:
        seen = target.stream_until(target.request(ADDITION.prompt), lambda delta: delta.carries_tokens)
    except DeployError as error:
        return judge_token(status, None, error.message)
    first_s = next((delta.at_s for delta in seen if delta.carries_tokens), None)
    return judge_token(status, first_s, "the stream ended without any")


def judge_token(status: int, first_s: float | None, why: str) -> Judgement:
    if first_s is None and status == 200:
        return failed(
            f"/health says 200, but no token came: {why}",
            hint="a balancer would keep sending requests here: restart the engine, and probe with a question too",
        )
    if first_s is None:
        return failed(f"/health says {status}, and no token came: {why}", hint="look at the engine's own log")
    if status != 200:
        return failed(f"/health says {status}, but a token came after {1000 * first_s:.0f} ms")
    return passed(f"/health says 200, and a token came after {1000 * first_s:.0f} ms")


PROBE = Probe("health", "the engine calls itself healthy", "fast", judge, timeout_s=HEALTH_S)
TRUTH = Probe(
    "health-truth",
    "when the engine calls itself healthy, tokens come",
    "fast",
    judge_truth,
    needs=("chat",),
    timeout_s=TRUTH_S,
)
