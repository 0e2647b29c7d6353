"""All probes run, and a verdict is never better than what was seen."""

import random
from collections.abc import Callable

import pytest

from ernie_deploy.client import Client, Endpoint
from ernie_deploy.errors import UsageError, VerifyError
from ernie_deploy.smoke.base import Judgement, Outcome, Probe, Target, run, shortened, why_failed
from ernie_deploy.smoke.registry import PROBES


def target(now: Callable[[], float] = lambda: 0.0) -> Target:
    client = Client(Endpoint("http://127.0.0.1:9"))
    return Target(client, "unknown", "contract", random.Random(1), deadline_s=5, now=now)


def passes(_target: Target) -> Judgement:
    return Judgement("pass", "seen")


def breaks(_target: Target) -> Judgement:
    raise VerifyError("it is broken", hint="mend it", details="evidence")


GOOD = Probe("good", "a good one", "alive", passes)
BAD = Probe("bad", "a bad one", "answers", breaks)


def test_an_error_in_a_probe_is_a_fail_and_the_others_still_run() -> None:
    bad, good = run((BAD, GOOD), target())
    assert (bad.verdict, bad.message, bad.hint) == ("fail", "it is broken", "mend it")
    assert bad.evidence == {"details": "evidence"}
    assert good.verdict == "pass"


def test_a_bug_in_a_probe_is_not_a_verdict() -> None:
    def is_buggy(_target: Target) -> Judgement:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run((Probe("buggy", "", "alive", is_buggy),), target())


def test_what_is_left_out_is_shown_as_skipped() -> None:
    assert [outcome.verdict for outcome in run((BAD, GOOD), target(), only=["good"])] == ["skip", "pass"]
    assert [outcome.verdict for outcome in run((BAD, GOOD), target(), skip=["answers"])] == ["skip", "pass"]


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no probe or tier is called images") as caught:
        run(PROBES, target(), only=["images"])
    assert "error-shape" in caught.value.hint


def test_a_probe_that_outlives_its_deadline_fails() -> None:
    times = iter([0.0, 6.0, 6.0])

    def is_slow(seen: Target) -> Judgement:
        seen.remaining_s()
        return Judgement("pass", "late")

    (outcome,) = run((Probe("slow", "", "alive", is_slow),), target(lambda: next(times)))
    assert (outcome.verdict, outcome.seconds) == ("fail", 6.0)
    assert outcome.message == "the probe was not done after 5 s"


def test_a_run_in_which_nothing_passed_is_a_failure() -> None:
    skipped = Outcome("a", "", "skip", "")
    unsupported = Outcome("b", "", "unsupported", "")
    assert why_failed((skipped, unsupported)) == "nothing was proved: no probe passed"
    assert why_failed(()) == "nothing was proved: no probe passed"


def test_a_run_fails_by_name() -> None:
    outcomes = run((BAD, GOOD), target())
    assert why_failed(outcomes) == "1 of 2 probes failed: bad"
    assert why_failed(outcomes[1:]) is None


def test_evidence_does_not_carry_whole_pictures() -> None:
    assert shortened({"parts": [{"url": "x" * 5000}]}) == {"parts": [{"url": "x" * 80 + "… (5000 characters)"}]}


def test_every_probe_has_an_id_of_its_own_and_says_what_it_proves() -> None:
    assert len({probe.id for probe in PROBES}) == len(PROBES) == 8
    assert all(probe.title for probe in PROBES)
