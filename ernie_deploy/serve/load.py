"""What an engine's own counters say: whether tokens come, who waits for some, and whether nobody does. Pure."""

from ernie_deploy.client.metrics import Counters

# More tokens than two canaries have made are somebody else's.
CANARY_MADE = 16
# A canary that is answered still counts as running in a scrape that was under way.
ECHO_S = 1.0


class Load:
    """The counters of one engine, looked at again and again. Those older than `stale_s` are not relied on.

    `since` is the moment from which on somebody waits; None while nobody does. `at` is when they were seen last.
    """

    def __init__(self, stale_s: float) -> None:
        self._stale_s = stale_s
        self._now: Counters | None = None
        self.at = float("-inf")
        self.since: float | None = None
        self.is_resting = False
        self._is_rest_proven = False
        self._has_counted_tokens = False
        # Requests besides the canary, those of them that are not there, and what was counted at the last answer.
        self._others = self._leaked = 0.0
        self._at_answer: tuple[float, float] | None = None

    @property
    def waiting(self) -> float:
        """Requests in the queue."""
        return (self._now.waiting if self._now else None) or 0

    @property
    def running(self) -> float:
        return (self._now.running if self._now else None) or 0

    def take_in(self, now: Counters, at: float, *, canary_at: float) -> bool:
        """Whether work was done since the last time. `canary_at` is when a canary was under way last."""
        before, self._now, self.at = self._now, now, at
        self._take_in_demand(now.demand, at, is_asked=at - canary_at <= ECHO_S)
        if before is None:
            return False
        has_tokens = _rose(before.tokens, now.tokens)
        self._has_counted_tokens |= has_tokens
        # A request can end without a token; it proves something only where tokens are not counted.
        return has_tokens or (not self._has_counted_tokens and _rose(before.finished, now.finished))

    def is_fresh(self, at: float) -> bool:
        return at - self.at <= self._stale_s

    def is_idle(self, at: float) -> bool:
        """Whether nobody is being served. Who has nothing to do and takes nothing more does not work."""
        return self._now is not None and self._now.demand <= self._leaked and self.is_fresh(at)

    def is_at_rest(self, at: float) -> bool:
        """Whether nobody but a canary asks for anything, and a token came meanwhile: a pass goes on after whoever asked
        for it has hung up."""
        return self._is_rest_proven and self.is_fresh(at)

    def canary_was_answered(self) -> None:
        """Who is said to run and got nothing between two answers to canaries is not there: the gauge leaks. From then
        on only who comes on top of them waits, and from the moment that he comes."""
        self._is_rest_proven = self.is_resting
        if self._now is None or self._now.tokens is None:
            return
        now = (self._now.tokens, self._others)
        before, self._at_answer = self._at_answer, now
        if before and 0 <= now[0] - before[0] <= CANARY_MADE:
            self._leaked = min(before[1], now[1])

    def _take_in_demand(self, demand: float, at: float, *, is_asked: bool) -> None:
        if not is_asked:
            self._others = demand
        self._leaked = min(self._leaked, demand)
        if demand <= self._leaked:
            self.since = None
        elif self.since is None:
            self.since = at
        self.is_resting = demand - is_asked <= self._leaked
        self._is_rest_proven &= self.is_resting


def _rose(before: float | None, now: float | None) -> bool:
    """A counter that fell was set to nothing by a restart of what counts; that proves no life."""
    return before is not None and now is not None and now > before
