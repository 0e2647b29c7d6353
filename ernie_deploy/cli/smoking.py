"""Running the smoke probes: against a deployment, an address, or a recording."""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec

from ernie_deploy import __version__, report
from ernie_deploy.cli import reporting, ui
from ernie_deploy.cli.asking import address
from ernie_deploy.cli.stages import named, store_of
from ernie_deploy.client import Client, Endpoint
from ernie_deploy.client.http import http_wire
from ernie_deploy.client.recorded import KEY_OF_A_REPLAY, Told
from ernie_deploy.client.recording import Recorder
from ernie_deploy.client.replay import open_recording
from ernie_deploy.client.wire import Wire
from ernie_deploy.engines.base import Launch
from ernie_deploy.errors import DeployError, EngineError, UsageError, VerifyError
from ernie_deploy.plan.values import Plan
from ernie_deploy.serve.service import metrics_elsewhere
from ernie_deploy.smoke.base import Tier
from ernie_deploy.smoke.detect import detect, expected_of, is_simulated, longest_request, metrics_beside
from ernie_deploy.smoke.practised import seed_for
from ernie_deploy.smoke.registry import PROBES
from ernie_deploy.smoke.run import interrupted, not_run, require_budget, run, select
from ernie_deploy.smoke.target import Profile, Target

Word = TypeVar("Word", bound=str)

TOOL = "ernie-deploy smoke"
SERVICE = "service"
"""The case of a report that stands for the service as a whole, when no probe could be asked."""


class Wanted(NamedTuple):
    """How to probe, and what is known of the service. What is None or 0 is found out or left to the profile."""

    expect: Profile | None = None
    tier: Tier = "full"
    only: Collection[str] = ()
    skip: Collection[str] = ()
    seed: int | None = None
    max_tokens: int = 0
    timeout_s: float | None = None
    retries: int = 0
    metrics_url: str | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None


KEPT = tuple(name for name in Wanted._fields if name in Told.__struct_fields__)
"""What a recording keeps of it under the same name."""


ASKED_WITH = {
    "--max-tokens": "max_tokens",
    "--timeout": "timeout_s",
    "--retries": "retries",
    "--metrics-url": "metrics_url",
    "--max-model-len": "max_model_len",
    "--max-num-seqs": "max_num_seqs",
}
"""The flags that say how to ask, and what of Wanted each is."""


class Probed(NamedTuple):
    """What was found, who wrote it down, if anybody did, and why no probe was asked, where that is so."""

    report: report.Report
    recorder: Recorder | None = None
    why_not: DeployError | None = None


def one_of(flag: str, asked: str, known: tuple[Word, ...]) -> Word:
    """The word among those that are known. Raises UsageError."""
    found = [word for word in known if word == asked]
    if not found:
        raise UsageError(f"{flag} {asked}: there is no such word", hint=f"{flag} {' or '.join(known)}")
    return found[0]


def profile(asked: str | None) -> Profile | None:
    """The profile of that name; None leaves it to the model that answers."""
    return None if asked is None else one_of("--expect", asked, get_args(Profile))


def tier(asked: str) -> Tier:
    return one_of("--tier", asked, get_args(Tier))


def verdicts(asked: Collection[str]) -> tuple[report.Verdict, ...]:
    """What --fail-on names, beside a failure."""
    known: tuple[report.Verdict, ...] = ("fail", "unsupported", "skip")
    return tuple(one_of("--fail-on", word, known) for word in asked)


def list_probes(*, as_json: bool) -> None:
    rows = [(one.id, one.tier, ", ".join(one.needs), one.title) for one in PROBES]
    ui.listing(("probe", "tier", "needs", "what a pass proves"), rows, as_json=as_json)


