"""Start, wait, and what to do when it fails: name the cause, apply a known remedy once, stop what was started."""

import os
import subprocess

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import restart_command
from ernie_deploy.cli.stages import Planned, name_flag, resolved
from ernie_deploy.diagnose.explain import Signature, explain
from ernie_deploy.engines.base import Launch
from ernie_deploy.engines.registry import ENGINES
from ernie_deploy.engines.start_script import pasteable
from ernie_deploy.errors import EngineError, UserInterruptError
from ernie_deploy.plan.layers import Layer
from ernie_deploy.plan.values import Plan, Setting
from ernie_deploy.serve.down import take_down
from ernie_deploy.serve.journal import last_words, text_of
from ernie_deploy.serve.readiness import Ended, Patience, Progress
from ernie_deploy.serve.service import Service, address_of
from ernie_deploy.serve.state import Store
from ernie_deploy.serve.up import Standing, engine_logs, is_answered_by_us, stand_up, wait_for
from ernie_deploy.spec.load import decode


def bring_up(made: Planned, store: Store, *, wait: bool = True) -> tuple[Planned, Standing, Ended | None]:
    """Stand the deployment up and wait until it answers; the caller holds the lock. No Ended when not waiting.

    A failure whose remedy is known is tried again once, with that remedy, and said aloud. Raises EngineError with the
    last words and the cause, if known; UserInterruptError on Ctrl-C. What was started here is stopped again then.
    """
    made = _with_the_remedies_of(store, made)
    standing, ended = _once(made, store, wait=wait)
    if ended and ended.problem:
        known = _cause(made.launch, store)
        if known and known.remedy and not _has(made.plan, known.remedy):
            changes = ", ".join(f"--{key.replace('_', '-')} {value}" for key, value in known.remedy.items())
            ui.say(f"{known.cause}: trying once more with {changes}")
            made = _remedied(made, known)
            standing, ended = _once(made, store, wait=wait)
    if ended and ended.problem:
        raise failure(made.plan, made.launch, store, ended.problem)
    return made, standing, ended


def wait_until_ready(plan: Plan, store: Store, standing: Standing) -> Ended:
    """Wait for a standing deployment, with the plan's patience, telling each stage."""
    launch = standing.run.launch
    patience = Patience(plan.ready_timeout_s.value, plan.no_progress_s.value)
    # The waiting itself decides when silence has lasted too long; the request for a token must outlast it.
    address = address_of(launch, os.environ, read_s=patience.total_s)
    service = Service(address, token_timeout_s=patience.total_s, is_ours=lambda: is_answered_by_us(launch, store))
    return wait_for(standing, store, ENGINES[launch.engine].STAGES, service, patience, _tell)


def _tell(progress: Progress) -> None:
    ui.say(f"{progress.after_s:7.1f} s  {progress.stage}")


def _once(made: Planned, store: Store, *, wait: bool) -> tuple[Standing, Ended | None]:
    is_adopted = store.leader() is not None
    engine: subprocess.Popen[bytes] | None = None
    try:
        standing = stand_up(made.plan, made.launch, store, os.environ, replace_with=restart_command(made.asked))
        engine = standing.engine
        if standing.leftovers:
            ui.say(f"stopped {ui.processes(standing.leftovers)} that an earlier run had left behind")
        ended = wait_until_ready(made.plan, store, standing) if wait else None
    except KeyboardInterrupt:
        if is_adopted:
            raise UserInterruptError(f"interrupted; {made.plan.name!r} was there before and goes on") from None
        ui.say("interrupted: stopping what was started (Ctrl-C again to kill it)")
        stopped = take_down(store, grace_s=made.plan.stop_grace_s.value, engine=engine)
        raise UserInterruptError(f"interrupted; stopped {ui.processes(stopped.found)}") from None
    if ended and ended.problem:
        # Said before anything is stopped: workers that cling on must not delay the news.
        ui.say(f"{ended.after_s:7.1f} s  {ended.problem}")
    # A service that somebody else started and that is merely slow to answer is not ours to stop.
    if ended and ended.problem and (ended.exited or not is_adopted):
        take_down(store, grace_s=made.plan.stop_grace_s.value, engine=engine)
    return standing, ended


def failure(plan: Plan, launch: Launch, store: Store, problem: str) -> EngineError:
    """A failed start with its last words and, if known, its cause and what cures it."""
    words = last_words(engine_logs(launch, store))
    known = _cause(launch, store)
    if known:
        return EngineError(f"{problem}: {known.cause}", hint=known.fix, details=words)
    return EngineError(problem, hint=f"the whole log: ernie-deploy logs{name_flag(plan)}", details=words)


def _cause(launch: Launch, store: Store) -> Signature | None:
    return explain(text_of(engine_logs(launch, store)), launch.engine)


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
        ui.json({"name": made.plan.name, "launch": made.launch})
    else:
        ui.out(pasteable(made.launch))


def standing_of(store: Store) -> Standing | None:
    """What is on record as running; None when nothing is."""
    run = store.read()
    return Standing(run, None) if run and store.leader() else None
