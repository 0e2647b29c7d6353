"""Waiting, with a clock of our own: what counts as ready, as dead, as stuck."""

import re
import time
from collections.abc import Callable

import pytest

from ernie_deploy.client import Answer, RefusedError, Usage
from ernie_deploy.engines import fastdeploy, transformers, vllm
from ernie_deploy.engines.base import Stage
from ernie_deploy.errors import EngineError, VerifyError
from ernie_deploy.serve.proofs import (
    IMAGE_TOKENS,
    THINKING_TOKENS,
    Proof,
    named_otherwise,
    require_picture,
    require_split,
    wanted,
)
from ernie_deploy.serve.readiness import Ended, Patience, Progress, wait_until_ready
from tests.support.plans import a_plan

STAGES = (
    Stage("loading weights", r"Loading Weights: +(?P<percent>\d+)%"),
    Stage("loading layers", "Loading Layers"),
    Stage("serving", "Listening"),
)
PATIENCE = Patience(total_s=1000, no_progress_s=100)


class World:
    """An engine and its service, as scripts over the seconds of a clock that only moves when somebody sleeps."""

    def __init__(
        self,
        *,
        health: Callable[[float], int | None] = lambda _: None,
        token: Callable[[float], str] = lambda _: "",
        ended: Callable[[float], str | None] = lambda _: None,
        log: Callable[[float], list[str]] = lambda _: [],
        read: Callable[[float], int] = lambda _: 0,
        picture: Callable[[float], str] | None = None,
    ) -> None:
        self.at = 0.0
        self.stages: list[str] = []
        self.told: list[Progress] = []
        self._health, self._token, self._ended, self._log, self._read = health, token, ended, log, read
        self._picture = picture
        self.health_questions = 0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds * 10

    def health(self) -> int | None:
        self.health_questions += 1
        return self._health(self.at)

    def proofs(self) -> tuple[Proof, ...]:
        picture = self._picture
        token = Proof("waiting for the first token", lambda: self._token(self.at), is_patient=True)
        return (token, Proof("waiting for an image token", lambda: picture(self.at))) if picture else (token,)

    def how_it_ended(self) -> str | None:
        return self._ended(self.at)

    def new_lines(self) -> list[str]:
        return self._log(self.at)

    def bytes_read(self) -> int:
        return self._read(self.at)

    def observe(self, progress: Progress) -> None:
        self.stages.append(progress.stage)
        self.told.append(progress)


def waited(world: World, patience: Patience = PATIENCE) -> Ended:
    # Questions are asked on threads of their own: they get a moment of real time.
    return wait_until_ready(
        world, world, STAGES, patience, observe=world.observe, now=world.now, sleep=world.sleep, glance_s=0.01
    )


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


def test_a_health_route_that_is_silent_and_then_gives_up_is_named_and_one_that_refuses_is_not() -> None:
    def silent(_: float) -> None:
        time.sleep(0.05)

    patience = Patience(total_s=1000, no_progress_s=20)
    assert waited(World(health=silent), patience).problem.endswith("while starting: /health does not answer")
    assert waited(World(), patience).problem.endswith("while starting")


@pytest.mark.parametrize(
    ("listed", "note"),
    [
        ([], ""),
        (["ernie"], ""),
        (["other", "ernie"], ""),
        (["other"], "/v1/models lists other, and not ernie"),
    ],
)
def test_a_service_that_lists_other_models_is_ready_with_a_note(listed: list[str], note: str) -> None:
    assert named_otherwise("ernie", listed) == note


def test_a_request_that_hangs_is_not_ready_and_does_not_hang_us() -> None:
    ended = waited(World(health=lambda _: 200, token=never))
    assert ended.problem.endswith(": it accepts a request and generates nothing")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (304, ": it has no weights: they were cleared, or are being updated (for 61 s)"),
        (404, ": no worker reports to it any more (FastDeploy), or this is not its health route (for 61 s)"),
        (503, " (for 61 s)"),
    ],
)
def test_any_other_health_code_is_not_ready_and_is_named_when_it_lasts(status: int, words: str) -> None:
    ended = waited(World(health=lambda _: status))
    assert ended.problem.endswith(f"while waiting for health 200: /health says {status}, which is not ready{words}")
    assert 60 < ended.after_s < 65


