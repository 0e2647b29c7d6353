"""Start, wait, and what to do when it fails: name the cause, apply a known remedy once, stop what was started."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from typing import get_args

import msgspec

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import restart_command
from ernie_deploy.cli.stages import Planned, name_flag, resolved
from ernie_deploy.diagnose.explain import Diagnosis, diagnose, signature_of
from ernie_deploy.diagnose.signatures import Signature
from ernie_deploy.engines.acknowledge import shown_command
from ernie_deploy.engines.base import Launch, shown
from ernie_deploy.engines.registry import ENGINES
from ernie_deploy.engines.start_script import pasteable
from ernie_deploy.errors import EngineError, PreflightError, UsageError, UserInterruptError
from ernie_deploy.facts.values import Facts
from ernie_deploy.plan.layers import Layer
from ernie_deploy.plan.values import Plan, ReadyWhen, Setting
from ernie_deploy.redact import Redactor
from ernie_deploy.serve import failures
from ernie_deploy.serve.boots import Left, plan_key
from ernie_deploy.serve.down import take_down
from ernie_deploy.serve.journal import last_words, run_logs
from ernie_deploy.serve.proofs import wanted
from ernie_deploy.serve.readiness import Ended, Patience, Progress
from ernie_deploy.serve.service import Service, address_of
from ernie_deploy.serve.state import Store
from ernie_deploy.serve.up import Standing, engine_logs, is_answered_by_us, stand_up, wait_for
from ernie_deploy.spec.load import decode

# The time left is an estimate: less than this is not announced.
WORTH_A_WORD_S = 2.0


def bring_up(made: Planned, store: Store, *, wait: bool = True) -> tuple[Planned, Standing, Ended | None]:
    """Stand the deployment up and wait until it answers; the caller holds the lock. No Ended when not waiting.

    A failure whose remedy is known is tried again once, with that remedy, and said aloud. Raises EngineError with the
    last words and the cause, if known; UserInterruptError on Ctrl-C. What was started here is stopped again then.
    """
    made = _with_the_remedies_of(store, made)
    key = plan_key(made.plan)
    failed = failures.recent(store.directory, key)
    if failed >= failures.MANY:
        where = f"ernie-deploy logs{name_flag(made.plan)}; those of earlier starts: {store.logs}"
        ui.say(f"this plan failed to start {failed} times within the last hour; see why: {where}")
    standing, ended = _once(made, store, wait=wait)
    if ended and ended.problem:
        known = _cause(made.launch, store)
        if known and known.remedy and not _has(made.plan, known.remedy):
            changes = ", ".join(f"--{key.replace('_', '-')} {value}" for key, value in known.remedy.items())
            ui.say(f"{known.cause}: trying once more with {changes}")
            made = _remedied(made, known)
            standing, ended = _once(made, store, wait=wait)
    if ended and ended.problem:
        failures.note(store.directory, key)
        raise failure(made.plan, made.launch, store, ended.problem)
    if ended:
        failures.forget(store.directory, key)
    return made, standing, ended


def wait_until_ready(plan: Plan, store: Store, standing: Standing, facts: Facts | None = None) -> Ended:
    """Wait for a standing deployment, with the plan's patience, telling each stage and what could not be shown.

    With the `facts` of a plan that was started here, its own memory report is learnt.
    """
    launch = standing.run.launch
    patience = Patience(plan.ready_timeout_s.value, plan.no_progress_s.value)
    # The waiting itself decides when silence has lasted too long; the request for a token must outlast it.
    address = address_of(launch, os.environ, read_s=patience.total_s)
    needed = wanted(plan)
    service = Service(
        address,
        token_timeout_s=patience.total_s,
        is_ours=lambda: is_answered_by_us(launch, store),
        wanted=needed,
    )
    ended = wait_for(standing, store, ENGINES[launch.engine].STAGES, service, patience, _tell, facts=facts)
    ended = ended._replace(notes=(*needed.notes, *ended.notes))
    if not ended.problem:
        for note in ended.notes:
            ui.say(f"{ended.after_s:7.1f} s  note: {note}")
    return ended


def _tell(progress: Progress, left: Left | None) -> None:
    percent = "" if progress.percent is None else f" {progress.percent} %"
    ui.say(f"{progress.after_s:7.1f} s  {progress.stage}{percent}{_in_words(left)}")


def _in_words(left: Left | None) -> str:
    """`, about 38 s left (3 earlier boots)`; nothing when it is not known or hardly worth a word."""
    if left is None or left.seconds < WORTH_A_WORD_S:
        return ""
    boots = "1 earlier boot" if left.boots == 1 else f"{left.boots} earlier boots"
    about = f"{left.seconds:.0f} s" if left.seconds < 120 else f"{left.seconds / 60:.0f} min"
    return f", about {about} left ({boots})"


@contextlib.contextmanager
def stopped_when_interrupted(plan: Plan, store: Store) -> Iterator[None]:
    """Around a start and what follows it: also an interrupt that strikes between two steps stops what was started."""
    was_there = store.leader() is not None
    try:
        yield
    except KeyboardInterrupt:
        raise _interrupted(plan, store, None, was_there=was_there) from None


def _interrupted(
    plan: Plan, store: Store, engine: "subprocess.Popen[bytes] | None", *, was_there: bool
) -> UserInterruptError:
    """Stop what was started here, and nothing that was there before."""
    if was_there:
        return UserInterruptError(f"interrupted; {plan.name!r} was there before and goes on")
    ui.say("interrupted: stopping what was started (Ctrl-C again to kill it)")
    stopped = take_down(store, grace_s=plan.stop_grace_s.value, engine=engine)
    return UserInterruptError(f"interrupted; stopped {ui.processes(stopped.found)}")


def _once(made: Planned, store: Store, *, wait: bool) -> tuple[Standing, Ended | None]:
    is_adopted = store.leader() is not None
    engine: subprocess.Popen[bytes] | None = None
    try:
        standing = stand_up(made.plan, made.launch, store, os.environ, replace_with=restart_command(made.asked))
        engine = standing.engine
        if standing.leftovers:
            ui.say(f"stopped {ui.processes(standing.leftovers)} that an earlier run had left behind")
        if standing.removed:
            ui.say(f"removed {ui.objects(standing.removed)} that an earlier run had left behind")
        ended = wait_until_ready(_as_proven(made.plan, standing), store, standing, made.facts) if wait else None
    except KeyboardInterrupt:
        raise _interrupted(made.plan, store, engine, was_there=is_adopted) from None
    except PreflightError:
        # The disk was full just when readiness was to be put on record.
        if engine:
            take_down(store, grace_s=made.plan.stop_grace_s.value, engine=engine)
        raise
    if ended and ended.problem:
        # Said before anything is stopped: workers that cling on must not delay the news.
        ui.say(f"{ended.after_s:7.1f} s  {ended.problem}")
    # A service that somebody else started and that is merely slow to answer is not ours to stop.
    if ended and ended.problem and (ended.exited or not is_adopted):
        take_down(store, grace_s=made.plan.stop_grace_s.value, engine=engine)
    return standing, ended


def _as_proven(plan: Plan, standing: Standing) -> Plan:
    """What has shown all it must before only shows that it is still alive."""
    if standing.run.phase != "ready":
        return plan
    return ready_when(plan, "text", "it was ready before; a token shows that it still is")


def ready_when(plan: Plan, level: ReadyWhen, why: str) -> Plan:
    """The plan with another demand on readiness."""
    changed = msgspec.structs.replace(plan.ready_when, value=level, why=why)
    return msgspec.structs.replace(plan, ready_when=changed)


def level(flag: str, word: str | None) -> ReadyWhen | None:
    """A demand on readiness as a flag gave it. Raises UsageError for another word."""
    if word is None:
        return None
    found: list[ReadyWhen] = [one for one in get_args(ReadyWhen) if one == word]
    if not found:
        raise UsageError(f"{flag}: expected one of {', '.join(get_args(ReadyWhen))}, got {word!r}")
    return found[0]


def proven(plan: Plan, ended: Ended) -> str:
    """What a service that is ready has shown."""
    if ended.notes:
        return "it generated a token"
    needed = wanted(plan)
    tokens = "a token, and one about a picture" if needed.image else "a token"
    return f"it generated {tokens}" + ("; thinking and answer come apart" if needed.thinking else "")


def shown_stages(ended: Ended) -> dict[str, object]:
    """What JSON says of a wait: each stage with its moment, and what could not be shown."""
    stages = [{"stage": one.stage, "after_s": round(one.after_s, 2)} for one in ended.stages]
    return {"stages": stages, "notes": ended.notes}


def failure(plan: Plan, launch: Launch, store: Store, problem: str) -> EngineError:
    """A failed start with its last words and, if known, its cause, what cures it and where it stands."""
    words = Redactor().log(last_words(engine_logs(launch, store)))
    found = _diagnosis(launch, store).finding
    if found is None:
        flag = name_flag(plan)
        hint = f"the whole log: ernie-deploy logs{flag}; to have it looked at: ernie-deploy support-bundle{flag}"
        return EngineError(problem, hint=hint, details=words)
    line = f"--- {found.confidence}: {found.evidence.file}:{found.evidence.line}\n{found.evidence.text}"
    surely = "" if found.confidence == "certain" else f"{found.confidence} "
    return EngineError(
        f"{problem}: {surely}{found.cause}", hint=found.fix, details="\n".join(filter(None, (words, line)))
    )


def _diagnosis(launch: Launch, store: Store) -> Diagnosis:
    return diagnose(run_logs(store.logs), engine=launch.engine)


def _cause(launch: Launch, store: Store) -> Signature | None:
    """What the logs leave no doubt about: only that is mended without asking."""
    found = _diagnosis(launch, store).finding
    return signature_of(found) if found and found.confidence == "certain" else None


def _with_the_remedies_of(store: Store, made: Planned) -> Planned:
    """What had to be changed for the run that is up holds for this plan too; without it the two would differ."""
    run = store.read()
    if run is None or store.leader() is None:
        return made
    settings = {key: getattr(run.plan, key) for key in Plan.__struct_fields__}
    found = {key: one for key, one in settings.items() if isinstance(one, Setting) and one.source == "remedy"}
    if not found:
        return made
    spec = decode({key: one.value for key, one in found.items()}, "the run on record")
    layer = Layer("remedy", "remedy", spec, {key: one.why for key, one in found.items()})
    return resolved((layer, *made.layers), made.facts, made.asked)


def _has(plan: Plan, remedy: dict[str, float]) -> bool:
    return all(getattr(plan, key).value == value for key, value in remedy.items())


def _remedied(made: Planned, known: Signature) -> Planned:
    reasons = dict.fromkeys(known.remedy, f"the documented remedy: {known.cause}")
    layer = Layer("remedy", "remedy", decode(known.remedy, f"remedy {known.id}"), reasons)
    return resolved((layer, *made.layers), made.facts, made.asked)


def show_launch(made: Planned, *, as_json: bool) -> None:
    """What a dry run prints: the command that would run."""
    if as_json:
        ui.json({"name": made.plan.name, "launch": shown(made.launch)})
    else:
        ui.out(shown_command(made.plan, pasteable(made.launch)))


def standing_of(store: Store) -> Standing | None:
    """What is on record as running; None when nothing is."""
    run = store.read()
    return Standing(run, None) if run and store.leader() else None
