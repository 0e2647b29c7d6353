"""Staying with an engine: its log to the terminal, its end is ours, Ctrl-C stops all of it."""

import time

from ernie_deploy.cli import ui
from ernie_deploy.cli.starting import failure
from ernie_deploy.plan.values import Plan
from ernie_deploy.serve.down import take_down
from ernie_deploy.serve.journal import Tail
from ernie_deploy.serve.state import Store
from ernie_deploy.serve.up import Standing, Watched

POLL_S = 0.2


def follow(plan: Plan, store: Store, standing: Standing) -> None:
    """Return never normally: KeyboardInterrupt when asked to stop, EngineError, with the cause if known, when the
    engine ended by itself."""
    watched = Watched(standing, store)
    tail = Tail(store.engine_log)
    while (how := watched.how_it_ended()) is None:
        _show(tail)
        time.sleep(POLL_S)
    _show(tail)
    take_down(store, grace_s=plan.stop_grace_s.value, engine=standing.engine)
    raise failure(plan, standing.run.launch, store, f"the engine ended by itself ({how})")


def _show(tail: Tail) -> None:
    for line in tail.lines():
        ui.say(line)
