"""Does `watch` cry wolf in a day, and how soon does it see a hang: the real state machine on a simulated clock.

    .venv/bin/python scripts/bench/watch_day.py [--hours 24] [--hangs 50] [--seed 1]

The service is a model with random behaviour, worse than a real one: a full queue (32 requests run, 8 to 200 wait)
whose canaries wait for minutes or get 429; forward passes over long prompts, some from the moment
that the load comes, during which nothing comes for up to 25 s;
/health saying 404 for up to 45 s while tokens come (a clock that was set, a late heartbeat); scrapes of /metrics that
fail one by one, and all of them for up to 20 s, with 5 s at least between two such gaps; /health that times out for as
long; counters that start anew; helper processes that end by themselves; a gauge that says for an hour that one request
runs. Days are spent with a full queue, with changing load, idle, and without any counters (there the canary never waits
longer than 25 s: without counters a longer queue cannot be told from a hang, nor 429 from one). Then each kind of hang
is let loose at random moments of such days, but not in the very seconds in which a heartbeat is late: what /health
itself calls late gets 60 s.

Limits: 0 false alarms, every hang seen within 30 s, every death within 1 s. Exit code 1 when one is missed.
"""

import argparse
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Literal, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ernie_deploy.client.metrics import Counters
from ernie_deploy.serve.vitals import CANARY_S, HEALTH_S, LOOK_S, METRICS_S
from ernie_deploy.serve.watch import Canary, Health, Seen, State, Verdict, Watch

HANG_LIMIT_S = 30.0
DEATH_LIMIT_S = 1.0
INTERVAL_S = 1.0
LONGEST_PREFILL_S = 25.0
LONGEST_404_S = 45.0
LONGEST_SCRAPE_GAP_S = 20.0
BETWEEN_GAPS_S = 5.0
TOKENS_PER_S = 900
GIVE_UP_S = 300.0
JUST_LATE_S = 4.0

Load = Literal["full queue", "changing load", "idle", "no counters"]
Fault = Literal[
    "no tokens", "no tokens, stale heartbeat", "no tokens, no counters", "nothing answers", "canary gets 500",
    "everybody gets 429", "worker dies", "server dies",
]  # fmt: skip
LOADS: tuple[Load, ...] = ("full queue", "changing load", "idle", "no counters")
HANGS: tuple[Fault, ...] = (
    "no tokens", "no tokens, stale heartbeat", "no tokens, no counters", "nothing answers", "canary gets 500",
    "everybody gets 429",
)  # fmt: skip
DEATHS: tuple[Fault, ...] = ("worker dies", "server dies")
ALARMS: tuple[State, ...] = ("hung", "dead", "weights-cleared")


class Alarm(NamedTuple):
    """A state that would wake somebody."""

    at: float
    verdict: Verdict


