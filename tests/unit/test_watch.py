"""What counts as alive, as busy, as hung, as dead: the state machine with a clock of our own."""

from collections.abc import Callable

import pytest

from ernie_deploy.client.metrics import Counters
from ernie_deploy.serve.vitals import title
from ernie_deploy.serve.watch import Canary, Health, Limits, Outcome, Seen, Verdict, Watch

STEP_S = 0.5
LIMIT_S = 30.0


class World:
    """A service as functions of the seconds since the watch began. A canary takes `canary_s`; None: for ever."""

    def __init__(
        self,
        *,
        health: Callable[[float], int | None] = lambda _: 200,
        counters: Callable[[float], Counters | None] = lambda _: None,
        canary_s: Callable[[float], float | None] = lambda _: 0.2,
        outcome: Callable[[float], Outcome] = lambda _: "token",
        leader: Callable[[float], bool] = lambda _: True,
        gone: Callable[[float], tuple[str, ...]] = lambda _: (),
        speaks: Callable[[float], bool] = lambda _: False,
        is_proven: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self._health, self._counters, self._leader, self._gone = health, counters, leader, gone
        self._canary_s, self._outcome, self._speaks = canary_s, outcome, speaks
        self._watch = Watch(0.0, is_proven=is_proven, limits=limits)
        self.sent: list[float] = []
        self.verdicts: list[tuple[float, Verdict]] = []

    def run(self, seconds: float) -> "World":
        sent_at: float | None = None
        for step in range(int(seconds / STEP_S)):
            at = step * STEP_S
            canary = None
            takes_s = None if sent_at is None else self._canary_s(sent_at)
            if sent_at is not None and takes_s is not None and at >= sent_at + takes_s:
                canary, sent_at = Canary(self._outcome(at), sent_at, "HTTP 500" * (self._outcome(at) == "failed")), None
            whole = at == int(at)
            seen = Seen(
                at,
                leader_lives=self._leader(at),
                gone=self._gone(at),
                health=Health(self._health(at), at) if whole else None,
                counters=self._counters(at) if whole else None,
                canary=canary,
                canary_sent=sent_at,
                canary_speaks=sent_at is not None and self._speaks(at),
            )
            verdict = self._watch.look(seen)
            self.verdicts.append((at, verdict))
            if verdict.wants_canary and sent_at is None:
                sent_at = at
                self.sent.append(at)
        return self

    def first(self, state: str) -> float | None:
        return next((at for at, verdict in self.verdicts if verdict.state == state), None)

    @property
    def states(self) -> set[str]:
        return {verdict.state for _, verdict in self.verdicts}

    @property
    def last(self) -> Verdict:
        return self.verdicts[-1][1]


def full_queue(tokens: Callable[[float], float]) -> Callable[[float], Counters]:
    return lambda at: Counters(tokens(at), 0, 32, 100)


def never(_: float) -> None:
    return None


def stopping(at: float, since: float = 100.0) -> float:
    """Tokens that come until a moment, and no more."""
    return 900 * min(at, since)


# Alive ----------------------------------------------------------------------------------------------------------------


def test_an_idle_service_is_proven_alive_by_canaries_and_only_now_and_then() -> None:
    world = World(counters=lambda _: Counters(5, 1, 0, 0)).run(600)
    assert world.states == {"alive"}
    assert 40 < len(world.sent) <= 1 + 600 / Limits().rest_after_s


def test_without_counters_a_canary_comes_more_often() -> None:
    assert 150 < len(World().run(600).sent) < 600 / Limits().canary_after_s


def test_the_canary_in_the_gauge_is_no_load() -> None:
    """Scrapes meet the one under way, and the echo of the one before."""

    def counted(at: float) -> Counters:
        return Counters(len(world.sent), 0, 1 if world.sent and at - world.sent[-1] <= 1 else 0, 0)

    world = World(counters=counted)
    assert len(world.run(600).sent) <= 2 + 600 / Limits().rest_after_s


def test_after_load_the_engine_rests_only_once_a_token_came_without_any() -> None:
    """Somebody asks for a pass of 25 s and hangs up after two."""

    def asked(at: float) -> Counters:
        return Counters(5, 1, 1 if 52 <= at < 54 else 0, 0)

    world = World(counters=asked, canary_s=lambda at: max(0.2, 77 - at) if at >= 52 else 0.2).run(200)
    assert "hung" not in world.states


def test_what_comes_right_after_the_canary_may_delay_it() -> None:
    """A prefill of 25 s begins in the same second as a canary to an engine at rest."""

    def joined(at: float) -> Counters:
        return Counters(5, 1, 2 if 46 < at < 71 else 0, 0)

    world = World(counters=joined, canary_s=lambda at: max(0.2, 71.5 - at) if at >= 46 else 0.2).run(300)
    assert 46 in world.sent
    assert "hung" not in world.states


def test_a_stall_after_the_first_token_is_a_hang_too() -> None:
    """The canary speaks, and never comes to its end."""
    world = World(
        counters=lambda _: Counters(5, 1, 0, 0),
        canary_s=lambda at: None if at >= 95 else 0.2,
        speaks=lambda at: at <= 100,
    ).run(200)
    at = world.first("hung")
    assert at is not None
    assert 110 < at <= 100 + LIMIT_S


def test_a_canary_that_speaks_now_and_then_is_alive() -> None:
    world = World(
        counters=lambda _: Counters(5, 1, 0, 0),
        canary_s=lambda at: 50 if at >= 50 else 0.2,
        speaks=lambda at: at % 5 == 0,
    ).run(200)
    assert world.states == {"alive"}


def test_a_prefill_that_interrupts_the_canarys_own_answer_is_no_hang() -> None:
    """Its first token came, and then 25 s of somebody else's prompt."""

    def joined(at: float) -> Counters:
        return Counters(5, 1, 2 if 47 < at < 73 else 0, 0)

    world = World(
        counters=joined, canary_s=lambda at: max(0.2, 73 - at) if at >= 46 else 0.2, speaks=lambda at: at == 47.5
    )
    assert "hung" not in world.run(200).states


def test_a_late_heartbeat_at_rest_is_asked_about_at_once() -> None:
    world = World(counters=lambda _: Counters(5, 1, 0, 0), health=lambda at: 404 if 55 <= at < 90 else 200).run(120)
    assert any(55 <= at <= 57 for at in world.sent)
    assert "hung" not in world.states


def test_a_short_patience_is_not_shared_with_rest() -> None:
    world = World(
        counters=lambda _: Counters(5, 1, 0, 0),
        canary_s=lambda at: None if at >= 50 else 0.2,
        limits=Limits(hang_after_s=10),
    ).run(100)
    at = world.first("hung")
    assert at is not None
    assert 60 <= at <= 50 + 10 + 4


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/opt/x/bin/python -I -S -u /opt/fd/worker_process.py --model /m", "python worker_process.py"),
        ("/opt/x/bin/python -m fastdeploy.api_server --model /m", "python -m fastdeploy.api_server"),
        ("VLLM::EngineCore", "VLLM::EngineCore"),
        ("", "process"),
    ],
)  # fmt: skip
def test_a_process_that_is_gone_is_called_by_what_it_ran(command: str, name: str) -> None:
    assert title(command) == name


