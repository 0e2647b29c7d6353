"""Is a running service alive? A state machine fed with what is seen, with the times at which it was seen. Pure.

Only a token that came out proves life: the engine's counters show it while there is work, and where they show nothing
a canary, a request for one token, does. What is busy is not dead: a hang is work that somebody waits for and no token
for longer than the longest prefill. Silence without work is no hang, so there has to be some, and the canary is that.
"""

from typing import Literal, NamedTuple

from ernie_deploy.client.metrics import Counters
from ernie_deploy.serve.load import ECHO_S, Load

State = Literal["loading", "alive", "busy", "suspect", "degraded", "weights-cleared", "hung", "dead"]
Outcome = Literal["token", "busy", "refused", "failed"]

NEVER = float("-inf")
# Of the patience with a silence.
SUSPECT_SHARE = 0.5


class Limits(NamedTuple):
    """Seconds. A hang is found after at most `canary_after_s + hang_after_s` and one look; the longest silence of a
    healthy engine, one forward pass over a long prompt, must be shorter than `hang_after_s`.

    An engine at rest, which nobody asks for anything, gets a canary every `rest_after_s`. Nothing stands in its way
    there, so it gets half the patience, and a hang is found no later than one under load.

    `heartbeat_s` is how long no token may come while /health says 404, which is for a worker that has not reported: it
    does so between two forward passes only. Counters older than `stale_s` are not relied on. A health code that lasted
    `code_s` is no blip.
    """

    hang_after_s: float = 26.0
    canary_after_s: float = 2.5
    rest_after_s: float = 11.0
    stale_s: float = 2.5
    heartbeat_s: float = 60.0
    code_s: float = 10.0
    # Some tokens were under way when a process ended: only later ones were made without it. And the first ones after a
    # worker reported again take as long to come.
    in_flight_s: float = 5.0
    retry_s: float = 1.0


class Health(NamedTuple):
    """What /health said; None when nobody answered. `asked_at` is when it was asked."""

    status: int | None
    asked_at: float


class Canary(NamedTuple):
    """How a request for a few tokens ended, and why it did not bring them."""

    outcome: Outcome
    sent_at: float
    words: str = ""


class Seen(NamedTuple):
    """One look. `health`, `counters` and `canary` only when they came since the last one; `canary_sent` is when the one
    under way was sent, `canary_speaks` whether a token of it came since; `gone` are recorded processes that are not
    there any more."""

    at: float
    leader_lives: bool = True
    gone: tuple[str, ...] = ()
    health: Health | None = None
    counters: Counters | None = None
    canary: Canary | None = None
    canary_sent: float | None = None
    canary_speaks: bool = False


class Verdict(NamedTuple):
    """How it stands and why; whether a canary should be sent; whether the state rests on something seen since the
    watch began."""

    state: State
    reason: str
    wants_canary: bool = False
    is_settled: bool = True


