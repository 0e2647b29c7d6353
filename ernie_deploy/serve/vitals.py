"""Looking at a running deployment: its processes, what it answers, what it counts. What it means is for `watch`."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import dropwhile, takewhile
from pathlib import PurePath
from typing import Generic, NamedTuple, TypeVar

from ernie_deploy import process
from ernie_deploy.client import RefusedError
from ernie_deploy.client.metrics import Counters
from ernie_deploy.errors import DeployError
from ernie_deploy.process import Identity
from ernie_deploy.serve.proofs import ASK_AGAIN
from ernie_deploy.serve.questions import Question
from ernie_deploy.serve.service import Counting, Service
from ernie_deploy.serve.state import Run, Store
from ernie_deploy.serve.watch import Canary, Health, Outcome, Seen, Verdict, Watch

T = TypeVar("T")

# Processes are looked at this often; what they answer is asked for once per interval.
LOOK_S = 0.2
HEALTH_S = 2.0
METRICS_S = 2.0
CANARY_S = 60.0
RECORD_S = 5.0
NAMING_WORDS = 3
# `-u` and the like: letters that want no value, unlike `-m module`.
SWITCH = re.compile(r"-[^cm]")
LONGEST_NAME = 80
# Who holds the lock to do this has sent the signal that the service dies of.
STOPPING = ("down", "restart", "up", "rehearse")


class Sight(NamedTuple):
    """A verdict at its moment. `is_stopped`: it was ended on purpose, so that is no alarm."""

    at: float
    verdict: Verdict
    is_stopped: bool = False


def watch(
    store: Store,
    service: Service,
    counting: Counting,
    watching: Watch,
    *,
    interval_s: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Sight]:
    """A verdict per look, for as long as somebody wants them. Ends when the run was stopped or replaced on purpose."""
    run = store.read()
    if run is None or run.leader is None:
        return
    vitals = _Vitals(store, run, run.leader, service, counting, interval_s, now)
    verdict = Verdict("loading", "", is_settled=False)
    while True:
        verdict = watching.look(vitals.look(wants_canary=verdict.wants_canary))
        if verdict.state in ("dead", "hung", "suspect", "degraded") and _is_ended_on_purpose(store, run):
            yield Sight(now(), verdict, is_stopped=True)
            return
        yield Sight(now(), verdict)
        sleep(LOOK_S)


def _is_ended_on_purpose(store: Store, run: Run) -> bool:
    """Asked in this order: who stops a run takes it off the record first, and gives back the lock after."""
    holder = store.holder()
    if holder and holder.verb in STOPPING:
        return True
    now = store.read()
    return now is None or now.leader != run.leader


class _Vitals:
    """The questions under way. Each is on a thread of its own: none of them delays the news that a process died."""

    def __init__(
        self,
        store: Store,
        run: Run,
        leader: Identity,
        service: Service,
        counting: Counting,
        interval_s: float,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._leader = leader
        self._service = service
        self._counting = counting
        self._interval_s = interval_s
        self._now = now
        self._names = _named(run.members)
        self._read_at = now()
        self._health = _Asked(lambda: service.health(total_s=HEALTH_S))
        self._metrics = _Asked(counting.read)
        self._spoke = threading.Event()
        self._canary = _Asked(lambda: service.canary(total_s=CANARY_S, speaks=self._spoke.set))

    def look(self, *, wants_canary: bool) -> Seen:
        at = self._now()
        self._read_record(at)
        canary, health, counters = self._canary_now(), self._health_now(at), self._counters_now(at)
        speaks = self._spoke.is_set()
        self._spoke.clear()
        if wants_canary and self._canary.question is None:
            self._canary.start(at)
        gone = tuple(name for one, name in self._names.items() if not process.is_alive(one))
        return Seen(
            at=at,
            leader_lives=process.is_alive(self._leader),
            gone=gone,
            health=health,
            counters=counters,
            canary=canary,
            canary_sent=self._canary.asked_at if self._canary.question else None,
            canary_speaks=speaks,
        )

    def _read_record(self, at: float) -> None:
        """Who belongs to it is on record only once it was ready."""
        if self._names or at - self._read_at < RECORD_S:
            return
        run, self._read_at = self._store.read(), at
        if run and run.leader == self._leader and run.phase == "ready":
            self._names = _named(run.members)

    def _health_now(self, at: float) -> Health | None:
        asked_at, question = self._health.asked_at, self._health.taken()
        if self._health.is_due(at, self._interval_s):
            self._health.start(at)
        return Health(question.value, asked_at) if question else None

    def _counters_now(self, at: float) -> Counters | None:
        question = self._metrics.taken()
        if self._metrics.is_due(at, self._interval_s):
            self._metrics.start(at)
        return question.value if question else None

    def _canary_now(self) -> Canary | None:
        sent_at, question = self._canary.asked_at, self._canary.taken()
        if question is None:
            return None
        if question.error is None:
            return Canary("token", sent_at)
        return Canary(_outcome(question.error), sent_at, question.error.message)


class _Asked(Generic[T]):
    """One kind of question: at most one of it is under way."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self.question: Question[T] | None = None
        self.asked_at = float("-inf")

    def is_due(self, at: float, interval_s: float) -> bool:
        return self.question is None and at - self.asked_at >= interval_s

    def start(self, at: float) -> None:
        self.question, self.asked_at = Question(self._ask), at

    def taken(self) -> "Question[T] | None":
        """The question, when it has been answered since the last call."""
        if self.question is None or not self.question.is_done:
            return None
        answered, self.question = self.question, None
        return answered


def _outcome(error: DeployError) -> Outcome:
    if not isinstance(error, RefusedError) or error.status >= 500:
        return "failed"
    return "busy" if error.status in ASK_AGAIN or error.status < 400 else "refused"


def _named(members: tuple[Identity, ...]) -> dict[Identity, str]:
    """What to call each of them once it is gone: `python worker_process.py (pid 12)`."""
    return {one: f"{title(process.command_of(one.pid))} (pid {one.pid})" for one in members}


def title(command: str) -> str:
    """The program and what it runs, without the switches before and the options after it; `process` when empty."""
    program, *rest = command.split() or ["process"]
    words = (program, *takewhile(lambda word: not word.startswith("--"), dropwhile(SWITCH.fullmatch, rest)))
    return " ".join(PurePath(word).name for word in words[:NAMING_WORDS])[:LONGEST_NAME]
