"""Is a malformed request refused in words, always in the same shape, and does the service live on."""

from collections.abc import Mapping

from ernie_deploy.client import RawAnswer
from ernie_deploy.smoke.base import Judgement, Probe
from ernie_deploy.smoke.probes.text import ADDITION, why_empty
from ernie_deploy.smoke.refusing import shown, why_known, why_not_refused
from ernie_deploy.smoke.target import Target

NOT_A_PICTURE = "data:image/png;base64,bm90IGEgcGljdHVyZQ=="

LIMITS = {"a picture that is none": "bad-picture-is-a-500", "messages that are no list": "malformed-is-a-500"}


def judge(target: Target) -> Judgement:
    picture = [{"type": "image_url", "image_url": {"url": NOT_A_PICTURE}}]
    malformed = {
        "messages that are no list": {**target.request(""), "messages": "this is not a list of messages"},
        "a picture that is none": target.request(picture),
    }
    answers: dict[str, RawAnswer] = {}
    unsupported = []
    for subject, request in malformed.items():
        answer = answers[subject] = target.post_chat(request)
        if known := why_known(target.engine, LIMITS[subject], answer):
            unsupported.append((f"{subject}: HTTP 500", known))
        elif why := why_not_refused(answer):
            return Judgement("fail", f"{subject}: {why}", evidence=shown(answers))
    if why := why_misshapen(answers):
        return Judgement("fail", why, evidence=shown(answers))
    if why := why_empty(target.chat(ADDITION.prompt)):
        return Judgement("fail", f"after the malformed requests {why}", evidence=shown(answers))
    if unsupported:
        messages, references = zip(*unsupported, strict=True)
        reference = "; ".join(dict.fromkeys(references))
        return Judgement("unsupported", "; ".join(messages), reference=reference, evidence=shown(answers))
    return Judgement("pass", f"{len(malformed)} malformed requests were refused in words", evidence=shown(answers))


def shape(answer: RawAnswer) -> str:
    """What holds the message: `error`, `detail`, `message`, or what kind of body it is."""
    body = answer.json()
    if isinstance(body, dict):
        return next((key for key in ("error", "detail", "message") if key in body), "another object")
    return "no JSON" if body is None else "a bare value"


def why_misshapen(answers: Mapping[str, RawAnswer]) -> str | None:
    """The reason why a client could not read all of these refusals the same way."""
    shapes = {subject: shape(answer) for subject, answer in answers.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{subject} in {found!r}" for subject, found in shapes.items())
        return f"refusals come in different shapes: {told}"
    for subject, answer in answers.items():
        body = answer.json()
        error = body.get("error") if isinstance(body, dict) else None
        if isinstance(error, dict) and not (error.get("message") and ("type" in error or "code" in error)):
            return f"{subject}: the error has no message, or neither type nor code: {answer.text[:200]!r}"
    return None


PROBE = Probe(
    "error-shape",
    "malformed requests are refused in words, in one shape, and harm nobody",
    "fast",
    judge,
    needs=("chat",),
)
