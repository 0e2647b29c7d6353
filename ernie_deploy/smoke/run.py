"""Running probes one after another: all of them, whatever the others find. Who does not run is a skip with a reason."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import msgspec

from ernie_deploy.errors import DeployError, UsageError
from ernie_deploy.hidden import Hidden
from ernie_deploy.rehearsal.learnt import abilities
from ernie_deploy.report import Case, Exchange, Verdict
from ernie_deploy.smoke.base import Judgement, Probe, Tier, failed
from ernie_deploy.smoke.practised import why_not_learnt
from ernie_deploy.smoke.target import Log, Profile, Target

Outcome = Case

LEFT_OUT = "left out by"


class Selection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which probes run; `only` and `skip` take ids, tiers and needs."""

    tier: Tier = "full"
    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()

    def why_left_out(self, probe: Probe) -> str | None:
        names = {probe.id, probe.tier, *probe.needs}
        if names & self.skip:
            return f"{LEFT_OUT} --skip"
        if self.only:
            return None if names & self.only else f"{LEFT_OUT} --only"
        return f"{LEFT_OUT} --tier fast" if self.tier == "fast" and probe.tier == "full" else None


def select(
    probes: Sequence[Probe], *, tier: Tier = "full", only: Iterable[str] = (), skip: Iterable[str] = ()
) -> Selection:
    """Raises UsageError for a name that nothing has, and when no probe is left."""
    chosen = Selection(tier, frozenset(only), frozenset(skip))
    known = {name for probe in probes for name in (probe.id, probe.tier, *probe.needs)}
    if unknown := sorted((chosen.only | chosen.skip) - known):
        raise UsageError(
            f"no probe, tier or need is called {', '.join(map(repr, unknown))}",
            hint=f"known are: {', '.join(sorted(known))}",
        )
    if all(chosen.why_left_out(probe) for probe in probes):
        raise UsageError("--only, --skip and --tier leave no probe to run", hint="skip less of what --only names")
    return chosen


def require_budget(probes: Sequence[Probe], chosen: Selection, profile: Profile, max_tokens: int) -> None:
    """Raise UsageError when a budget of so many tokens per answer cannot be answered; 0 leaves it to the profile."""
    least = {probe.id: probe.least(profile) for probe in probes if chosen.why_left_out(probe) is None}
    hungriest = max(least, key=lambda name: least[name], default=None)
    if max_tokens and hungriest is not None and max_tokens < least[hungriest]:
        raise UsageError(
            f"--max-tokens {max_tokens} is too few: the thinking comes first, the answer to {hungriest} stays empty",
            hint=f"the smallest that works for these probes is --max-tokens {least[hungriest]}",
        )


def run(
    probes: Sequence[Probe],
    target: Target,
    chosen: Selection | None = None,
    *,
    retries: int = 0,
    why_missing: Callable[[str], str | None] = lambda _label: None,
) -> Iterator[Outcome]:
    """One outcome per probe, as soon as it is known. A failed probe is tried `retries` times more.

    why_missing: of a recording that is judged again, why it lacks what was asked under a label. Then nothing can be
    said of the service: neither that it failed, nor that it refused what should be refused.
    """
    for probe in probes:
        why_not = (chosen or Selection()).why_left_out(probe) or why_impossible(probe, target)
        outcome = _skip(probe, why_not) if why_not else _tried(probe, target, retries)
        missing = next(filter(None, (why_missing(f"{probe.id}#{at}") for at in range(1, outcome.attempts + 1))), None)
        yield _skip(probe, missing) if missing else outcome


def interrupted(probes: Sequence[Probe], outcomes: Collection[Outcome]) -> tuple[Outcome, ...]:
    """The outcomes of those that a run did not come to."""
    done = {outcome.id for outcome in outcomes}
    return tuple(_skip(probe, "the run was interrupted before it") for probe in probes if probe.id not in done)


def not_run(probes: Sequence[Probe], why: str, chosen: Selection) -> tuple[Outcome, ...]:
    """The outcomes when no probe could be asked."""
    return tuple(_skip(probe, chosen.why_left_out(probe) or why) for probe in probes)


def is_left_out(outcome: Outcome) -> bool:
    """Whether nobody wanted it, as opposed to a probe that could not run."""
    return outcome.verdict == "skip" and outcome.message.startswith(LEFT_OUT)