def probe_service(
    name: str | None, url: str | None, model: str | None, cacert: Path | None, wanted: Wanted, record: Path | None
) -> Probed:
    """Probe the deployed service, or the one at `url`. When it cannot be asked, the report says so: a pipeline that
    keeps only the report must not take it for one that did not fail.
    """
    try:
        return _probe_service(name, url, model, cacert, wanted, record)
    except (EngineError, VerifyError) as error:
        case = report.Case(SERVICE, "the service can be asked", "fail", error.message, error.hint, tier="fast")
        chosen = select(PROBES, tier=wanted.tier, only=wanted.only, skip=wanted.skip)
        cases = (case, *not_run(PROBES, "the service could not be asked", chosen))
        return Probed(_unasked(url or named(name), model, wanted, cases), why_not=error)
    except KeyboardInterrupt:
        found = _unasked(url or named(name), model, wanted, interrupted(PROBES, ()))
        return Probed(msgspec.structs.replace(found, was_interrupted=True))


def _unasked(where: str, model: str | None, wanted: Wanted, cases: tuple[report.Case, ...]) -> report.Report:
    """The report of a run that came to no probe."""
    return report.Report(
        TOOL,
        __version__,
        where,
        "unknown",
        model or "",
        cases,
        now_in_utc(),
        seed=wanted.seed,
        profile=wanted.expect or "",
        tier=wanted.tier,
    )


def _probe_service(
    name: str | None, url: str | None, model: str | None, cacert: Path | None, wanted: Wanted, record: Path | None
) -> Probed:
    """What a deployment knows of itself need not be said."""
    found = address(name, url, model, cacert)
    deployed = None if url else store_of(named(name)).read()
    known = known_of(deployed.launch, deployed.plan, wanted) if deployed else wanted
    told = with_seed(known._replace(expect=wanted.expect or expected_of(found)))
    if record is None:
        return Probed(probe(found, told))
    recorder = Recorder(record, as_told(told, found), found.api_key)
    try:
        return Probed(probe(found, told, lambda endpoint: recorder.around(http_wire(endpoint))), recorder)
    finally:
        recorder.close()


def judge_again(folder: Path, wanted: Wanted, other: Mapping[str, object]) -> Probed:
    """Judge a recording as it was asked, or a part of it: fewer probes, nothing else. Raises UsageError."""
    asked = {flag: getattr(wanted, name) or None for flag, name in ASKED_WITH.items()}
    given = [flag for flag, value in {**other, **asked, "--seed": wanted.seed}.items() if value is not None]
    if given:
        raise UsageError(
            f"--replay asks nobody, so {given[0]} means nothing",
            hint=f"leave out {given[0]}: it is judged as it was asked then",
        )
    recording = open_recording(folder)
    if wanted.expect and wanted.expect != recording.told.profile:
        raise UsageError(
            f"--expect {wanted.expect}: {folder} was recorded with --expect {recording.told.profile}",
            hint="another profile asks otherwise; record again with it",
        )
    for warning in recording.warnings:
        ui.say(f"warning: {warning}")
    told = recording.told
    ui.say(f"judging again what {told.base_url} answered at {told.started}; nobody is asked")
    as_then: dict[str, Any] = {name: getattr(told, name) for name in KEPT}
    again = Wanted(**as_then)._replace(
        expect=profile(told.profile),
        tier="fast" if wanted.tier == "fast" else tier(told.tier),
        only=wanted.only or told.only,
        skip=(*told.skip, *wanted.skip),
    )
    key = KEY_OF_A_REPLAY if told.has_key else ""
    endpoint = Endpoint(told.base_url, told.model, key)
    found = probe(
        endpoint, again, lambda _endpoint: recording.wire, now=recording.now, why_missing=recording.why_missing
    )
    # What was found is as old as the recording; a report of today would say that the service is like this today.
    return Probed(msgspec.structs.replace(found, created=told.started))


def with_seed(wanted: Wanted) -> Wanted:
    """With a seed where none was asked for."""
    if wanted.seed is not None:
        return wanted
    return wanted._replace(seed=seed_for(wanted.expect or "model"))


