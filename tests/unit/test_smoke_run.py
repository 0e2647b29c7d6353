"""All probes run, and a verdict is never better than what was seen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from ernie_deploy.client import Client, Endpoint
from ernie_deploy.client.wire import Chunk, Reply, Sent
from ernie_deploy.errors import UsageError, VerifyError
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped, unsupported
from ernie_deploy.smoke.registry import PROBES
from ernie_deploy.smoke.run import Outcome, interrupted, require_budget, run, select, why_failed
from ernie_deploy.smoke.target import Log, Target

KEY = "sk-very-secret"


class Echo:
    """A wire that answers every request with itself, headers included, as a careless proxy would."""

    @contextmanager
    def open(self, sent: Sent) -> Iterator[Reply]:
        body = f"{sent.label} {sent.method} {sent.path} Authorization: Bearer {sent.api_key}".encode()
        yield Reply(418, {}, "http://127.0.0.1:9" + sent.path, iter([Chunk(0.1, body), Chunk(0.2, b"")]))

    def observe(self, _label: str, _name: str, look: Callable[[], object]) -> object:
        return look()

    def close(self) -> None:
        pass


def target(now: Callable[[], float] = lambda: 0.0, *, key: str = "") -> Target:
    client = Client(Endpoint("http://127.0.0.1:9", "any", key), wire=Echo())
    return Target(client, "unknown", "contract", seed=1, timeout_s=5, now=now)


def passes(asked: Target) -> Judgement:
    asked.get("/health")
    return passed("seen")


def breaks(_target: Target) -> Judgement:
    raise VerifyError("it is broken", hint="mend it", details="evidence")


GOOD = Probe("good", "a good one", "fast", passes)
BAD = Probe("bad", "a bad one", "full", breaks, needs=("chat",))


def outcomes(*probes: Probe, asked: Target | None = None, retries: int = 0) -> tuple[Outcome, ...]:
    return tuple(run(probes, asked or target(), retries=retries))


def test_an_error_in_a_probe_is_a_fail_and_the_others_still_run() -> None:
    bad, good = outcomes(BAD, GOOD)
    assert (bad.verdict, bad.message, bad.hint) == ("fail", "it is broken", "mend it")
    assert bad.evidence == {"details": "evidence"}
    assert good.verdict == "pass"


def test_an_engine_is_asked_for_the_likeliest_token_in_its_own_words() -> None:
    assert "top_p" not in target().request("hello")
    fastdeploy = msgspec.structs.replace(target(), engine="fastdeploy")
    assert (fastdeploy.request("hello")["temperature"], fastdeploy.request("hello")["top_p"]) == (0, 0)
    assert fastdeploy.request("hello", top_p=7)["top_p"] == 7


def test_a_bug_in_a_probe_is_not_a_verdict() -> None:
    def is_buggy(_target: Target) -> Judgement:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        outcomes(Probe("buggy", "", "fast", is_buggy))


def test_a_pass_of_a_probe_that_asked_nothing_is_a_fail() -> None:
    (outcome,) = outcomes(Probe("idle", "", "fast", lambda _target: passed("all is well")))
    assert (outcome.verdict, outcome.message) == (
        "fail",
        "this is no pass, because nothing was asked: all is well",
    )


def test_unsupported_without_who_says_so_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="nobody says so"):
        unsupported("it cannot", "")
    with pytest.raises(ValueError, match="without a message"):
        skipped("")


@pytest.mark.parametrize(
    ("chosen", "verdicts"),
    [
        ({"only": ["good"]}, ["skip", "pass"]),
        ({"skip": ["chat"]}, ["skip", "pass"]),
        ({"skip": ["fast"]}, ["fail", "skip"]),
        ({"tier": "fast"}, ["skip", "pass"]),
        ({"tier": "fast", "only": ["bad"]}, ["fail", "skip"]),
        ({}, ["fail", "pass"]),
    ],
)
def test_what_is_left_out_is_shown_as_skipped(chosen: dict[str, Any], verdicts: list[str]) -> None:
    selection = select((BAD, GOOD), **chosen)
    found = tuple(run((BAD, GOOD), target(), selection))
    assert [outcome.verdict for outcome in found] == verdicts
    assert all("left out by" in outcome.message for outcome in found if outcome.verdict == "skip")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no probe, tier or need is called 'images'") as caught:
        select(PROBES, only=["images"])
    assert "image" in caught.value.hint


def test_a_choice_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="leave no probe to run"):
        select((BAD, GOOD), only=["bad"], skip=["chat"])


def test_a_probe_that_outlives_its_deadline_fails() -> None:
    times = iter([0.0, 0.0, 6.0, 6.0])

    def is_slow(seen: Target) -> Judgement:
        seen.remaining_s()
        return passed("late")

    (outcome,) = outcomes(Probe("slow", "", "fast", is_slow), asked=target(lambda: next(times)))
    assert (outcome.verdict, outcome.seconds) == ("fail", 6.0)
    assert outcome.message == "the probe was not done after 5 s"


@pytest.mark.parametrize(
    ("own_s", "asked_s", "limit_s"),
    [(120.0, None, 120.0), (300.0, None, 300.0), (300.0, 60.0, 60.0), (120.0, 900.0, 900.0), (10.0, 900.0, 10.0)],
)
def test_a_run_may_give_all_probes_more_time_or_less_but_those_that_are_short_on_purpose(
    own_s: float, asked_s: float | None, limit_s: float
) -> None:
    given: list[float | None] = []

    def notes(seen: Target) -> Judgement:
        given.append(seen.timeout_s)
        return passes(seen)

    outcomes(
        Probe("noted", "", "fast", notes, timeout_s=own_s), asked=msgspec.structs.replace(target(), timeout_s=asked_s)
    )
    assert given == [limit_s]


@pytest.mark.parametrize(
    ("need", "reason"),
    [("key", "ERNIE_DEPLOY_API_KEY"), ("metrics", "--metrics-url"), ("length", "--max-model-len")],
)
def test_a_probe_that_would_mean_nothing_is_skipped_with_what_is_missing(need: str, reason: str) -> None:
    probe = msgspec.convert(msgspec.structs.asdict(GOOD) | {"needs": (need,)}, Probe)
    (outcome,) = outcomes(probe)
    assert outcome.verdict == "skip"
    assert reason in outcome.message


def test_a_run_in_which_nothing_passed_is_a_failure() -> None:
    skip = Outcome("a", "", "skip", "")
    unknown = Outcome("b", "", "unsupported", "")
    assert why_failed((skip, unknown)) == "nothing was proved: no probe passed"
    assert why_failed(()) == "nothing was proved: no probe passed"


def test_a_run_fails_by_name_and_on_what_it_was_told_to_fail_on() -> None:
    found = outcomes(BAD, GOOD)
    assert why_failed(found) == "1 of 2 probes failed: bad"
    assert why_failed(found[1:]) is None
    with_others = (*found[1:], Outcome("b", "", "unsupported", ""), Outcome("c", "", "skip", ""))
    assert why_failed(with_others) is None
    assert why_failed(with_others, ("unsupported",)) == "1 of 3 probes are unsupported: b"
    assert why_failed(with_others, ("skip",)) == "1 of 3 probes did not run: c"


def test_nothing_is_tried_again_unless_asked_and_a_late_pass_says_so() -> None:
    answers = iter([failed("not yet"), failed("not yet"), passed("now")])

    def wavers(asked: Target) -> Judgement:
        asked.get("/health")
        return next(answers)

    probe = Probe("wavers", "", "fast", wavers)
    assert [(one.verdict, one.attempts) for one in outcomes(probe)] == [("fail", 1)]
    (late,) = outcomes(probe, retries=3)
    assert (late.verdict, late.attempts, late.message) == ("pass", 2, "now (attempt 2; before: not yet)")


def test_what_an_interrupted_run_did_not_come_to_did_not_run() -> None:
    (rest,) = interrupted((BAD, GOOD), outcomes(GOOD))
    assert (rest.id, rest.verdict, rest.message) == ("bad", "skip", "the run was interrupted before it")


def test_a_budget_that_cannot_be_answered_is_refused_with_the_smallest_that_works() -> None:
    hungry = msgspec.structs.replace(BAD, id="hungry", least_tokens={"model": 900})
    chosen = select((BAD, hungry))
    with pytest.raises(UsageError, match="--max-tokens 16 is too few") as caught:
        require_budget((BAD, hungry), chosen, "model", 16)
    assert caught.value.hint == "the smallest that works for these probes is --max-tokens 900"
    require_budget((BAD, hungry), chosen, "model", 900)
    require_budget((BAD, hungry), chosen, "model", 0)
    require_budget((GOOD,), select((GOOD,)), "model", 1)


def test_the_key_is_in_no_exchange_even_when_the_server_echoes_it() -> None:
    def asks_three_ways(asked: Target) -> Judgement:
        asked.get("/health")
        asked.get("/health", api_key="")
        asked.get("/health", api_key="sk-wrong")
        return passed("asked")

    (outcome,) = outcomes(Probe("keys", "", "fast", asks_three_ways), asked=target(key=KEY))
    assert [exchange.key for exchange in outcome.exchanges] == ["given", "none", "other"]
    assert outcome.exchanges[0].answer == "keys#1 GET /health Authorization: Bearer ***"
    assert KEY not in str(outcome)


def test_what_a_probe_draws_does_not_depend_on_the_others() -> None:
    asked = target()
    first = asked.for_probe("image", 5).rng.random()
    asked.for_probe("text", 5).rng.random()
    assert asked.for_probe("image", 5).rng.random() == first
    assert asked.for_probe("chart", 5).rng.random() != first


def test_pictures_leave_the_request_and_are_kept_once() -> None:
    log = Log()
    url = "data:image/png;base64,AAAA"
    assert log.put_aside({"parts": [{"url": url}, {"url": url}]}) == {
        "parts": [{"url": "picture 0"}, {"url": "picture 0"}]
    }
    assert [(picture.media_type, picture.data) for picture in log.pictures] == [("image/png", b"\0\0\0")]
    assert log.put_aside("data:image/png;base64,no base64") == "data:image/png;base64,no base64"


def test_every_probe_has_an_id_of_its_own_and_says_what_it_proves() -> None:
    assert len({probe.id for probe in PROBES}) == len(PROBES)
    assert all(probe.title for probe in PROBES)
