"""How far a start has come, asked in the right order: did it exit, then what does its log say, then does it answer.

Ready means that /health said 200, that every proof was given (a token, one about a picture, thinking apart from the
answer), and that /health said 200 after it. Exit codes and health codes prove nothing by themselves: a failed
FastDeploy start exits 0, and 200 comes before the first token or without one.
"""

import re
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from ernie_deploy.engines.base import Stage
from ernie_deploy.serve.proofs import TRIES, Proof, is_busy
from ernie_deploy.serve.questions import Question

POLL_S = 0.1
# A proof that was not given is asked for again only after this long, not to pile requests onto a busy engine.
RETRY_S = 1.0
# Unless nothing was wrong but that it had no time: a refusal costs a busy engine nothing, and its next moment may do.
BUSY_RETRY_S = 0.25
# So long an answer is waited for before looking whether the process still lives.
GLANCE_S = 0.1
# Reading this much within this time counts as progress; a process that merely polls reads less.
PROGRESS_BYTES = 1 << 20
PROGRESS_WINDOW_S = 10.0
# A step of this many per cent is news.
PERCENT_STEP = 10
# A health code other than 200 is waited out for as long as a worker may be silent (30 s), and as long again.
CODE_PATIENCE_S = 60.0
MEANINGS = {
    304: "it has no weights: they were cleared, or are being updated",
    404: "no worker reports to it any more (FastDeploy), or this is not its health route",
}


class Endpoint(Protocol):
    """What readiness asks of a service."""

    def health(self) -> int | None:
        """The raw status of /health; None while nobody accepts connections."""

    def proofs(self) -> tuple[Proof, ...]:
        """What it must show, in order."""


class Starting(Protocol):
    """The processes being waited for."""

    def how_it_ended(self) -> str | None:
        """`exit code 1`, `signal SIGKILL` …; None while it runs."""

    def new_lines(self) -> list[str]:
        """What it logged since the last call."""

    def bytes_read(self) -> int:
        """How much it has read so far."""


class Progress(NamedTuple):
    """Where a start stands: a stage, how far in it where that is known, and when; `stage_s` is how long it is in it."""

    stage: str
    after_s: float
    percent: int | None = None
    stage_s: float = 0.0


class Ended(NamedTuple):
    """How the waiting ended. `problem` is empty when the service is ready; `stages` are all of them in their order;
    `notes` tell what was asked for and not shown."""

    problem: str
    stage: str
    after_s: float
    exited: bool = False
    stages: tuple[Progress, ...] = ()
    notes: tuple[str, ...] = ()


class Patience(NamedTuple):
    """Seconds: for the whole start, and without any sign of progress."""

    total_s: float
    no_progress_s: float


def wait_until_ready(
    starting: Starting,
    endpoint: Endpoint,
    stages: tuple[Stage, ...],
    patience: Patience,
    *,
    observe: Callable[[Progress], None] = lambda _: None,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    glance_s: float = GLANCE_S,
) -> Ended:
    """Wait until the service has given all proofs, ended, refused for good, or stopped making progress."""
    waiting = _Waiting(starting, _Answering(endpoint, now, glance_s), stages, observe, now)
    while True:
        ended = waiting.step(patience)
        if ended:
            return ended
        sleep(POLL_S)


class _Waiting:
    """The state of one wait."""

    def __init__(
        self,
        starting: Starting,
        answering: "_Answering",
        stages: tuple[Stage, ...],
        observe: Callable[[Progress], None],
        now: Callable[[], float],
    ) -> None:
        self._starting = starting
        self._observe = observe
        self._now = now
        self._patterns = [(stage.name, re.compile(stage.pattern)) for stage in stages]
        self._order = ["starting", *(stage.name for stage in stages)]
        self._began = self._moved = self._entered = now()
        self._read, self._read_at = 0, self._began
        self._stage, self._percent = "starting", -1
        self._history: list[Progress] = []
        self._answering = answering

    def step(self, patience: Patience) -> Ended | None:
        """One look at everything; None while it is still worth waiting."""
        how = self._starting.how_it_ended()
        lines = self._starting.new_lines()
        self._read_log(lines)
        if how:
            return self._ended(f"the engine ended by itself ({how}) while {self._stage}", exited=True)
        for stage in self._answering.look():
            self._moved_on(stage)
        # Who answered may have died of the answer.
        if self._answering.is_ready and self._starting.how_it_ended() is None:
            return self._ended("")
        waited, idle = self._now() - self._began, self._now() - self._moved
        why_never = self._answering.why_never(min(CODE_PATIENCE_S, patience.no_progress_s))
        why_not = f"while {self._stage}{self._answering.why_not()}"
        if why_never:
            return self._ended(f"not ready after {waited:.0f} s {why_not}{why_never}")
        if waited > patience.total_s:
            return self._ended(f"not ready after {waited:.0f} s, still {self._stage}{self._answering.why_not()}")
        if idle > patience.no_progress_s:
            return self._ended(f"no progress for {idle:.0f} s {why_not}")
        return None

    def _read_log(self, lines: list[str]) -> None:
        """Lines and bytes read are progress until the service answers; after that only a proof is."""
        if self._answering.has_begun:
            return
        for line in lines:
            for name, pattern in self._patterns:
                found = pattern.search(line)
                if found:
                    percent = found.groupdict().get("percent")
                    self._moved_on(name, int(percent) if percent else None)
        read, now = self._starting.bytes_read(), self._now()
        is_reading = read - self._read > PROGRESS_BYTES
        if lines or is_reading:
            self._moved = now
        # Counted anew now and then: little by little a poller reads much, and who ends takes his count with him.
        if is_reading or now - self._read_at > PROGRESS_WINDOW_S:
            self._read, self._read_at = read, now

    def _moved_on(self, stage: str, percent: int | None = None) -> None:
        """Stages are told once, percents in steps. Never backwards: several logs are read, each in its own time."""
        if self._rank(stage) < self._rank(self._stage):
            return
        now = self._now()
        if stage != self._stage:
            self._stage, self._percent, self._moved, self._entered = stage, -1, now, now
        elif percent is None or percent < min(self._percent + PERCENT_STEP, 100) or self._percent == 100:
            return
        self._percent = -1 if percent is None else percent
        progress = Progress(stage, now - self._began, percent, now - self._entered)
        if not self._history or self._history[-1].stage != stage:
            self._history.append(progress)
        self._observe(progress)

    def _rank(self, stage: str) -> int:
        return self._order.index(stage) if stage in self._order else len(self._order)

    def _ended(self, problem: str, *, exited: bool = False) -> Ended:
        after_s = self._now() - self._began
        return Ended(problem, self._stage, after_s, exited, tuple(self._history), tuple(self._answering.notes))


