"""Telling what a watch sees, and when to end it."""

import os
import time
from collections.abc import Callable
from functools import partial

from ernie_deploy.cli.stages import name_flag
from ernie_deploy.cli.starting import failure
from ernie_deploy.errors import EngineError
from ernie_deploy.serve.service import Counting, Service, address_of
from ernie_deploy.serve.state import Store
from ernie_deploy.serve.up import is_answered_by_us
from ernie_deploy.serve.vitals import CANARY_S, METRICS_S, Sight, watch
from ernie_deploy.serve.watch import Limits, State, Watch

YES_HOLDS_S = 30.0
OVER: tuple[State, ...] = ("dead", "hung")
NOT_SERVING: tuple[State, ...] = (*OVER, "degraded", "weights-cleared", "suspect")


def follow(
    store: Store, limits: Limits, *, interval_s: float, once: bool, tell: Callable[[dict[str, object]], None]
) -> None:
    """Tell every change of state. Returns when it was stopped on purpose, or, with `once`, when it serves.

    Raises EngineError when it is dead or hangs, with `once` for everything that does not serve.
    """
    run = store.read()
    name = store.directory.name
    if run is None or run.leader is None:
        raise EngineError(f"{name!r} is not running", hint="start it with: ernie-deploy up")
    address = address_of(run.launch, os.environ, read_s=CANARY_S)
    service = Service(
        address, token_timeout_s=CANARY_S, is_ours=_now_and_then(partial(is_answered_by_us, run.launch, store))
    )
    counting = Counting(run.launch, read_s=METRICS_S)
    watching = Watch(time.monotonic(), is_proven=run.phase == "ready", limits=limits)
    told: str = ""
    for sight in watch(store, service, counting, watching, interval_s=interval_s):
        state = "stopped" if sight.is_stopped else sight.verdict.state
        is_over = sight.is_stopped or state in OVER
        if state != told and (is_over or not once):
            tell(_event(name, state, sight))
            told = state
        if sight.is_stopped:
            return
        if is_over or (once and sight.verdict.is_settled):
            if state != told:
                tell(_event(name, state, sight))
            problem = f"{name!r} is {state}: {sight.verdict.reason}"
            if state in OVER:
                raise failure(run.plan, run.launch, store, problem)
            if state in NOT_SERVING:
                raise EngineError(problem, hint=f"go on watching: ernie-deploy watch{name_flag(run.plan)}")
            return


def _now_and_then(look: Callable[[], bool]) -> Callable[[], bool]:
    """A yes holds for a while: to see who listens, every process of the host is looked at."""
    seen_at = float("-inf")

    def is_ours() -> bool:
        nonlocal seen_at
        if time.monotonic() - seen_at > YES_HOLDS_S and look():
            seen_at = time.monotonic()
        return time.monotonic() - seen_at <= YES_HOLDS_S

    return is_ours


def _event(name: str, state: str, sight: Sight) -> dict[str, object]:
    """The time of day is for people; nothing is reckoned with it."""
    reason = "on purpose" if sight.is_stopped else sight.verdict.reason
    at = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime())
    return {"at": at, "name": name, "state": state, "reason": reason}
