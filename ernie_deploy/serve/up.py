"""Bring a deployment up: adopt what already runs, refuse what runs differently, clear leftovers, start, wait.

The caller holds the store's lock during all of it.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from ernie_deploy import process
from ernie_deploy.engines.base import Launch, Stage
from ernie_deploy.errors import PreflightError, UserInterruptError
from ernie_deploy.facts.collect import collect_gpu, collect_listeners
from ernie_deploy.facts.values import Facts, GpuFacts
from ernie_deploy.plan.secrets import shown
from ernie_deploy.plan.values import Plan, Setting
from ernie_deploy.process import Identity
from ernie_deploy.serve import boots, calibrations
from ernie_deploy.serve.boots import Left
from ernie_deploy.serve.interrupts import interrupts
from ernie_deploy.serve.journal import Tail
from ernie_deploy.serve.launch import start
from ernie_deploy.serve.leftovers import sweep
from ernie_deploy.serve.readiness import Ended, Endpoint, Patience, Progress, wait_until_ready
from ernie_deploy.serve.state import Run, Store

# How often a start is looked over for new processes.
LOOK_S = 0.5


class Standing(NamedTuple):
    """An engine that is there: started just now (`engine` is its process), or found running (`engine` is None).

    `cards` are as they were just before it was started; None when nobody looked.
    """

    run: Run
    engine: subprocess.Popen[bytes] | None
    leftovers: int = 0
    removed: tuple[str, ...] = ()
    cards: GpuFacts | None = None


def stand_up(plan: Plan, launch: Launch, store: Store, environ: Mapping[str, str], *, replace_with: str) -> Standing:
    """Find the same deployment running, or start it. Leftovers of a dead run are stopped first: they hold the card.

    Raises PreflightError when the same name runs with another plan; `replace_with` is the command that replaces it.
    """
    run = store.read()
    if run and store.leader():
        different = differences(run, plan, launch)
        if different:
            raise PreflightError(
                f"{plan.name!r} already runs with another plan: " + "; ".join(different),
                hint=f"replace it with: {replace_with}",
            )
        return Standing(run, None)
    leftovers, removed = _clear(plan, launch, store)
    # The facts of the plan may be from before an earlier run was stopped: now all that is used is used by others.
    cards = collect_gpu() if plan.device.value == "cuda" else None
    engine = start(plan, launch, store, environ)
    started = store.read()
    return Standing(started or Run(plan, launch, "starting", time.time()), engine, leftovers, removed, cards)


def _clear(plan: Plan, launch: Launch, store: Store) -> tuple[int, tuple[str, ...]]:
    """Stop what an earlier run has left behind, and count it; then remove what nobody uses any more in shared memory,
    of that run and under the names that this one is about to take.

    Behind a record that cannot be read a healthy service may be running: that is for a person to end.
    """
    if store.is_damaged() and store.family():
        raise PreflightError(
            f"the record of {plan.name!r} is damaged, and processes of it are running",
            hint=f"stop them with: ernie-deploy down --name {plan.name}",
        )
    with interrupts.held():
        store.observed()
        stopped = process.stop(
            None, store.family, grace_s=plan.stop_grace_s.value, is_in_a_hurry=lambda: interrupts.is_in_a_hurry
        )
    if stopped.left:
        raise PreflightError(
            f"processes of an earlier run cannot be stopped: {', '.join(map(str, stopped.left))}",
            hint="they hang in the kernel, most likely in the GPU driver; a reboot clears them",
        )
    if stopped.hurried:
        raise UserInterruptError("interrupted; leftovers of an earlier run are stopped, and nothing was started")
    run = store.read()
    return stopped.found, sweep(store.directory, (launch, *((run.launch,) if run else ())))


def differences(run: Run, plan: Plan, launch: Launch) -> tuple[str, ...]:
    """What a new plan changes in what runs; empty when the very same would be launched."""
    if run.launch == launch:
        return ()
    changed = []
    for key in Plan.__struct_fields__:
        before, after = getattr(run.plan, key), getattr(plan, key)
        if isinstance(before, Setting) and isinstance(after, Setting) and before.value != after.value:
            was, will_be = getattr(shown(run.plan), key).value, getattr(shown(plan), key).value
            changed.append(f"{key} {_short(was)} → {_short(will_be)}")
    return tuple(changed) or ("the command that would be launched is another one",)


def wait_for(
    standing: Standing,
    store: Store,
    stages: tuple[Stage, ...],
    endpoint: Endpoint,
    patience: Patience,
    observe: Callable[[Progress, Left | None], None],
    *,
    facts: Facts | None = None,
) -> Ended:
    """Wait for readiness and put it on record; `observe` is told each stage, and how much longer it took before.

    With `facts`, those of the plan, what the engine reports about memory is learnt for the next time.
    """
    watched = Watched(standing, store)
    key = boots.plan_key(standing.run.plan)
    earlier = boots.read(store.directory).get(key, ())

    def told(progress: Progress) -> None:
        observe(progress, boots.left(earlier, progress))

    ended = wait_until_ready(watched, endpoint, stages, patience, observe=told)
    # Only who saw it from its first moment knows how long the stages took.
    if not ended.problem and standing.engine:
        boots.remember(store.directory, key, boots.boot_of(ended.stages, ended.after_s))
    if not ended.problem:
        changes = {"phase": "ready", "members": store.observed(), "ready_after_s": ended.after_s}
        # Who only waits holds no lock: meanwhile the run may have been stopped, or replaced. So this comes last.
        run = store.read()
        if run and run.phase != "ready" and run.leader == standing.run.leader:
            store.write(msgspec.structs.replace(run, **changes))
    if not ended.problem and standing.engine and standing.cards and facts:
        before = msgspec.structs.replace(facts, gpu=standing.cards)
        calibrations.learn(store.directory.parent, standing.run.plan, before, store.logs)
    return ended


def is_answered_by_us(launch: Launch, store: Store) -> bool:
    """Whether who listens on the service's port is one of ours. Who cannot be seen is believed; a stranger is not."""
    number = launch.ports[0].number
    owners = {listener.pid for listener in collect_listeners() if listener.port == number}
    return None in owners or not owners or bool(owners & {one.pid for one in store.family()})