def as_told(wanted: Wanted, found: Endpoint) -> Told:
    kept: dict[str, Any] = {name: getattr(wanted, name) for name in KEPT}
    return Told(
        **kept | {"only": tuple(wanted.only), "skip": tuple(wanted.skip)},
        version=__version__,
        base_url=found.base_url,
        model=found.model,
        profile=wanted.expect or "",
        has_key=bool(found.api_key),
        started=now_in_utc(),
    )


def known_of(launch: Launch, plan: Plan, wanted: Wanted) -> Wanted:
    """With what a deployment says of itself, where nothing else was said."""
    return wanted._replace(
        metrics_url=wanted.metrics_url or metrics_elsewhere(launch),
        max_model_len=wanted.max_model_len or plan.max_model_len.value,
        max_num_seqs=wanted.max_num_seqs or plan.max_num_seqs.value,
    )


def probe(
    found: Endpoint,
    wanted: Wanted,
    wire_of: Callable[[Endpoint], Wire] = http_wire,
    *,
    now: Callable[[], float] = time.monotonic,
    why_missing: Callable[[str], str | None] = lambda _label: None,
) -> report.Report:
    """Run the probes against an address.

    What was found is not lost on Ctrl-C: the probes that it did not come to are shown as not run.
    """
    wanted = with_seed(wanted)
    seed, expect = wanted.seed or 0, wanted.expect or "model"
    chosen = select(PROBES, tier=wanted.tier, only=wanted.only, skip=wanted.skip)
    require_budget(PROBES, chosen, expect, wanted.max_tokens)
    ui.say(f"expecting {expect}; pictures are drawn with --seed {seed}")
    with Client(found, wire=wire_of(found), label="look") as client, contextlib.ExitStack() as opened:
        engine = detect(client)
        simulated = is_simulated(client)
        if simulated:
            ui.say(f"{engine} is SIMULATED here: no engine and no model answer")
        target = Target(
            client,
            engine,
            expect,
            seed,
            max_tokens=wanted.max_tokens,
            timeout_s=wanted.timeout_s,
            max_model_len=wanted.max_model_len or longest_request(client),
            max_num_seqs=wanted.max_num_seqs,
            metrics=metrics_of(client, wanted.metrics_url, wire_of, opened),
            is_simulated=simulated,
            now=now,
        )
        cases: list[report.Case] = []
        was_interrupted = False
        try:
            for case in run(PROBES, target, chosen, retries=wanted.retries, why_missing=why_missing):
                cases.append(case)
                ui.progress(f"{len(cases)} of {len(PROBES)}  {case.verdict:<11} {case.id}")
        except KeyboardInterrupt:
            was_interrupted = True
            cases += interrupted(PROBES, cases)
    told = f"{engine} (simulated)" if simulated else engine
    return report.Report(
        TOOL,
        __version__,
        found.base_url,
        told,
        found.model,
        tuple(cases),
        now_in_utc(),
        seed=seed,
        profile=expect,
        tier=wanted.tier,
        is_simulated=simulated,
        was_interrupted=was_interrupted,
    )


def now_in_utc() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def metrics_of(
    client: Client, url: str | None, wire_of: Callable[[Endpoint], Wire], opened: contextlib.ExitStack
) -> Client | None:
    """Whoever serves the metrics: the address that was named, or the service itself when it has some."""
    if url is None:
        return metrics_beside(client)
    elsewhere = Endpoint(url)
    try:
        return opened.enter_context(Client(elsewhere, wire=wire_of(elsewhere)))
    except UsageError as error:
        raise UsageError(f"--metrics-url: {error.message}", hint=error.hint) from None


def show_probed(probed: Probed, *, as_json: bool) -> None:
    """As `show`; when no probe was asked, the error that follows says more than a table of skips."""
    if as_json or probed.why_not is None:
        reporting.show(probed.report, as_json=as_json)


def require_asked(probed: Probed) -> None:
    """Raise what kept the probes from being asked."""
    if probed.why_not:
        raise probed.why_not
