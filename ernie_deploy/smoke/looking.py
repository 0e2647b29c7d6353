"""Asking about a scene, and what can be said of the answer whatever the model is."""

from ernie_deploy.client import Answer, ToolCall, image_part
from ernie_deploy.rehearsal.scenes import Picture
from ernie_deploy.smoke.base import Judgement, failed, passed, skipped
from ernie_deploy.smoke.crops import enlarged
from ernie_deploy.smoke.target import Target

ENLARGED = 3
"""The rehearsal model reads digits of one size only; the real one is spared the guessing at pixels."""

NUMBER_ONLY = " Answer with the number only."
ONE_WORD = " Answer with one word."


def about(target: Target, scene: Picture, question: str) -> list[dict[str, object]]:
    """The content of a message: the picture first."""
    shown = enlarged(scene, ENLARGED) if target.profile == "model" else scene
    return [image_part(shown.png()), {"type": "text", "text": question}]


def picture_meant(call: ToolCall, count: int) -> int | None:
    """The index of the picture that a call of a tool is about, the first if it names none; None when there is none."""
    index = (call.parsed or {}).get("img_idx", 0)
    return int(index) if isinstance(index, int | float) and index in range(count) else None


def judge_counted(tokens: int | None, kind: str) -> Judgement:
    """All that a contract can see in an answer that came: whether the picture or video was counted."""
    if tokens == 0:
        return failed(f"the {kind} was ignored: usage says 0 {kind} tokens")
    if tokens is None:
        return skipped(f"an answer came, but {kind} tokens are not counted, and a contract does not judge the words")
    return passed(f"an answer came, and the {kind} costs {tokens} tokens; a contract does not judge the words")


def why_other(answer: Answer, expected: str) -> str | None:
    """The reason why an answer is not word for word what the rehearsal model was taught."""
    return None if answer.content == expected else f"expected {expected!r}, got {answer.content[:200]!r}"
