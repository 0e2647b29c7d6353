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
from ernie_deploy.facts.collect import collect_listeners
from ernie_deploy.plan.values import Plan, Setting
from ernie_deploy.process import Identity
from ernie_deploy.serve.interrupts import interrupts
from ernie_deploy.serve.journal import Tail
from ernie_deploy.serve.launch import start
from ernie_deploy.serve.readiness import Ended, Endpoint, Patience, Progress, wait_until_ready
from ernie_deploy.serve.state import Run, Store


class Standing(NamedTuple):
    """An engine that is there: started just now (`engine` is its process), or found running (`engine` is None)."""

    run: Run
    engine: subprocess.Popen[bytes] | None
    leftovers: int = 0


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
    leftovers = _clear(plan, store)
    engine = start(plan, launch, store, environ)
    started = store.read()
    return Standing(started or Run(plan, launch, "starting", time.time()), engine, leftovers)


def _clear(plan: Plan, store: Store) -> int:
    """Stop what an earlier run has left behind, and count it.

    Behind a record that cannot be read a healthy service may be running: that is for a person to end.
    """
    if store.is_damaged() and store.family():
        raise PreflightError(
            f"the record of {plan.name!r} is damaged, and processes of it are running",
            hint=f"stop them with: ernie-deploy down --name {plan.name}",
        )
    with interrupts.held():
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
    return stopped.found


def differences(run: Run, plan: Plan, launch: Launch) -> tuple[str, ...]:
    """What a new plan changes in what runs; empty when the very same would be launched."""
    if run.launch == launch:
        return ()
    changed = []
    for key in Plan.__struct_fields__:
        before, after = getattr(run.plan, key), getattr(plan, key)
        if isinstance(before, Setting) and isinstance(after, Setting) and before.value != after.value:
            changed.append(f"{key} {_short(before.value)} → {_short(after.value)}")
    return tuple(changed) or ("the command that would be launched is another one",)


def wait_for(
    standing: Standing,
    store: Store,
    stages: tuple[Stage, ...],
    endpoint: Endpoint,
    patience: Patience,
    observe: Callable[[Progress], None],
) -> Ended:
    """Wait for readiness and put it on record."""
    watched = Watched(standing, store)
    ended = wait_until_ready(watched, endpoint, stages, patience, observe=observe)
    run = store.read()
    # Who only waits holds no lock: meanwhile the run may have been stopped, or replaced.
    if not ended.problem and run and run.phase != "ready" and run.leader == standing.run.leader:
        changes = {"phase": "ready", "members": store.family(), "ready_after_s": ended.after_s}
        store.write(msgspec.structs.replace(run, **changes))
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


class Watched:
    """The processes of a start, as `readiness.Starting` wants to see them."""

    def __init__(self, standing: Standing, store: Store) -> None:
        self._engine = standing.engine
        self._leader = standing.run.leader
        self._members: tuple[Identity, ...] = standing.run.members
        self._store = store
        # The stages of a start that came to its end long ago are no news.
        self._tail = Tail(store.engine_log, from_end=standing.run.phase == "ready")
        self._looked_at = float("-inf")

    def how_it_ended(self) -> str | None:
        """Our own child has an exit code; of somebody else's we only see that it is gone."""
        if self._engine:
            code = self._engine.poll()
            if code is None:
                return None
            return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        return None if self._leader and process.is_alive(self._leader) else "it is gone"

    def new_lines(self) -> list[str]:
        """New lines of the engine's output."""
        return self._tail.lines()

    def bytes_read(self) -> int:
        """Bytes read by the whole family; who belongs to it is looked up once a second."""
        if time.monotonic() - self._looked_at > 1.0:
            self._members, self._looked_at = self._store.family(), time.monotonic()
        return process.bytes_read(self._members)


def reap(engine: subprocess.Popen[bytes] | None) -> None:
    """Collect the exit code of our child, so that it does not stay as a zombie."""
    if engine:
        engine.poll()


def _short(value: object) -> str:
    text = "engine default" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
