"""Waiting, with a clock of our own: what counts as ready, as dead, as stuck."""

import time
from collections.abc import Callable

import pytest

from ernie_deploy.engines.base import Stage
from ernie_deploy.errors import VerifyError
from ernie_deploy.serve.readiness import Ended, Patience, Progress, wait_until_ready

STAGES = (Stage("loading weights", r"Loading Weights: +\d+%"), Stage("serving", "Listening"))
PATIENCE = Patience(total_s=1000, no_progress_s=100)


class World:
    """An engine and its service, as scripts over the seconds of a clock that only moves when somebody sleeps."""

    def __init__(
        self,
        *,
        health: Callable[[float], int | None] = lambda _: None,
        token: Callable[[float], str] = lambda _: "ready",
        ended: Callable[[float], str | None] = lambda _: None,
        log: Callable[[float], list[str]] = lambda _: [],
        read: Callable[[float], int] = lambda _: 0,
    ) -> None:
        self.at = 0.0
        self.stages: list[str] = []
        self._health, self._token, self._ended, self._log, self._read = health, token, ended, log, read
        self.health_questions = 0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        # A token is asked for on a thread of its own: give it a moment of real time.
        time.sleep(0.002)
        self.at += seconds * 10

    def health(self) -> int | None:
        self.health_questions += 1
        return self._health(self.at)

    def first_token(self) -> str:
        return self._token(self.at)

    def how_it_ended(self) -> str | None:
        return self._ended(self.at)

    def new_lines(self) -> list[str]:
        return self._log(self.at)

    def bytes_read(self) -> int:
        return self._read(self.at)

    def observe(self, progress: Progress) -> None:
        self.stages.append(progress.stage)


def waited(world: World, patience: Patience = PATIENCE) -> Ended:
    return wait_until_ready(world, world, STAGES, patience, observe=world.observe, now=world.now, sleep=world.sleep)


def no_token(_: float) -> str:
    raise VerifyError("the answer ended without a token")


def never(_: float) -> str:
    time.sleep(30)
    return ""


def test_ready_is_health_200_and_a_token() -> None:
    world = World(health=lambda at: 200 if at > 30 else None)
    ended = waited(world)
    assert ended.problem == ""
    assert 30 < ended.after_s < 60
    assert world.stages == ["waiting for health 200", "waiting for the first token"]


def test_200_without_a_token_is_not_ready_and_says_so() -> None:
    ended = waited(World(health=lambda _: 200, token=no_token))
    assert ended.problem.startswith("no progress for ")
    assert ended.problem.endswith("while waiting for the first token: the answer ended without a token")


def test_a_request_that_hangs_is_not_ready_and_does_not_hang_us() -> None:
    ended = waited(World(health=lambda _: 200, token=never))
    assert ended.problem.endswith(": it accepts a request and generates nothing")


@pytest.mark.parametrize("status", [304, 404, 503])
def test_any_other_health_code_is_not_ready(status: int) -> None:
    ended = waited(World(health=lambda _: status))
    assert ended.problem.endswith(f"while waiting for health 200: /health says {status}, which is not ready")


def test_a_token_that_fails_at_first_is_asked_for_again() -> None:
    def token(at: float) -> str:
        return "ready" if at > 20 else no_token(at)

    assert waited(World(health=lambda _: 200, token=token)).problem == ""


def test_a_process_that_ended_is_reported_before_the_service_is_asked() -> None:
    world = World(health=lambda _: 200, ended=lambda _: "exit code 0")
    ended = waited(world)
    assert ended.exited
    assert ended.problem == "the engine ended by itself (exit code 0) while starting"
    assert world.health_questions == 0


def test_the_last_line_of_a_dying_engine_still_tells_the_stage() -> None:
    ended = waited(World(ended=lambda _: "exit code 1", log=lambda _: ["Loading Weights:  12%|#"]))
    assert ended.problem.endswith("while loading weights")


def test_a_slow_start_that_moves_is_waited_for_and_a_silent_one_is_not() -> None:
    def chatty(at: float) -> list[str]:
        return [f"Loading Weights:  {at / 10:.0f}%"] if at < 900 else []

    world = World(log=chatty, health=lambda at: 200 if at > 900 else None)
    assert waited(world).problem == ""
    silent = waited(World())
    assert silent.problem.startswith("no progress for 10")
    assert silent.problem.endswith("s while starting")


def test_reading_weights_is_progress_even_without_a_line() -> None:
    world = World(read=lambda at: int(at) << 20, health=lambda at: 200 if at > 500 else None)
    assert waited(world).problem == ""


def test_a_little_reading_is_no_progress() -> None:
    assert waited(World(read=lambda at: int(at))).problem.startswith("no progress")


def test_our_own_questions_in_the_log_are_no_progress() -> None:
    echo = World(health=lambda _: 304, log=lambda _: ['"GET /health HTTP/1.1" 304'])
    assert waited(echo).problem.startswith("no progress")


def test_the_whole_start_has_a_limit_too() -> None:
    ended = waited(World(log=lambda _: ["still at it"]), Patience(total_s=50, no_progress_s=100))
    assert ended.problem.startswith("not ready after 5")


def test_stages_are_told_once_each() -> None:
    world = World(
        log=lambda at: ["Loading Weights:  1%", "Loading Weights:  2%"] if at < 5 else ["Listening"] if at < 10 else [],
        health=lambda at: 200 if at > 20 else None,
    )
    waited(world)
    assert world.stages[:2] == ["loading weights", "serving"]