class _Answering:
    """What the service has shown so far: health 200, then each proof, then health 200 once more."""

    def __init__(self, endpoint: Endpoint, now: Callable[[], float], glance_s: float) -> None:
        self.notes: list[str] = []
        self.has_begun = False
        self.is_ready = False
        self._endpoint = endpoint
        self._now = now
        self._glance_s = glance_s
        self._left = list(endpoint.proofs())
        self._health: Question[int | None] | None = None
        self._is_mute = self._has_waited = False
        self._is_healthy = False
        self._status: int | None = None
        self._status_since = now()
        self._proof: Question[str] | None = None
        self._refuted = 0
        self._problem = ""
        self._rests_until = float("-inf")
        self._entered: list[str] = []

    def look(self) -> tuple[str, ...]:
        """Take in what has been answered, ask what is to be asked next; the stages that were entered by it."""
        self._entered = []
        while self._advance():
            pass
        return tuple(self._entered)

    def _advance(self) -> bool:
        """One step; whether another may follow at once."""
        if self._proof:
            self._proof.wait(self._glance_s)
            if self._proof.is_done:
                self._take_in(self._proof)
            return self._proof is None
        if self._now() < self._rests_until:
            return False
        if not self._is_healthy:
            self._ask_health()
            return self._is_healthy
        if not self._left:
            self.is_ready = True
            return False
        self._entered.append(self._left[0].stage)
        self._problem = ""
        self._proof = Question(self._left[0].ask)
        return True

    def why_not(self) -> str:
        """Why it is not ready yet, to follow the name of the stage."""
        if self._status not in (None, 200):
            meaning = f": {MEANINGS[self._status]}" if self._status in MEANINGS else ""
            return f": /health says {self._status}, which is not ready{meaning}"
        if self._problem:
            return f": {self._problem}"
        if self._proof:
            return ": it accepts a request and generates nothing"
        return ": /health does not answer" if self._is_mute else ""

    def why_never(self, code_patience_s: float) -> str | None:
        """Words to add when waiting any longer is of no use, `""` when there are none; None while it is of use."""
        if self._refuted >= TRIES:
            return f" ({TRIES} times)"
        lasted_s = self._now() - self._status_since
        if self._status not in (None, 200) and lasted_s > code_patience_s:
            return f" (for {lasted_s:.0f} s)"
        return None

    def _take_in(self, asked: Question[str]) -> None:
        proof, self._proof = self._left[0], None
        # Whether it went well or not: what /health says after it counts.
        self._is_healthy = False
        if asked.error is None:
            self._left.pop(0)
            self._refuted, self._problem = 0, ""
            if asked.value:
                self.notes.append(asked.value)
            # The next one is asked for at once: health was 200 a moment ago, and is asked at the end.
            self._is_healthy = bool(self._left)
            return
        self._problem = asked.error.message
        self._refuted += proof.is_refuted_by(asked.error)
        self._rests_until = self._now() + (BUSY_RETRY_S if is_busy(asked.error) else RETRY_S)

    def _ask_health(self) -> None:
        """On a thread as well, and waited for only a moment: a server that accepts and is silent must not hide that
        its process dies."""
        self._health = self._health or Question(self._endpoint.health)
        self._health.wait(self._glance_s)
        if not self._health.is_done:
            self._is_mute = self._has_waited = True
            return
        # Who refuses the connection does so at once.
        self._is_mute, self._has_waited = self._has_waited and self._health.value is None, False
        status, self._health = self._health.value, None
        if status != self._status:
            self._status, self._status_since = status, self._now()
        if status is not None and not self.has_begun:
            self.has_begun = True
            self._entered.append("waiting for health 200")
        self._is_healthy = status == 200