def engine_logs(launch: Launch, store: Store) -> tuple[Path, ...]:
    """The engine's output and, where it has them, its workers' logs, which hold the tracebacks."""
    directory = Path(launch.log_dir) if launch.log_dir else None
    workers = sorted([*directory.glob("workerlog.*"), *directory.glob("paddle/workerlog.*")]) if directory else []
    return (*workers, store.engine_log)


def worker_logs(launch: Launch) -> tuple[Path, ...]:
    """Where FastDeploy's workers tell how far they are, in either layout; the files need not be there yet."""
    names = ("workerlog.0", "paddle/workerlog.0", "worker_process.log", "gpu_worker.log")
    return tuple(Path(launch.log_dir) / name for name in names) if launch.log_dir else ()


class Watched:
    """The processes of a start, as `readiness.Starting` wants to see them."""

    def __init__(self, standing: Standing, store: Store) -> None:
        self._engine = standing.engine
        self._leader = standing.run.leader
        self._members: tuple[Identity, ...] = standing.run.members
        self._store = store
        # The stages of a start that came to its end long ago are no news.
        is_old = standing.run.phase == "ready"
        self._tails = [Tail(path, from_end=is_old) for path in (store.engine_log, *worker_logs(standing.run.launch))]
        self._looked_at = float("-inf")

    def how_it_ended(self) -> str | None:
        """Our own child has an exit code; of somebody else's we only see that it is gone."""
        self._look_around()
        if self._engine:
            code = self._engine.poll()
            if code is None:
                return None
            return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        return None if self._leader and process.is_alive(self._leader) else "it is gone"

    def new_lines(self) -> list[str]:
        """New lines of the engine's output and of its workers' logs."""
        return [line for tail in self._tails for line in tail.lines()]

    def bytes_read(self) -> int:
        """Bytes read by the whole family."""
        return process.bytes_read(self._members)

    def _look_around(self) -> None:
        """Write down who has appeared: once its parent is dead and its environment clean it is too late."""
        if time.monotonic() - self._looked_at > LOOK_S:
            self._members, self._looked_at = self._store.observed(), time.monotonic()


def reap(engine: subprocess.Popen[bytes] | None) -> None:
    """Collect the exit code of our child, so that it does not stay as a zombie."""
    if engine:
        engine.poll()


def _short(value: object) -> str:
    text = "engine default" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
