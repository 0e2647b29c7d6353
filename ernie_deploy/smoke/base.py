"""A Probe proves one thing about a served model. What it found is a Judgement, and a judgement cannot be vague."""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from ernie_deploy.report import Box, Verdict
from ernie_deploy.smoke.target import DEFAULT_TIMEOUT_S, Profile, Target

Tier = Literal["fast", "full"]
"""`full` is all of them; `fast` are those that a pipeline can afford on every change."""

Need = Literal["chat", "thinking", "vision", "video", "tools", "key", "metrics", "length"]
"""What must be there for a probe to mean anything.

`key`: the run has an API key. `metrics`: it is known where they are served. `length`: so is max_model_len. The others
name abilities of the model, for readers and for --only and --skip.
"""

LEAST_TOKENS: Mapping[Profile, int] = {"contract": 64, "rehearsal": 128, "model": 512}
"""The smallest budget per answer with which a probe that says nothing else is answered."""


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a probe found. `reference` says who knows that an engine cannot do it."""

    verdict: Verdict
    message: str
    hint: str = ""
    reference: str = ""
    evidence: dict[str, object] = {}
    boxes: tuple[Box, ...] = ()

    def __post_init__(self) -> None:
        if not self.message:
            raise ValueError(f"a judgement of {self.verdict} without a message")
        if self.verdict == "unsupported" and not self.reference:
            raise ValueError("unsupported, and nobody says so")


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`title` says what a pass proves. `judge` may raise a DeployError, which is a fail.

    `least_tokens` is the smallest budget per answer with which it is answered, where that is more than LEAST_TOKENS.
    """

    id: str
    title: str
    tier: Tier
    judge: Callable[[Target], Judgement]
    needs: tuple[Need, ...] = ()
    timeout_s: float = DEFAULT_TIMEOUT_S
    least_tokens: Mapping[Profile, int] = {}

    def limit_s(self, asked_s: float | None) -> float:
        """Seconds that it may take where a run asks for so many; who is short on purpose stays short."""
        if asked_s is None:
            return self.timeout_s
        return min(asked_s, self.timeout_s) if self.timeout_s < DEFAULT_TIMEOUT_S else asked_s

    def least(self, profile: Profile) -> int:
        """Tokens per answer; 0 when it asks the model nothing."""
        if not {"chat", "thinking", "vision", "video", "tools"} & set(self.needs):
            return 0
        return max(self.least_tokens.get(profile, 0), LEAST_TOKENS[profile])


def passed(message: str, *, boxes: tuple[Box, ...] = ()) -> Judgement:
    return Judgement("pass", message, boxes=boxes)


def failed(
    message: str, *, hint: str = "", evidence: dict[str, object] | None = None, boxes: tuple[Box, ...] = ()
) -> Judgement:
    return Judgement("fail", message, hint=hint, evidence=evidence or {}, boxes=boxes)


def skipped(message: str) -> Judgement:
    return Judgement("skip", message)


def unsupported(message: str, reference: str) -> Judgement:
    return Judgement("unsupported", message, reference=reference)
