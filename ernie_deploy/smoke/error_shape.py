"""Is a malformed request refused in words, and does the service live on."""

from ernie_deploy.client import RawAnswer, server_message
from ernie_deploy.smoke.base import Judgement, Probe, Target
from ernie_deploy.smoke.text import ADDITION, why_empty

CHAT = "/v1/chat/completions"
NOT_A_PICTURE = "data:image/png;base64,bm90IGEgcGljdHVyZQ=="

KNOWN_TO_CRASH = {
    (
        "fastdeploy",
        "a picture that is none",
    ): "FastDeploy since 2.4 answers 500 for a bad picture, with a proper message",
    ("transformers", "a picture that is none"): "transformers serve answers most malformed requests with a bare 500",
    ("transformers", "messages that are no list"): "transformers serve answers most malformed requests with a bare 500",
}


def judge(target: Target) -> Judgement:
    picture = [{"type": "image_url", "image_url": {"url": NOT_A_PICTURE}}]
    malformed = {
        "messages that are no list": {**target.request(""), "messages": "this is not a list of messages"},
        "a picture that is none": target.request(picture),
    }
    evidence: dict[str, object] = {}
    unsupported = []
    for subject, request in malformed.items():
        answer = target.client.post(CHAT, {"model": target.model, **request}, total_s=target.remaining_s())
        evidence[subject] = {"status": answer.status, "body": answer.text[:400]}
        known = KNOWN_TO_CRASH.get((target.engine, subject)) if answer.status == 500 else None
        if known:
            unsupported.append((f"{subject}: HTTP 500", known))
        elif why := _why_bad(answer):
            return Judgement("fail", f"{subject}: {why}", evidence=evidence)
    if why := why_empty(target.chat(ADDITION.prompt)):
        return Judgement("fail", f"after the malformed requests {why}", evidence=evidence)
    if unsupported:
        messages, references = zip(*unsupported, strict=True)
        reference = "; ".join(dict.fromkeys(references))
        return Judgement("unsupported", "; ".join(messages), reference=reference, evidence=evidence)
    return Judgement("pass", f"{len(malformed)} malformed requests were refused in words", evidence=evidence)


def _why_bad(answer: RawAnswer) -> str | None:
    said = server_message(answer)
    if answer.status == 200:
        return "it was accepted"
    if not 400 <= answer.status < 500:
        return f"HTTP {answer.status} instead of a 4xx: {said}"
    return None if said != "(no message)" else f"HTTP {answer.status} without a message"


PROBE = Probe("error-shape", "a malformed request is refused in words and harms nobody", "abilities", judge)