def why_impossible(probe: Probe, target: Target) -> str | None:
    """The reason why a probe would mean nothing here."""
    missing = {
        "key": None if target.client.endpoint.api_key else "the run has no API key (ERNIE_DEPLOY_API_KEY)",
        "metrics": None if target.metrics else "it is not known where metrics are served (--metrics-url)",
        "length": None if target.max_model_len else "nobody says how long a request may be (--max-model-len)",
    }
    why = next((reason for need in probe.needs if (reason := missing.get(need))), None)
    # The simulator answers from the grammar itself; only the checkpoint has to learn it.
    if why is None and target.profile == "rehearsal" and not target.is_simulated:
        why = why_not_learnt(probe.id, abilities())
    return why


def why_failed(outcomes: Sequence[Outcome], fail_on: Collection[str] = ()) -> str | None:
    """The reason why the run as a whole is a failure, None when it is a success. A failed probe always fails it."""
    counted: tuple[Verdict, ...] = ("fail", "unsupported", "skip")
    for verdict in (known for known in counted if known in {"fail", *fail_on}):
        named = [outcome.id for outcome in outcomes if outcome.verdict == verdict]
        if named:
            what = {"fail": "failed", "unsupported": "are unsupported", "skip": "did not run"}[verdict]
            return f"{len(named)} of {len(outcomes)} probes {what}: {', '.join(named)}"
    if not any(outcome.verdict == "pass" for outcome in outcomes):
        return "nothing was proved: no probe passed"
    return None


def _tried(probe: Probe, target: Target, retries: int) -> Outcome:
    outcome = _attempt(probe, target, 1)
    while outcome.verdict == "fail" and outcome.attempts <= retries:
        again = _attempt(probe, target, outcome.attempts + 1)
        message = f"{again.message} (attempt {again.attempts}; before: {outcome.message})"
        outcome = msgspec.structs.replace(again, message=message)
    return outcome


def _attempt(probe: Probe, target: Target, attempt: int) -> Outcome:
    started = target.now()
    asked = target.for_probe(probe.id, probe.limit_s(target.timeout_s), attempt)
    try:
        found = probe.judge(asked)
    except DeployError as error:
        details: dict[str, object] = {"details": error.details} if error.details else {}
        found = failed(error.message, hint=error.hint, evidence=details)
    seconds = round(target.now() - started, 3)
    return _without_key(_outcome(probe, _honest(found, asked.log), asked.log, seconds, attempt), target.client.hidden)


def _honest(found: Judgement, log: Log) -> Judgement:
    """A pass must rest on an answer: nothing is proved by a probe that asked nothing."""
    if found.verdict == "pass" and not any(exchange.status is not None for exchange in log.exchanges):
        return failed(f"this is no pass, because nothing was asked: {found.message}", hint="report this as a bug")
    return found


def _outcome(probe: Probe, found: Judgement, log: Log, seconds: float, attempt: int) -> Outcome:
    return Outcome(
        id=probe.id,
        title=probe.title,
        verdict=found.verdict,
        message=found.message,
        hint=found.hint,
        reference=found.reference,
        seconds=seconds,
        evidence=found.evidence,
        tier=probe.tier,
        attempts=attempt,
        exchanges=tuple(log.exchanges),
        pictures=tuple(log.pictures),
        boxes=found.boxes,
    )


def _without_key(outcome: Outcome, hidden: Hidden) -> Outcome:
    """Only now, when it is judged: a key that is an ordinary word would change what was answered."""
    return msgspec.structs.replace(
        outcome,
        message=hidden.text(outcome.message),
        hint=hidden.text(outcome.hint),
        evidence={hidden.text(name): hidden.value(value) for name, value in outcome.evidence.items()},
        exchanges=tuple(_exchange_without_key(exchange, hidden) for exchange in outcome.exchanges),
        boxes=tuple(msgspec.structs.replace(box, label=hidden.text(box.label)) for box in outcome.boxes),
    )


def _exchange_without_key(exchange: Exchange, hidden: Hidden) -> Exchange:
    return msgspec.structs.replace(
        exchange,
        path=hidden.text(exchange.path),
        request=hidden.value(exchange.request),
        answer=hidden.value(exchange.answer),
        error=hidden.text(exchange.error),
    )


def _skip(probe: Probe, why: str) -> Outcome:
    return Outcome(probe.id, probe.title, "skip", why, tier=probe.tier)
