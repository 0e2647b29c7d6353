"""How far a start has come, asked in the right order: did it exit, then what does its log say, then does it answer.

Ready means that /health said 200 *and* a token came out. Exit codes and health codes prove nothing by themselves:
a failed FastDeploy start exits 0, and 200 comes before the first token or without one.
"""

import re
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from ernie_deploy.engines.base import Stage
from ernie_deploy.errors import DeployError

POLL_S = 0.1
# A token that does not come is asked for again only after this long, not to pile requests onto a busy engine.
RETRY_TOKEN_S = 1.0
# Reading this much within this time counts as progress; a process that merely polls reads less.
PROGRESS_BYTES = 1 << 20
PROGRESS_WINDOW_S = 10.0


class Endpoint(Protocol):
    """What readiness asks of a service."""

    def health(self) -> int | None:
        """The raw status of /health; None while nobody accepts connections."""

    def first_token(self) -> str:
        """The first text the model generates. Raises DeployError when there is none."""


class Starting(Protocol):
    """The processes being waited for."""

    def how_it_ended(self) -> str | None:
        """`exit code 1`, `signal SIGKILL` …; None while it runs."""

    def new_lines(self) -> list[str]:
        """What it logged since the last call."""

    def bytes_read(self) -> int:
        """How much it has read so far."""


class Progress(NamedTuple):
    """Where a start stands, for people: a stage, and how long it took to get there."""

    stage: str
    after_s: float


class Ended(NamedTuple):
    """How the waiting ended. `problem` is empty when the service is ready."""

    problem: str
    stage: str
    after_s: float
    exited: bool = False


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
) -> Ended:
    """Wait until the service has generated a token, ended, or stopped making progress."""
    waiting = _Waiting(starting, endpoint, stages, observe, now)
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
        endpoint: Endpoint,
        stages: tuple[Stage, ...],
        observe: Callable[[Progress], None],
        now: Callable[[], float],
    ) -> None:
        self._starting = starting
        self._endpoint = endpoint
        self._stages = [(stage.name, re.compile(stage.pattern)) for stage in stages]
        self._observe = observe
        self._now = now
        self._began = self._moved = now()
        self._read, self._read_at = 0, self._began
        self._stage = "starting"
        self._answered = False
        self._status: int | None = None
        self._token: _TokenRequest | None = None

    def step(self, patience: Patience) -> Ended | None:
        """One look at everything; None while it is still worth waiting."""
        how = self._starting.how_it_ended()
        lines = self._starting.new_lines()
        self._read_log(lines)
        if how:
            return self._ended(f"the engine ended by itself ({how}) while {self._stage}", exited=True)
        if self._is_ready():
            return self._ended("")
        waited, idle = self._now() - self._began, self._now() - self._moved
        if waited > patience.total_s:
            return self._ended(f"not ready after {waited:.0f} s, still {self._stage}{self._why_not()}")
        if idle > patience.no_progress_s:
            return self._ended(f"no progress for {idle:.0f} s while {self._stage}{self._why_not()}")
        return None

    def _is_ready(self) -> bool:
        if self._token is None or self._token.should_retry(self._now()):
            # Once it has said 200 the log would only echo our own questions, so health is not asked again.
            self._status = 200 if self._token else self._endpoint.health()
            if self._status is not None and not self._answered:
                self._answered = True
                self._moved_on("waiting for health 200")
            if self._status == 200:
                self._moved_on("waiting for the first token")
                self._token = _TokenRequest(self._endpoint, self._now)
        return self._token is not None and bool(self._token.text)

    def _read_log(self, lines: list[str]) -> None:
        """Lines and bytes read are progress until the service answers; after that only a token is."""
        if self._answered:
            return
        for line in lines:
            for name, pattern in self._stages:
                if pattern.search(line):
                    self._moved_on(name)
        read, now = self._starting.bytes_read(), self._now()
        is_reading = read - self._read > PROGRESS_BYTES
        if lines or is_reading:
            self._moved = now
        # Counted anew now and then: little by little a poller reads much, and who ends takes his count with him.
        if is_reading or now - self._read_at > PROGRESS_WINDOW_S:
            self._read, self._read_at = read, now

    def _moved_on(self, stage: str) -> None:
        if stage != self._stage:
            self._stage, self._moved = stage, self._now()
            self._observe(Progress(stage, self._now() - self._began))

    def _why_not(self) -> str:
        if self._token and self._token.problem:
            return f": {self._token.problem}"
        if self._token:
            return ": it accepts a request and generates nothing"
        return f": /health says {self._status}, which is not ready" if self._status else ""

    def _ended(self, problem: str, *, exited: bool = False) -> Ended:
        return Ended(problem, self._stage, self._now() - self._began, exited)


class _TokenRequest:
    """One request for a token, on a thread of its own: while it hangs we still see the process die.

    The thread is a daemon, so a request that never returns does not keep the command alive.
    """

    def __init__(self, endpoint: Endpoint, now: Callable[[], float]) -> None:
        self.text = ""
        self.problem = ""
        self._failed_at: float | None = None
        self._endpoint = endpoint
        self._now = now
        threading.Thread(target=self._ask, daemon=True).start()

    def should_retry(self, at: float) -> bool:
        """Whether it failed, and long enough ago."""
        return self._failed_at is not None and at - self._failed_at > RETRY_TOKEN_S

    def _ask(self) -> None:
        try:
            self.text = self._endpoint.first_token()
        except DeployError as error:
            self.problem = error.message
            self._failed_at = self._now()