def test_while_counters_move_nothing_is_asked() -> None:
    world = World(counters=full_queue(lambda at: 900 * at), canary_s=never).run(600)
    assert world.sent[1:] == []
    assert world.last.state == "busy"
    assert world.last.reason == "32 requests run, 100 wait"


@pytest.mark.parametrize("silence", [5, 15, 25])
def test_a_long_prefill_at_a_full_queue_is_no_hang(silence: int) -> None:
    def tokens(at: float) -> float:
        return (at // (silence + 5)) * 1000 + max(0.0, at % (silence + 5) - silence) * 100

    assert "hung" not in World(counters=full_queue(tokens), canary_s=never).run(900).states


def test_a_late_heartbeat_is_no_alarm_while_tokens_come() -> None:
    world = World(health=lambda at: 404 if 50 < at < 95 else 200, counters=full_queue(lambda at: 900 * at)).run(200)
    assert world.states <= {"alive", "busy"}


def test_a_late_heartbeat_that_comes_with_the_silence_gets_a_minute() -> None:
    """45 s of 404 without a token, and all is well again."""

    def tokens(at: float) -> float:
        return 900 * (at if at < 60 else max(60, at - 47))

    world = World(health=lambda at: 404 if 58 < at < 105 else 200, counters=full_queue(tokens), canary_s=never)
    assert "hung" not in world.run(300).states
    for_ever = World(
        health=lambda at: 404 if at > 58 else 200, counters=full_queue(lambda at: stopping(at, 60)), canary_s=never
    ).run(300)
    hung_at = for_ever.first("hung")
    assert hung_at is not None
    assert 119 <= hung_at <= 122


def test_404_while_tokens_came_excuses_no_silence_after_it() -> None:
    world = World(health=lambda at: 404 if 80 < at < 125 else 200, counters=full_queue(stopping), canary_s=never).run(
        200
    )
    at = world.first("hung")
    assert at is not None
    assert at <= 100 + LIMIT_S


def test_429_is_busy_while_counters_move() -> None:
    world = World(counters=full_queue(lambda at: 900 * at), outcome=lambda _: "busy").run(200)
    assert world.states <= {"alive", "busy"}


def test_scrapes_that_fail_are_no_hang() -> None:
    def gaps(at: float) -> Counters | None:
        return None if at % 60 < 20 else Counters(900 * at, 0, 32, 100)

    assert "hung" not in World(counters=gaps, canary_s=lambda _: 120.0).run(900).states


def test_a_gauge_that_leaks_is_no_hang() -> None:
    world = World(counters=lambda _: Counters(5, 1, 1, 0)).run(300)
    assert "hung" not in world.states
    assert len(world.sent) > 10


def test_who_comes_on_top_of_a_leaking_gauge_waits_from_then_on() -> None:
    """The gauge says for ever that one request runs; then somebody asks for a pass of 25 s."""

    def leaking(at: float) -> Counters:
        return Counters(5, 1, 1 + (210 <= at < 235), 0)

    world = World(counters=leaking, canary_s=lambda at: max(0.2, 235 - at) if at >= 210 else 0.2).run(400)
    assert "hung" not in world.states


@pytest.mark.parametrize("refusal", [None, "busy", "failed"])
def test_a_hang_behind_a_leaking_gauge_is_found(refusal: Outcome | None) -> None:
    world = World(
        counters=lambda _: Counters(5, 1, 1, 0),
        canary_s=lambda at: None if at >= 190 and refusal is None else 0.2,
        outcome=lambda at: refusal if at >= 190 and refusal else "token",
    ).run(300)
    at = world.first("hung")
    assert at is not None
    assert at <= 190 + LIMIT_S


def test_requests_that_end_without_a_token_prove_nothing() -> None:
    world = World(
        counters=lambda at: Counters(min(at, 20), at, 1, 0), outcome=lambda at: "failed" if at >= 20 else "token"
    )
    at = world.run(100).first("hung")
    assert at is not None
    assert at <= 20 + LIMIT_S


def test_where_tokens_are_not_counted_requests_that_end_are_life() -> None:
    world = World(counters=lambda at: Counters(0, at // 10, 32, 100), canary_s=never)
    assert "hung" not in world.run(300).states


def test_counters_that_start_anew_prove_nothing_and_break_nothing() -> None:
    world = World(counters=full_queue(lambda at: 900 * (at % 100)), canary_s=never).run(600)
    assert world.states <= {"alive", "busy"}


def test_a_canary_that_is_refused_says_so_and_is_no_hang() -> None:
    world = World(outcome=lambda _: "refused").run(100)
    assert "hung" not in world.states
    assert world.last.state == "suspect"
    assert world.last.reason.startswith("no token is proven")


# Hung -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "world",
    [
        World(counters=full_queue(stopping), canary_s=lambda at: None if at > 80 else 0.2),
        World(counters=lambda _: Counters(5, 1, 0, 0), canary_s=lambda at: None if at >= 99 else 0.2),
        World(canary_s=lambda at: None if at >= 99 else 0.2),
        World(outcome=lambda at: "failed" if at >= 100 else "token"),
        World(counters=full_queue(stopping), outcome=lambda at: "busy" if at >= 100 else "token"),
        World(
            counters=lambda at: Counters(stopping(at), 0, 32, 9) if at < 100 else None,
            canary_s=lambda at: None if at > 80 else 0.2,
        ),
        World(health=lambda at: None if at >= 100 else 200, outcome=lambda at: "failed" if at >= 100 else "token"),
        World(health=lambda at: 404 if at >= 130 else 200, canary_s=lambda at: None if at >= 99 else 0.2),
    ],
    ids=["full queue", "idle", "no counters", "canary gets 500", "429", "counters vanish", "nobody answers", "404"],
)
def test_a_hang_is_found_within_the_limit_and_not_before_it_is_one(world: World) -> None:
    at = world.run(300).first("hung")
    assert at is not None
    assert 110 < at <= 100 + LIMIT_S
    assert world.first("suspect") is not None
    assert world.last.state == "hung"


def test_a_hang_that_ends_is_over() -> None:
    def tokens(at: float) -> float:
        return stopping(at, 50) + max(0.0, at - 150) * 900

    world = World(counters=full_queue(tokens), canary_s=never).run(200)
    assert world.first("hung") is not None
    assert world.last.state == "busy"


def test_what_the_canary_was_told_is_in_the_reason() -> None:
    world = World(outcome=lambda at: "failed" if at >= 20 else "token").run(100)
    assert world.last.reason.startswith("no token for ")
    assert "(/health says 200): HTTP 500" in world.last.reason


# Loading, cleared, degraded, dead -------------------------------------------------------------------------------------


def test_a_service_that_was_never_ready_is_loading_whatever_it_says() -> None:
    world = World(health=lambda at: None if at < 100 else 404 if at < 200 else 304, is_proven=False).run(300)
    assert world.states == {"loading"}
    assert world.sent == []


def test_a_token_ends_the_loading() -> None:
    world = World(health=lambda at: 200 if at > 50 else None, is_proven=False).run(100)
    assert world.verdicts[10][1].state == "loading"
    assert world.last.state == "alive"


def test_304_that_lasts_is_weights_cleared_and_not_dead() -> None:
    def is_cleared(at: float) -> bool:
        return 50 <= at < 80

    world = World(
        health=lambda at: 304 if is_cleared(at) else 200, outcome=lambda at: "busy" if is_cleared(at) else "token"
    ).run(150)
    assert world.first("weights-cleared") == 60
    assert world.last.state == "alive"
    assert not world.states & {"hung", "dead", "suspect"}


def test_a_worker_that_is_gone_is_said_at_once() -> None:
    world = World(gone=lambda at: ("worker 0",) if at >= 50 else (), canary_s=lambda at: None if at >= 49 else 0.2)
    world.run(60)
    assert world.first("degraded") == 50
    assert world.last.reason == "gone: worker 0; no token has come since"


def test_a_helper_that_ended_is_forgotten_once_a_token_came_without_it() -> None:
    world = World(gone=lambda at: ("helper",) if at >= 50 else ()).run(60)
    assert world.first("degraded") == 50
    assert world.last.state == "alive"
    loaded = World(
        gone=lambda at: ("helper",) if at >= 50 else (), counters=full_queue(lambda at: 900 * at), canary_s=never
    ).run(60)
    assert loaded.last.state == "busy"


def test_health_503_without_a_token_is_degraded() -> None:
    world = World(health=lambda at: 503 if at >= 50 else 200, canary_s=lambda at: None if at >= 49 else 0.2).run(65)
    assert world.first("degraded") == 60


def test_a_server_that_is_gone_is_dead_whatever_was_seen_before() -> None:
    world = World(leader=lambda at: at < 50, counters=full_queue(lambda at: 900 * at)).run(60)
    assert world.first("dead") == 50


def test_a_verdict_is_settled_once_something_was_seen() -> None:
    world = World(counters=full_queue(lambda at: 900 * at)).run(5)
    assert [verdict.is_settled for _, verdict in world.verdicts][:3] == [False, False, True]
    silent = World(canary_s=never).run(60)
    assert next(at for at, verdict in silent.verdicts if verdict.is_settled) == Limits().hang_after_s