@pytest.mark.parametrize("status", [304, 404, 500, 503])
def test_a_health_code_that_passes_is_waited_out(status: int) -> None:
    ended = waited(World(health=lambda at: None if at < 30 else status if at < 75 else 200))
    assert (ended.problem, ended.after_s >= 75) == ("", True)


def test_a_health_code_that_comes_back_after_200_is_not_ready() -> None:
    ended = waited(World(health=lambda at: 200 if at < 3 else 304, token=no_token))
    assert ended.problem.startswith("not ready after 6")
    assert "/health says 304" in ended.problem


def test_ready_needs_health_200_after_the_token_too() -> None:
    world = World(health=lambda _: 200)
    assert waited(world).problem == ""
    assert world.health_questions == 2


def test_a_picture_is_asked_for_after_the_token_and_a_note_is_handed_on() -> None:
    world = World(health=lambda _: 200, picture=lambda _: "it does not count image tokens")
    ended = waited(world)
    assert (ended.problem, ended.notes) == ("", ("it does not count image tokens",))
    assert [one.stage for one in ended.stages][-2:] == ["waiting for the first token", "waiting for an image token"]


def test_a_picture_that_is_refused_three_times_is_a_problem_with_the_servers_words() -> None:
    asked: list[float] = []

    def refuse(at: float) -> str:
        asked.append(at)
        raise RefusedError(500, "HTTP 500: vision tower is not loaded")

    ended = waited(World(health=lambda _: 200, picture=refuse))
    assert ended.problem.endswith("while waiting for an image token: HTTP 500: vision tower is not loaded (3 times)")
    assert len(asked) == 3
    assert ended.after_s < 10


@pytest.mark.parametrize("error", [RefusedError(429, "busy"), RefusedError(304, "no weights"), EngineError("cut")])
def test_busy_is_not_dead_and_is_asked_again(error: VerifyError | EngineError) -> None:
    def busy(at: float) -> str:
        if at < 50:
            raise error
        return ""

    assert waited(World(health=lambda _: 200, token=busy, picture=busy)).problem == ""


def test_a_500_at_the_first_token_is_retried_and_a_401_is_not_for_long() -> None:
    def broken(status: int) -> Callable[[float], str]:
        def token(at: float) -> str:
            if at < 50:
                raise RefusedError(status, f"HTTP {status}")
            return ""

        return token

    assert waited(World(health=lambda _: 200, token=broken(500))).problem == ""
    refused = waited(World(health=lambda _: 200, token=broken(401)))
    assert refused.problem.endswith("while waiting for the first token: HTTP 401 (3 times)")


def test_a_server_that_accepts_and_never_answers_does_not_hide_that_its_process_dies() -> None:
    def silent(_: float) -> int:
        time.sleep(30)
        return 200

    ended = waited(World(health=silent, ended=lambda at: "signal SIGKILL" if at > 20 else None))
    assert ended.exited
    assert ended.after_s < 25


def test_a_token_that_fails_at_first_is_asked_for_again() -> None:
    def token(at: float) -> str:
        return "" if at > 20 else no_token(at)

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
    echo = World(health=lambda _: 200, token=no_token, log=lambda _: ['"GET /health HTTP/1.1" 200'])
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


def test_percents_are_told_in_steps_and_only_forwards() -> None:
    shown = [3, 5, 13, 14, 40, 20, 97, 100, 100]
    world = World(
        log=lambda at: [f"Loading Weights:  {shown[int(at)]}%|##"] if at < len(shown) else ["Listening"],
        health=lambda at: 200 if at > 20 else None,
    )
    ended = waited(world)
    assert [one.percent for one in world.told if one.stage == "loading weights"] == [3, 13, 40, 97, 100]
    assert [(one.stage, one.percent) for one in ended.stages[:2]] == [("loading weights", 3), ("serving", None)]