class Service:
    """What is true at a moment. Everything is drawn when it begins, so that asking changes nothing."""

    def __init__(self, load: Load, rng: random.Random) -> None:
        self.rng = rng
        self.load = load
        self.at = 0.0
        self.fault: Fault | None = None
        self.fault_at = float("inf")
        self.tokens = self.finished = 0.0
        self.running = self.waiting = 0
        self.silent_until = self.stale_until = self.scrape_gap_until = self.health_gap_until = 0.0
        self.leaks_until = 0.0
        self.hides_requests = False
        self.stale_since = float("-inf")
        self.gone = 0
        self._load_until = 0.0

    @property
    def is_hung(self) -> bool:
        return self.fault is not None

    def pass_time(self, at: float) -> None:
        """Up to `at`: what happens by itself, and the tokens that come."""
        seconds, self.at = at - self.at, at
        if self.is_hung:
            return
        self._change_load()
        if at >= self.silent_until:
            if self.running:
                self.tokens += TOKENS_PER_S * seconds * self.rng.uniform(0.3, 1.0) * self.running / 32
                self.finished += self.rng.random() < seconds * self.running / 10
            if self._happens(seconds, every_s=40) and self.running:
                is_long = self.rng.random() < 0.1
                self.silent_until = at + self.rng.uniform(0.2, LONGEST_PREFILL_S if is_long else 3.0)
        if self._happens(seconds, every_s=1200):
            self.stale_since, self.stale_until = at, at + self.rng.uniform(1, LONGEST_404_S)
        if self._happens(seconds, every_s=900) and at > self.scrape_gap_until + BETWEEN_GAPS_S:
            self.scrape_gap_until = at + self.rng.uniform(2, LONGEST_SCRAPE_GAP_S)
        if self._happens(seconds, every_s=900) and at > self.health_gap_until + BETWEEN_GAPS_S:
            self.health_gap_until = at + self.rng.uniform(1, LONGEST_SCRAPE_GAP_S)
        if self._happens(seconds, every_s=4 * 3600):
            self.tokens = self.finished = 0.0
        if self._happens(seconds, every_s=4 * 3600):
            self.gone += 1
        if self._happens(seconds, every_s=8 * 3600):
            self.leaks_until = at + 3600

    def strike(self, fault: Fault) -> None:
        """From now on it hangs in this way."""
        self.fault, self.fault_at = fault, self.at
        self.hides_requests = self.rng.random() < 0.5
        if fault == "no tokens, stale heartbeat":
            # A heartbeat is late once it is 30 s old.
            self.stale_until = float("inf")
        if fault == "worker dies":
            self.gone += 1

    def health(self) -> int | None:
        """None: it says nothing until the asker gives up."""
        if self.fault == "nothing answers" or (not self.is_hung and self.at < self.health_gap_until):
            return None
        is_late = self.fault == "no tokens, stale heartbeat" and self.at - self.fault_at < 30
        return 404 if self.at < self.stale_until and not is_late else 200

    def counters(self, canaries: int) -> Counters | None:
        """With the canary that is under way, as an engine counts it; some that hang count nobody."""
        canaries = 0 if self.is_hung and self.hides_requests else canaries
        if self.load == "no counters" or self.fault in ("nothing answers", "no tokens, no counters"):
            return None
        if not self.is_hung and (self.at < self.scrape_gap_until or self.rng.random() < 0.01):
            return None
        leaked = 1 if self.at < self.leaks_until else 0
        return Counters(self.tokens, self.finished, self.running + leaked + canaries, self.waiting)

    def canary_takes_s(self) -> float | None:
        """Seconds until its token; None for a refusal with 429."""
        rest = max(0.0, self.silent_until - self.at)
        if self.load == "no counters":
            return min(LONGEST_PREFILL_S, rest + self.rng.uniform(0.05, 1.0))
        if not self.waiting:
            return rest + self.rng.uniform(0.05, 0.5)
        return None if self.rng.random() < 0.5 else rest + self.rng.uniform(20, 300)

    def _change_load(self) -> None:
        if self.at < self._load_until:
            return
        self._load_until = self.at + self.rng.expovariate(1 / 120)
        full = (32, self.rng.randint(8, 200))
        some = (self.rng.randint(1, 31), 0)
        choices = {"full queue": (full,), "changing load": (full, some, (0, 0)), "idle": ((0, 0),),
                   "no counters": (some, (0, 0))}  # fmt: skip
        was_idle = not self.running
        self.running, self.waiting = self.rng.choice(choices[self.load])
        # Never on the heels of another one: then there is a token between two of them.
        if was_idle and self.running and self.at >= self.silent_until and self.rng.random() < 0.2:
            self.silent_until = self.at + self.rng.uniform(0.2, LONGEST_PREFILL_S)

    def _happens(self, seconds: float, *, every_s: float) -> bool:
        return self.rng.random() < seconds / every_s


