"""The probes against fake engines that are real processes: a healthy one passes, and each fault is caught."""

from pathlib import Path

import pytest

from ernie_deploy.client import Client, Endpoint
from ernie_deploy.smoke.detect import detect
from ernie_deploy.smoke.registry import PROBES
from ernie_deploy.smoke.run import Outcome, run, select, why_failed
from ernie_deploy.smoke.target import Profile, Target
from tests.support.engines import free_port, make_engine_env, running_engine

# What the fake engines can answer; the simulator and the real engines are asked all of them.
FIRST = ("health", "models", "text", "streaming", "reasoning", "image", "tool-call", "error-shape")
ENGINES = ("fastdeploy", "vllm", "transformers")


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {engine: make_engine_env(tmp_path_factory.mktemp(engine) / "env", engine) for engine in ENGINES}


def smoke(
    url: str, profile: Profile = "rehearsal", *, model: str = "rehearsal", timeout_s: float = 20
) -> dict[str, Outcome]:
    """All outcomes by their probe's id."""
    with Client(Endpoint(url, model)) as client:
        target = Target(client, detect(client), profile, seed=7, timeout_s=timeout_s)
        chosen = select(PROBES, only=FIRST)
        return {outcome.id: outcome for outcome in run(PROBES, target, chosen) if outcome.id in FIRST}


def verdicts(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcome.verdict for name, outcome in outcomes.items() if outcome.verdict != "pass"}


@pytest.mark.parametrize("profile", ["contract", "rehearsal", "model"])
@pytest.mark.parametrize(
    ("engine", "not_passed"),
    [
        ("fastdeploy", {"error-shape": "unsupported"}),
        ("vllm", {}),
        ("transformers", {"models": "unsupported", "error-shape": "unsupported"}),
    ],
)
def test_a_healthy_engine_passes_but_for_what_it_cannot_do(
    pythons: dict[str, Path], engine: str, not_passed: dict[str, str], profile: Profile
) -> None:
    with running_engine(pythons[engine], engine) as url:
        outcomes = smoke(url, profile)
    assert verdicts(outcomes) == not_passed, outcomes
    assert why_failed(tuple(outcomes.values())) is None
    assert all(outcomes[name].reference for name in not_passed)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_is_told_by_its_answers(pythons: dict[str, Path], engine: str) -> None:
    with running_engine(pythons[engine], engine) as url, Client(Endpoint(url)) as client:
        assert detect(client) == engine


def test_an_engine_that_is_not_there_is_unknown_and_every_probe_fails() -> None:
    outcomes = smoke(f"http://127.0.0.1:{free_port()}")
    assert {outcome.verdict for outcome in outcomes.values()} == {"fail"}
    assert "Connection refused" in outcomes["health"].message


@pytest.mark.parametrize(
    ("fault", "probe", "words"),
    [
        ("health-304", "health", "/health says 304"),
        ("no-models", "models", "/v1/models lists nothing"),
        ("empty-answers", "text", "the answer is empty (0 tokens"),
        ("garbled", "text", "expected 'ready', got 'Consectetur"),
        ("stream-error", "streaming", "the stream ended with an error: Engine is not healthy"),
        ("cut-stream", "streaming", "the connection broke in the middle of the answer"),
        ("one-chunk-stream", "streaming", "the answer came in one chunk"),
        ("no-done", "streaming", "without `data: [DONE]`"),
        ("blind", "image", "the picture was ignored"),
        ("no-tool-calls", "tool-call", "the tool call stayed text"),
        ("accept-malformed", "error-shape", "it was accepted"),
        ("die-on-malformed", "error-shape", "the connection broke"),
        ("die-while-serving:6", "reasoning", "Connection refused"),
    ],
)
@pytest.mark.parametrize("engine", ["fastdeploy", "vllm"])
def test_a_fault_is_caught_by_its_probe(
    pythons: dict[str, Path], engine: str, fault: str, probe: str, words: str
) -> None:
    with running_engine(pythons[engine], engine, faults=fault) as url:
        outcomes = smoke(url)
    assert (outcomes[probe].verdict, words in outcomes[probe].message) == ("fail", True), outcomes[probe]
    assert why_failed(tuple(outcomes.values()))


def test_an_engine_that_says_it_is_healthy_and_never_answers_is_caught(pythons: dict[str, Path]) -> None:
    with running_engine(pythons["fastdeploy"], "fastdeploy", faults="health-200-no-tokens") as url:
        outcomes = smoke(url, timeout_s=0.4)
    assert outcomes["health"].verdict == "pass"
    assert outcomes["text"].message.endswith("the server said nothing for 0.4 s")
    assert {outcomes[name].verdict for name in ("text", "streaming", "reasoning", "image", "tool-call")} == {"fail"}


@pytest.mark.parametrize("engine", ["fastdeploy", "vllm"])
def test_an_engine_without_its_parsers_fails_and_the_hint_names_them(pythons: dict[str, Path], engine: str) -> None:
    with running_engine(pythons[engine], engine, parsers=False) as url:
        outcomes = smoke(url)
    assert outcomes["reasoning"].verdict == "fail"
    assert outcomes["reasoning"].message == "plain: a <think> marker is in the text"
    assert "ernie-45-vl-thinking" in outcomes["reasoning"].hint
    assert outcomes["tool-call"].verdict == "fail"


def test_a_contract_does_not_judge_words(pythons: dict[str, Path]) -> None:
    with running_engine(pythons["vllm"], "vllm", faults="garbled") as url:
        outcomes = smoke(url, "contract")
    assert verdicts(outcomes) == {"tool-call": "skip"}


def test_a_name_that_is_not_served_is_reported_with_those_that_are(pythons: dict[str, Path]) -> None:
    with running_engine(pythons["vllm"], "vllm") as url:
        outcomes = smoke(url, model="ernie")
    assert outcomes["models"].message == "'ernie' is not served; /v1/models lists rehearsal"
    assert "The model `ernie` does not exist." in outcomes["text"].message


def test_an_older_fastdeploy_refuses_in_its_own_shape_and_passes(tmp_path: Path) -> None:
    python = make_engine_env(tmp_path / "env", "fastdeploy", "2.3.0")
    with running_engine(python, "fastdeploy") as url:
        outcomes = smoke(url)
    assert verdicts(outcomes) == {}


def test_the_evidence_of_a_failed_picture_does_not_carry_the_picture(pythons: dict[str, Path]) -> None:
    with running_engine(pythons["fastdeploy"], "fastdeploy", faults="blind") as url:
        outcome = smoke(url)["image"]
    assert outcome.pictures[0].media_type == "image/png"
    assert len(str(outcome.exchanges)) < 5000
