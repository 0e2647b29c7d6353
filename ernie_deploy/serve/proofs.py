"""What a service must show before it counts as ready, and what an answer about a picture shows. Pure."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ernie_deploy.client.answers import Answer
from ernie_deploy.client.refusals import RefusedError
from ernie_deploy.errors import DeployError, VerifyError
from ernie_deploy.plan.values import Plan, ReadyWhen

# FastDeploy lets the thinking have 80 % of it; with less the answer may have no room.
THINKING_TOKENS = 512
IMAGE_TOKENS = 16
# More than this share of the context is left to the question and its picture.
SHARE_OF_CONTEXT = 4
TRIES = 3
# The server is alive and has no time (408, 429), or waits for its weights (3xx): asking again is right.
ASK_AGAIN = (408, 425, 429)


def is_busy(error: DeployError) -> bool:
    """Whether the service only had no time."""
    return isinstance(error, RefusedError) and error.status in ASK_AGAIN


class Proof(NamedTuple):
    """One thing to show. `ask` returns a note, or `""`, and raises DeployError when it was not shown.

    `is_patient`: a server that is still warming up may break it as often as it likes, until patience ends.
    """

    stage: str
    ask: Callable[[], str]
    is_patient: bool = False

    def is_refuted_by(self, error: DeployError) -> bool:
        """Whether the error counts against the service; after `TRIES` of them it is not waited for any more."""
        if isinstance(error, RefusedError):
            is_waiting = is_busy(error) or 300 <= error.status < 400
            return not is_waiting and (error.status < 500 or not self.is_patient)
        return isinstance(error, VerifyError) and not self.is_patient


class Wanted(NamedTuple):
    """What is to be shown beyond a text token; `notes` say what was asked for and cannot be shown, and why."""

    image: bool = False
    thinking: bool = False
    max_tokens: int = IMAGE_TOKENS
    notes: tuple[str, ...] = ()


def wanted(plan: Plan) -> Wanted:
    """What `ready_when` asks for, as far as this plan can show it."""
    level: ReadyWhen = plan.ready_when.value
    if level == "text":
        return Wanted()
    notes = []
    takes_pictures = (plan.limit_mm_per_prompt.value or {}).get("image", 1) > 0
    if not takes_pictures:
        notes.append("an image token is not asked for: the plan allows no pictures")
    splits = level == "thinking" and plan.reasoning_parser.value is not None
    if level == "thinking" and not splits:
        notes.append("that thinking and answer come apart is not asked for: the plan has no reasoning parser")
    tokens = THINKING_TOKENS if splits else IMAGE_TOKENS
    if plan.max_model_len.value:
        tokens = max(IMAGE_TOKENS, min(tokens, plan.max_model_len.value // SHARE_OF_CONTEXT))
    return Wanted(takes_pictures, splits, tokens, tuple(notes))


def named_otherwise(wanted: str, listed: Sequence[str]) -> str:
    """A note when the service lists models and ours is not among them, or `""`. Clients that ask for ours may be turned
    away; but what an engine lists is not always what it serves, so it proves nothing."""
    if not wanted or not listed or wanted in listed:
        return ""
    return f"/v1/models lists {', '.join(listed[:3])}, and not {wanted}"


def require_picture(answer: Answer) -> str:
    """A note, or `""`. Raises VerifyError when the picture was not used, or nothing came."""
    tokens = answer.usage.image_tokens
    if tokens == 0:
        raise VerifyError(
            "the picture was ignored: usage says 0 image tokens", hint="see whether it was loaded as a vision model"
        )
    if not _says_something(answer):
        raise VerifyError("the answer about a picture ended without a token")
    return "" if tokens else "this engine does not count image tokens; that it looked at the picture is not proven"


def require_split(answer: Answer) -> str:
    """A note, or `""`. Raises VerifyError when thinking and answer are in one field.

    A model that thinks until its tokens are used up has not shown the split, and has not failed it either.
    """
    if re.search(r"</?think>", answer.reasoning + answer.content):
        raise VerifyError(
            "thinking and answer do not come apart: a <think> marker is in the text",
            hint="the reasoning parser does not fit this model or this engine's version",
            details=answer.raw,
        )
    if not _says_something(answer):
        raise VerifyError("the answer ended without a token")
    if answer.reasoning and answer.content:
        return ""
    if answer.finish_reason == "length":
        return "that thinking and answer come apart is not shown: it thought until its tokens were used up"
    missing = "answer" if answer.reasoning else "thinking"
    return f"that thinking and answer come apart is not shown: the reply had no {missing}"


def _says_something(answer: Answer) -> bool:
    return bool(answer.chunks or answer.reasoning or answer.content)
