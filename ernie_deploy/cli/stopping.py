"""Stopping a deployment and proving that nothing of it is left."""

from typing import NamedTuple

from ernie_deploy.cli import ui
from ernie_deploy.errors import EngineError
from ernie_deploy.facts.collect import collect_gpu, collect_listeners
from ernie_deploy.process import command_of
from ernie_deploy.serve.down import interrupt_holder, take_down
from ernie_deploy.serve.state import Run, Store

# Enough for answers in flight when no record says how much they get.
DEFAULT_GRACE_S = 60.0


class Verified(NamedTuple):
    """What a stop found and what it left. `found` counts processes; the rest must be empty."""

    found: int
    killed: int
    interrupted: str | None
    processes_left: tuple[int, ...]
    ports_left: tuple[int, ...]
    gpu_memory_left: tuple[int, ...]

    def require_clean(self) -> None:
        """Raise EngineError when something of the deployment is still there."""
        if self.processes_left:
            pids = ", ".join(map(str, self.processes_left))
            raise EngineError(
                f"processes that cannot be stopped: {pids}",
                hint="they hang in the kernel, most likely in the GPU driver; a reboot clears them",
            )
        if self.gpu_memory_left:
            raise EngineError(f"GPU memory is still held by {', '.join(map(str, self.gpu_memory_left))}")


def stop(store: Store, grace_s: float | None) -> Verified:
    """Interrupt a command at work on it, stop everything, look at ports and cards afterwards."""
    run = store.read()
    if grace_s is None:
        grace_s = run.plan.stop_grace_s.value if run else DEFAULT_GRACE_S
    if store.is_damaged():
        ui.say(f"{store.directory}: the record is damaged; looking for processes by their token")
    before = {one.pid for one in store.family()}
    # Processes are found without a state directory too: somebody may have deleted it.
    if not before and not store.directory.exists():
        return Verified(0, 0, None, (), (), ())
    interrupted = interrupt_holder(store, grace_s=grace_s)
    with store.locked("down", only_stops=True):
        stopped = take_down(store, grace_s=grace_s)
    found = max(stopped.found, len(before))
    ports = _ports_left(run) if run and found else ()
    return Verified(found, stopped.killed, interrupted, stopped.left, ports, _gpu_left(before))


def report(name: str, stopped: Verified) -> str:
    """One line for people."""
    if not stopped.found:
        return f"{name!r} was not running"
    how = f", {stopped.killed} of them killed" if stopped.killed else ""
    first = f"interrupted `{stopped.interrupted}`; " if stopped.interrupted else ""
    ports = f"; port {stopped.ports_left[0]} is held by somebody else" if stopped.ports_left else ""
    return f"{first}stopped {ui.processes(stopped.found)}{how}; nothing of {name!r} is left{ports}"


def would_stop(store: Store, *, as_json: bool) -> None:
    """Say which processes a stop would end."""
    family = store.family()
    if as_json:
        ui.json({"would_stop": [{"pid": one.pid, "command": command_of(one.pid)} for one in family]})
        return
    for one in family:
        ui.out(f"would stop {one.pid}: {command_of(one.pid)}")
    if not family:
        ui.out("nothing runs")


def _ports_left(run: Run) -> tuple[int, ...]:
    ours = {port.number for port in run.launch.ports}
    return tuple(sorted({one.port for one in collect_listeners() if one.port in ours}))


def _gpu_left(pids: set[int]) -> tuple[int, ...]:
    """Only asked when something was stopped: without a card or a driver there is nothing to ask."""
    if not pids:
        return ()
    return tuple(sorted({tenant.pid for gpu in collect_gpu().gpus for tenant in gpu.tenants} & pids))
