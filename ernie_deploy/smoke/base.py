"""A Probe proves one thing about a served model; a Target is what it asks. All probes run, whatever the others find."""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from ernie_deploy.client import Answer, Client, collect
from ernie_deploy.errors import DeployError, EngineError, UsageError
from ernie_deploy.report import Case, Verdict

Outcome = Case

Profile = Literal["contract", "rehearsal", "model"]
"""What is expected: only the shapes of answers, the rehearsal model's exact words, or what the real model must know."""

Tier = Literal["alive", "answers", "abilities"]

MAX_TOKENS: Mapping[Profile, int] = {"contract": 512, "rehearsal": 256, "model": 2048}
"""FastDeploy lets the reasoning have 80 % of it; with too little the answer stays empty."""


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client of a served model, and what is known about the engine behind it (`unknown` when nothing is).

    `deadline_s` is for one probe; `ends_at` is set when that probe begins.
    """

    client: Client
    engine: str
    profile: Profile
    rng: random.Random
    deadline_s: float = 120.0
    now: Callable[[], float] = time.monotonic
    ends_at: float = float("inf")

    @property
    def model(self) -> str:
        return self.client.endpoint.model

    def remaining_s(self) -> float:
        """Raises EngineError when the probe's time is up."""
        left_s = min(self.ends_at - self.now(), self.deadline_s)
        if left_s <= 0:
            raise EngineError(
                f"the probe was not done after {self.deadline_s:g} s",
                hint="look at the engine's own log: it may be stuck",
            )
        return left_s

    def chat(self, content: object, **fields: object) -> Answer:
        """Ask one user message at temperature 0, with fields that every engine accepts."""
        return self.client.chat(self.request(content, **fields), total_s=self.remaining_s())

    def stream(self, content: object, **fields: object) -> Answer:
        return collect(self.client.stream(self.request(content, **fields), total_s=self.remaining_s()))

    def request(self, content: object, **fields: object) -> dict[str, object]:
        messages = [{"role": "user", "content": content}]
        return {"messages": messages, "max_tokens": MAX_TOKENS[self.profile], "temperature": 0, **fields}


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a probe found. `reference` says who knows that an engine cannot do it."""

    verdict: Verdict
    message: str
    hint: str = ""
    reference: str = ""
    evidence: dict[str, object] = {}


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`title` says what a pass proves. `judge` may raise a DeployError, which is a fail."""

    id: str
    title: str
    tier: Tier
    judge: Callable[[Target], Judgement]


def run(
    probes: Sequence[Probe], target: Target, *, only: Iterable[str] = (), skip: Iterable[str] = ()
) -> tuple[Outcome, ...]:
    """Run all probes but those left out; `only` and `skip` take ids and tiers."""
    wanted, unwanted = set(only), set(skip)
    _check_names(probes, wanted | unwanted)
    return tuple(_outcome(probe, target, _why_left_out(probe, wanted, unwanted)) for probe in probes)


def why_failed(outcomes: Sequence[Outcome]) -> str | None:
    """The reason why the run as a whole is a failure; None when it is a success."""
    failed = [outcome.id for outcome in outcomes if outcome.verdict == "fail"]
    if failed:
        return f"{len(failed)} of {len(outcomes)} probes failed: {', '.join(failed)}"
    if not any(outcome.verdict == "pass" for outcome in outcomes):
        return "nothing was proved: no probe passed"
    return None


def exchange(asked: object, answer: Answer) -> dict[str, object]:
    """Evidence of one request; long strings, such as pictures, are shortened."""
    return {"request": shortened(asked), "answer": shortened(msgspec.to_builtins(answer))}


def shortened(value: object, limit: int = 400) -> object:
    if isinstance(value, str) and len(value) > limit:
        return f"{value[:80]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: shortened(item, limit) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(item, limit) for item in value]
    return value


def _outcome(probe: Probe, target: Target, why_left_out: str | None) -> Outcome:
    if why_left_out:
        return Outcome(probe.id, probe.title, "skip", why_left_out)
    started = target.now()
    try:
        found = probe.judge(msgspec.structs.replace(target, ends_at=started + target.deadline_s))
    except DeployError as error:
        details: dict[str, object] = {"details": error.details} if error.details else {}
        found = Judgement("fail", error.message, hint=error.hint, evidence=details)
    return Outcome(
        id=probe.id,
        title=probe.title,
        verdict=found.verdict,
        message=found.message,
        hint=found.hint,
        reference=found.reference,
        seconds=round(target.now() - started, 3),
        evidence=found.evidence,
    )


def _why_left_out(probe: Probe, only: set[str], skip: set[str]) -> str | None:
    names = {probe.id, probe.tier}
    if names & skip:
        return "left out by --skip"
    return "left out by --only" if only and not names & only else None


def _check_names(probes: Sequence[Probe], names: set[str]) -> None:
    known = {probe.id for probe in probes} | {probe.tier for probe in probes}
    if unknown := sorted(names - known):
        raise UsageError(
            f"no probe or tier is called {', '.join(unknown)}", hint=f"known are: {', '.join(sorted(known))}"
        )
