"""Stopping a deployment and proving that nothing of it is left."""

import time
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import convert

from ernie_deploy.catalog.load import defaults
from ernie_deploy.cli import ui
from ernie_deploy.errors import EngineError
from ernie_deploy.facts.collect import collect_gpu, collect_listeners
from ernie_deploy.process import Identity, command_of, identify
from ernie_deploy.serve import sightings
from ernie_deploy.serve.down import interrupt_holder, take_down
from ernie_deploy.serve.state import Run, Store

# A driver may count the memory of a process for a moment longer than that lives.
GPU_PATIENCE_S = 1.0
GPU_POLL_S = 0.25


class Verified(NamedTuple):
    """What a stop found, what it removed and what it left. `found` counts processes; what is `…_left` must be empty.

    `removed` are the paths of shared memory and sockets that the engine had not cleared away itself.
    """

    found: int
    killed: int
    interrupted: str | None
    processes_left: tuple[int, ...]
    ports_left: tuple[int, ...]
    gpu_memory_left: tuple[int, ...]
    removed: tuple[str, ...] = ()

    def require_clean(self) -> None:
        """Raise EngineError when something of the deployment is still there."""
        if self.processes_left:
            pids = ", ".join(map(str, self.processes_left))
            raise EngineError(
                f"processes that cannot be stopped: {pids}",
                hint="they hang in the kernel, most likely in the GPU driver; a reboot clears them",
            )
        if self.gpu_memory_left:
            raise EngineError(
                f"GPU memory is still held by {', '.join(map(str, self.gpu_memory_left))}",
                hint="its processes are gone, so the driver lost count; a reset of the card or a reboot gives it back",
            )


def stop(store: Store, grace_s: float | None) -> Verified:
    """Interrupt a command at work on it, stop everything, look at ports and cards afterwards."""
    run = store.read()
    if grace_s is None:
        # No record says what was planned.
        grace_s = run.plan.stop_grace_s.value if run else convert(defaults()["stop_grace_s"].value, float)
    if store.is_damaged():
        ui.say(f"{store.directory}: the record is damaged; looking for processes by their token")
    before = set(store.family())
    # Processes are found without a state directory too: somebody may have deleted it.
    if not before and not store.directory.exists():
        return Verified(0, 0, None, (), (), ())
    interrupted = interrupt_holder(store, grace_s=grace_s)
    with store.locked("down", only_stops=True):
        known = before | {one.identity for one in sightings.read(store.directory).kin}
        stopped = take_down(store, grace_s=grace_s)
    found = max(stopped.found, len(before))
    ports = _ports_left(run) if run and found else ()
    is_on_card = run is None or run.plan.device.value != "cpu"
    gpu = _gpu_left(known) if is_on_card else ()
    return Verified(found, stopped.killed, interrupted, stopped.left, ports, gpu, stopped.removed)


def report(name: str, stopped: Verified) -> str:
    """One line for people."""
    removed = f"; removed {ui.objects(stopped.removed)}" if stopped.removed else ""
    if not stopped.found:
        return f"{name!r} was not running{removed}"
    how = f", {stopped.killed} of them killed" if stopped.killed else ""
    first = f"interrupted `{stopped.interrupted}`; " if stopped.interrupted else ""
    ports = f"; port {stopped.ports_left[0]} is held by somebody else" if stopped.ports_left else ""
    return f"{first}stopped {ui.processes(stopped.found)}{how}{removed}; nothing of {name!r} is left{ports}"


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


def _gpu_left(known: Iterable[Identity]) -> tuple[int, ...]:
    """Which of these hold memory of a card. Only asked when there were any: without a driver there is nothing to ask.

    A number that is somebody else's by now is not counted.
    """
    known = tuple(known)
    deadline = time.monotonic() + GPU_PATIENCE_S
    while known:
        ours = {one.pid for one in known if identify(one.pid) in (None, one)}
        left = ours & {tenant.pid for gpu in collect_gpu().gpus for tenant in gpu.tenants}
        if not left or time.monotonic() > deadline:
            return tuple(sorted(left))
        time.sleep(GPU_POLL_S)
    return ()