class Watch:
    """The memory between looks. `is_proven`: a token came out before the watch began."""

    def __init__(self, at: float, *, is_proven: bool, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._began = at
        self._is_proven = is_proven
        self._life_at = at
        self._hung = ""
        # /health
        self._status: int | None = None
        self._status_since = at
        self._was_asked = False
        self._was_late = False
        self._late_since = NEVER
        self._load = Load(self._limits.stale_s)
        # Canary
        self._asking_since: float | None = None
        self._is_alone: bool | None = False
        self._under_way_at = NEVER
        self._rests_until = NEVER
        self._last: Canary | None = None
        # Processes
        self._gone: tuple[str, ...] = ()
        self._known_gone: set[str] = set()
        self._gone_at = NEVER

    def look(self, seen: Seen) -> Verdict:
        """Take in one look. Times must not go backwards."""
        if not seen.leader_lives:
            return Verdict("dead", "the server process is gone")
        if seen.canary or seen.canary_sent is not None:
            self._under_way_at = seen.at
        if seen.health:
            self._hear(seen.health)
        if seen.counters:
            self._count(seen.counters, seen.at, seen.canary_sent)
        self._take_in(seen)
        self._miss(seen)
        return self._judge(seen)

    # What is seen -------------------------------------------------------------------------------------------------

    def _hear(self, health: Health) -> None:
        if health.status != self._status or not self._was_asked:
            self._was_late = self._status == 404
            if health.status == 404:
                self._late_since = health.asked_at
            self._status, self._status_since, self._was_asked = health.status, health.asked_at, True

    def _count(self, now: Counters, at: float, canary_sent: float | None) -> None:
        if self._load.take_in(now, at, canary_at=self._under_way_at):
            self._lives(at, canary_sent)
            if self._gone and at - self._gone_at > self._limits.in_flight_s:
                self._gone = ()
        # Who comes later than the canary does not stand in its way.
        if self._is_alone is None and self._asking_since is not None and at - self._asking_since >= ECHO_S:
            self._is_alone = self._load.is_resting

    def _take_in(self, seen: Seen) -> None:
        if seen.canary_sent is not None and self._asking_since is None:
            self._begin_asking(seen.canary_sent, seen.at)
        if seen.canary_speaks:
            self._lives(seen.at, seen.canary_sent)
        if seen.canary is None:
            return
        self._last = seen.canary
        if seen.canary.outcome == "token":
            self._lives(seen.at, seen.canary_sent)
            if seen.canary.sent_at >= self._gone_at:
                self._gone = ()
            self._load.canary_was_answered()
            return
        self._rests_until = seen.at + self._limits.retry_s
        if seen.canary.outcome == "failed" or (seen.canary.outcome == "busy" and self._load.is_idle(seen.at)):
            # It goes on waiting for a token since the first that failed.
            if self._asking_since is None:
                self._begin_asking(seen.canary.sent_at, seen.at)
        else:
            self._asking_since = None

    def _begin_asking(self, sent_at: float, at: float) -> None:
        """Whether it is alone the counters of the next moments decide."""
        self._asking_since, self._is_alone = sent_at, None if self._is_at_rest(at) else False

    def _lives(self, at: float, canary_sent: float | None) -> None:
        self._life_at, self._is_proven, self._hung = at, True, ""
        self._asking_since = None
        if canary_sent is not None:
            # It may be delayed from now on by who has come meanwhile.
            self._begin_asking(at, at)

    def _miss(self, seen: Seen) -> None:
        news = tuple(name for name in seen.gone if name not in self._known_gone)
        if news:
            self._known_gone |= set(news)
            self._gone, self._gone_at = (*self._gone, *news), seen.at

    # What it means ------------------------------------------------------------------------------------------------

    def _judge(self, seen: Seen) -> Verdict:
        wants = self._wants_canary(seen)
        if not self._is_proven:
            return Verdict("loading", self._why_loading(), wants, is_settled=self._was_asked)
        silence, share = self._silence(seen.at)
        lasted = seen.at - self._status_since
        if self._status == 304 and lasted >= self._limits.code_s:
            reason = f"/health says 304 for {lasted:.0f} s: the weights were cleared, or are being updated"
            return Verdict("weights-cleared", reason, wants)
        if not self._hung and share >= 1 and not self._may_recover(silence, lasted):
            self._hung = self._why_hung(silence, lasted)
        if self._hung:
            return Verdict("hung", self._hung, wants)
        if self._gone:
            reason = f"gone: {', '.join(self._gone)}; no token has come since"
            return Verdict("degraded", reason, wants, is_settled=seen.at - self._gone_at >= self._limits.code_s)
        if (self._status or 0) >= 500 and min(lasted, seen.at - self._life_at) >= self._limits.code_s:
            return Verdict("degraded", f"/health says {self._status} for {lasted:.0f} s, and no token came", wants)
        if share >= SUSPECT_SHARE:
            is_out_of_time = seen.at - self._began > self._limits.hang_after_s
            return Verdict("suspect", self._why_hung(silence, lasted), wants, is_settled=is_out_of_time)
        return self._at_work(seen, wants)

    def _at_work(self, seen: Seen, wants: bool) -> Verdict:
        load, last = self._load, self._last
        code = "" if self._status in (None, 200) else f"; /health says {self._status}"
        is_seen = self._life_at > self._began
        if load.waiting:
            words = f"{load.running:.0f} requests run, {load.waiting:.0f} wait"
            return Verdict("busy", words + code, wants, is_settled=is_seen)
        if last and last.outcome == "busy" and not is_seen:
            return Verdict("busy", f"it takes no more requests: {last.words}{code}", wants, is_settled=False)
        if last and last.outcome == "refused" and not is_seen:
            # It answers, so it is not dead; whether tokens come is not known.
            is_out_of_time = seen.at - self._began > self._limits.hang_after_s
            words = f"no token is proven: {last.words}{code}"
            return Verdict("suspect" if is_out_of_time else "alive", words, wants, is_settled=is_out_of_time)
        words = f"a token came {seen.at - self._life_at:.0f} s ago" if is_seen else "no sign of trouble"
        return Verdict("alive", words + code, wants, is_settled=is_seen)

    def _silence(self, at: float) -> tuple[float, float]:
        """How long a token has been waited for, by the counters, by the canary, by whoever asks for /health; and how
        much of the patience with that is used up: from 1 on it is a hang."""
        patience = self._limits.hang_after_s
        waits = [(0.0, patience)]
        if self._load.since is not None and self._load.is_fresh(at):
            waits.append((self._load.at - max(self._life_at, self._load.since), patience))
        if self._asking_since is not None:
            patience_with_it = patience / 2 if self._is_alone else patience
            waits.append((at - max(self._life_at, self._asking_since), patience_with_it))
        if self._status is None and self._was_asked:
            waits.append((at - max(self._life_at, self._status_since), patience))
        return max(wait for wait, _ in waits), max(wait / limit for wait, limit in waits)

    def _may_recover(self, silence: float, lasted: float) -> bool:
        """Whether the server itself says that a worker is late, or said so a moment ago: then it gets more time. Not
        when tokens came all the same: then only its clock was set."""
        is_late = self._status == 404 or (self._was_late and lasted < self._limits.in_flight_s)
        began_with_the_silence = self._late_since >= self._life_at - self._limits.stale_s
        return is_late and began_with_the_silence and silence < self._limits.heartbeat_s

    @property
    def _rest_after_s(self) -> float:
        """A patience that is too short for both is not halved."""
        limits = self._limits
        return limits.rest_after_s if limits.hang_after_s >= 2 * limits.rest_after_s else 0.0

    def _is_at_rest(self, at: float) -> bool:
        is_well = self._status == 200 and not self._gone
        return self._rest_after_s > 0 and is_well and self._load.is_at_rest(at)

    def _wants_canary(self, seen: Seen) -> bool:
        if seen.canary_sent is not None or seen.at < self._rests_until:
            return False
        if not self._is_proven and self._status != 200:
            return False
        if self._gone:
            return True
        # What came before the watch is hearsay: the first canary need not wait.
        quiet = seen.at - (self._life_at if self._life_at > self._began else NEVER)
        if self._load.since is not None and self._load.is_fresh(seen.at):
            # Counters tell by themselves while there is work, and a full queue gets no more of it. But a gauge that
            # leaks shows work where none is: before that is called a hang, a token is asked for.
            return min(quiet, seen.at - self._load.since) >= self._limits.hang_after_s / 2
        return quiet >= (self._rest_after_s if self._is_at_rest(seen.at) else self._limits.canary_after_s)

    def _why_loading(self) -> str:
        return "no token has come yet" + (f"; /health says {self._status}" if self._status else "")

    def _why_hung(self, silence: float, lasted: float) -> str:
        if self._status is None and self._was_asked:
            return f"nobody answers for {lasted:.0f} s, and its process lives"
        health = f"/health says {self._status}" if self._status else "/health was not asked"
        words = f": {self._last.words}" if self._last and self._last.words and self._asking_since is not None else ""
        return f"no token for {silence:.0f} s while one is waited for ({health}){words}"