def test_an_older_line_of_another_log_does_not_lead_back() -> None:
    world = World(
        log=lambda at: ["Loading Layers:  1%"] if at < 2 else ["Loading Weights: 100%"] if at < 5 else [],
        health=lambda at: 200 if at > 9 else None,
    )
    waited(world)
    assert world.stages[:2] == ["loading layers", "waiting for health 200"]


@pytest.mark.parametrize(
    ("stages", "line", "stage", "percent"),
    [
        (fastdeploy.STAGES, "Number of api-server workers: 1.", "choosing ports", None),
        (fastdeploy.STAGES, "Loading Weights:  37%|###7      | 37/100 [00:12<00:20]", "loading weights", "37"),
        (fastdeploy.STAGES, "Loading safetensors checkpoint shards:  50% Completed | 1/2", "loading weights", "50"),
        (fastdeploy.STAGES, "Loading Layers: 100%|##########| 100/100", "loading layers", "100"),
        (vllm.STAGES, "Loading safetensors checkpoint shards:  50% Completed | 1/2", "loading weights", "50"),
        (vllm.STAGES, "Starting to load model /srv/model", "loading weights", None),
        (transformers.STAGES, "Loading checkpoint shards:  50%|##", "loading weights", "50"),
    ],
)
def test_the_engines_own_lines_tell_the_stage_and_how_far_it_is(
    stages: tuple[Stage, ...], line: str, stage: str, percent: str | None
) -> None:
    found = [(one.name, match) for one in stages if (match := re.search(one.pattern, line))]
    assert [(name, match.groupdict().get("percent")) for name, match in found] == [(stage, percent)]


# Proofs ---------------------------------------------------------------------------------------------------------------


def an_answer(
    reasoning: str = "It is blue.",
    content: str = "blue",
    *,
    finish_reason: str = "stop",
    image_tokens: int | None = 64,
    chunks: int = 5,
) -> Answer:
    usage = Usage(image_tokens=image_tokens)
    return Answer(reasoning, content, (), finish_reason, usage, total_s=1.0, chunks=chunks)


def test_what_is_wanted_is_what_the_plan_can_show() -> None:
    assert wanted(a_plan(ready_when="text")) == (False, False, IMAGE_TOKENS, ())
    assert wanted(a_plan(ready_when="image")) == (True, False, IMAGE_TOKENS, ())
    assert wanted(a_plan(ready_when="thinking")) == (True, True, THINKING_TOKENS, ())
    assert wanted(a_plan(ready_when="thinking", max_model_len=1024)).max_tokens == 256
    blind = wanted(a_plan(ready_when="thinking", limit_mm_per_prompt={"image": 0}))
    assert (blind.image, blind.thinking) == (False, True)
    assert blind.notes == ("an image token is not asked for: the plan allows no pictures",)
    plain = wanted(a_plan(ready_when="thinking", reasoning_parser=None))
    assert (plain.image, plain.thinking) == (True, False)
    assert "the plan has no reasoning parser" in plain.notes[0]


def test_a_picture_is_proven_by_its_tokens() -> None:
    assert require_picture(an_answer()) == ""
    assert "does not count image tokens" in require_picture(an_answer(image_tokens=None))
    with pytest.raises(VerifyError, match="0 image tokens"):
        require_picture(an_answer(image_tokens=0))
    with pytest.raises(VerifyError, match="ended without a token"):
        require_picture(an_answer("", "", chunks=0))


def test_a_split_is_proven_by_two_fields_without_markers() -> None:
    assert require_split(an_answer()) == ""
    assert "used up" in require_split(an_answer(content="", finish_reason="length"))
    assert "had no answer" in require_split(an_answer(content=""))
    assert "had no thinking" in require_split(an_answer(reasoning=""))
    with pytest.raises(VerifyError, match="do not come apart"):
        require_split(an_answer(reasoning="", content="It is blue.</think>blue"))
    with pytest.raises(VerifyError, match="ended without a token"):
        require_split(an_answer("", "", chunks=0))
