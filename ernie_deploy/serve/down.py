"""Take a deployment down: interrupt who is starting it, stop every process of it, forget it."""

import signal
import subprocess
import time
from typing import NamedTuple

from ernie_deploy import process
from ernie_deploy.serve.interrupts import interrupts
from ernie_deploy.serve.leftovers import sweep
from ernie_deploy.serve.state import Store
from ernie_deploy.serve.up import reap

# An interrupted `up` stops what it started, with its own grace; this is on top of it.
HOLDER_PATIENCE_S = 30.0
POLL_S = 0.1


class TakenDown(NamedTuple):
    """How a stop went, as `process.Stopped`; `removed` are the paths of shared memory and sockets cleared away."""

    found: int
    killed: int
    left: tuple[int, ...]
    hurried: bool
    removed: tuple[str, ...]


def interrupt_holder(store: Store, *, grace_s: float) -> str | None:
    """Ask the command at work on this deployment to end, and wait until it did; the verb it was busy with.

    It is SIGTERM, for a job in the background of a script does not hear Ctrl-C. Another `down` is left to its work:
    an interrupt would take their grace from the answers in flight.
    """
    holder = store.holder()
    if holder is None:
        return None
    if holder.verb != "down":
        process.send(holder.identity, signal.SIGTERM)
    deadline = time.monotonic() + grace_s + HOLDER_PATIENCE_S
    while process.is_alive(holder.identity) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return holder.verb


def take_down(store: Store, *, grace_s: float, engine: subprocess.Popen[bytes] | None = None) -> TakenDown:
    """Stop everything of this deployment, remove what it leaves in shared memory, and take it off the record; unless
    something could not be stopped.

    The caller holds the store's lock. Strangers are safe: a recorded pid is only believed with its start time and our
    token, so a damaged or stale record finds nobody but our own. Ctrl-C meanwhile takes away the grace.
    """
    with interrupts.held():
        store.observed()
        stopped = process.stop(
            store.leader(),
            store.family,
            grace_s=grace_s,
            reap=lambda: reap(engine),
            is_in_a_hurry=lambda: interrupts.is_in_a_hurry,
        )
        run = store.read()
        removed = () if stopped.left else sweep(store.directory, (run.launch,) if run else ())
    if not stopped.left:
        store.forget()
    return TakenDown(*stopped, removed)