class Watcher:
    """Asks as `serve.vitals` does, with answers that come after a while, and feeds the machine."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.watch = Watch(0.0, is_proven=True)
        self.verdict = Verdict("alive", "")
        self._health_asked = self._scrape_asked = float("-inf")
        self._health_due: tuple[float, Health] | None = None
        self._scrape_due: tuple[float, Counters | None] | None = None
        self._canary_sent: float | None = None
        self._canary_due: tuple[float, Canary] | None = None
        self._is_queued = False
        self.canaries = 0

    def look(self, at: float) -> Verdict:
        service = self.service
        seen = Seen(
            at,
            leader_lives=service.fault != "server dies",
            gone=tuple(f"process {number}" for number in range(service.gone)),
            health=self._health(at),
            counters=self._scrape(at),
            canary=self._canary(at),
            canary_sent=self._canary_sent,
        )
        self.verdict = self.watch.look(seen)
        return self.verdict

    def _health(self, at: float) -> Health | None:
        answer = None
        if self._health_due and at >= self._health_due[0]:
            answer, self._health_due = self._health_due[1], None
        if self._health_due is None and at - self._health_asked >= INTERVAL_S:
            status = self.service.health()
            self._health_asked = at
            self._health_due = (at + (HEALTH_S if status is None else 0.01), Health(status, at))
        return answer

    def _scrape(self, at: float) -> Counters | None:
        answer = None
        if self._scrape_due and at >= self._scrape_due[0]:
            answer, self._scrape_due = self._scrape_due[1], None
        if self._scrape_due is None and at - self._scrape_asked >= INTERVAL_S:
            found = self.service.counters(int(self._canary_sent is not None))
            self._scrape_asked = at
            self._scrape_due = (at + (METRICS_S if found is None else 0.01), found)
        return answer

    def _canary(self, at: float) -> Canary | None:
        answer = None
        if self._canary_sent is not None and self.service.is_hung and self._canary_sent < self.service.fault_at:
            # It was on its way when everything stopped.
            self._canary_due = self._fate(self._canary_sent)
            self._canary_sent = None if self._canary_due[0] <= at else self._canary_sent
        if self._canary_due and self._canary_sent is not None and self._is_let_through():
            self._is_queued = False
            self._canary_due = (at + (self.service.canary_takes_s() or 0), Canary("token", self._canary_sent))
        if self._canary_due and at >= self._canary_due[0]:
            answer, self._canary_due, self._canary_sent = self._canary_due[1], None, None
        if self.verdict.wants_canary and self._canary_sent is None and self._canary_due is None:
            self.canaries += 1
            self._canary_sent = at
            self._canary_due = self._fate(at)
            self._is_queued = self.service.waiting > 0
        return answer

    def _is_let_through(self) -> bool:
        """Whether the queue it stands in was worked off sooner than thought."""
        return self._is_queued and not self.service.is_hung and not self.service.waiting

    def _fate(self, sent_at: float) -> tuple[float, Canary]:
        fault = self.service.fault
        if fault == "canary gets 500":
            return sent_at + 0.1, Canary("failed", sent_at, "HTTP 500")
        if fault == "everybody gets 429":
            return sent_at + 0.1, Canary("busy", sent_at, "HTTP 429")
        takes_s = self.service.canary_takes_s() if fault is None else float("inf")
        if takes_s is None:
            return sent_at + 0.1, Canary("busy", sent_at, "HTTP 429")
        if takes_s >= CANARY_S:
            return sent_at + CANARY_S, Canary("failed", sent_at, "the server said nothing")
        return sent_at + takes_s, Canary("token", sent_at)


def day(load: Load, hours: float, seed: int) -> tuple[list[Alarm], int]:
    """A day without a hang: the alarms it raised, and how many canaries it sent."""
    service = Service(load, random.Random(seed))
    watcher = Watcher(service)
    alarms: list[Alarm] = []
    before: State = "alive"
    for step in range(int(hours * 3600 / LOOK_S)):
        at = step * LOOK_S
        service.pass_time(at)
        verdict = watcher.look(at)
        if verdict.state in ALARMS and verdict.state != before:
            alarms.append(Alarm(at, verdict))
        before = verdict.state
    return alarms, watcher.canaries


def seen_after_s(load: Load, fault: Fault, seed: int) -> float:
    """Seconds from the hang to the alarm; infinite when there was none."""
    rng = random.Random(seed)
    service = Service(load, rng)
    watcher = Watcher(service)
    strikes_at = rng.uniform(30, 900)
    wanted: tuple[State, ...] = (*ALARMS, "degraded") if fault in DEATHS else ALARMS
    for step in range(int((strikes_at + GIVE_UP_S) / LOOK_S)):
        at = step * LOOK_S
        service.pass_time(at)
        if not service.is_hung and at >= strikes_at and _may_strike(service):
            service.strike(fault)
        if watcher.look(at).state in wanted and service.is_hung:
            return at - service.fault_at
    return float("inf")


def _may_strike(service: Service) -> bool:
    """Half of the hangs begin in a silence. None with a late heartbeat: those two look the same, and get 60 s."""
    is_late = service.at - service.stale_since < JUST_LATE_S
    return not is_late and (service.at >= service.silent_until or service.rng.random() < 0.5)


def main() -> int:
    """Print alarms and times against their limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--hangs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    began = time.monotonic()
    fine = True
    for load in LOADS:
        alarms, canaries = day(load, chosen.hours, chosen.seed)
        fine &= not alarms
        a_day = round(canaries * 24 / chosen.hours)
        print(f"{chosen.hours:g} h, {load}: {len(alarms)} false alarms (limit 0), {a_day} canaries a day")
        for alarm in alarms[:3]:
            print(f"    at {alarm.at:.1f} s: {alarm.verdict.state}: {alarm.verdict.reason}")
    for fault in (*HANGS, *DEATHS):
        limit = DEATH_LIMIT_S if fault in DEATHS else HANG_LIMIT_S
        for load in LOADS:
            if fault == "everybody gets 429" and load == "no counters":
                continue  # that is what a full queue looks like from outside, and nothing tells them apart
            times = [seen_after_s(load, fault, chosen.seed * 1000 + number) for number in range(chosen.hangs)]
            fine &= max(times) <= limit
            print(
                f"{fault}, {load}: {sum(one <= limit for one in times)} of {len(times)} within {limit:g} s, "
                f"median {statistics.median(times):.1f} s, worst {max(times):.1f} s"
            )
    print(f"{'all within limits' if fine else 'LIMITS MISSED'}; took {time.monotonic() - began:.0f} s")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
