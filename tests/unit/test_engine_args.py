"""`engine_args:` and all other settings against the flags of the planned version: in the plan, and in the check."""

from pathlib import Path
from typing import Any

import pytest

from ernie_deploy.catalog.flags import flags_of
from ernie_deploy.checks import arguments
from ernie_deploy.checks.base import Result, Subject
from ernie_deploy.engines.registry import launch_of
from ernie_deploy.errors import SpecError
from ernie_deploy.facts.values import Facts
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.plan.values import Plan
from ernie_deploy.spec.load import decode
from tests.support import hosts, plans

NO_HOST = Facts(host=hosts.a_host())


def planned(**spec: Any) -> Plan:
    layers = completed([asked("file", "deploy.yaml: {key}", decode(spec, "deploy.yaml"))])
    return resolve(layers, NO_HOST, state_root=Path("/state"))


def judged(plan: Plan) -> Result:
    return arguments.judge(Subject(plan, launch_of(plan), NO_HOST))


def options_of(plan: Plan) -> list[str]:
    return [word for word in launch_of(plan).argv if word.startswith("--")]


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        (
            {"engine_args": {"foo": 1}},
            "deploy.yaml: engine_args.foo: fastdeploy 2.5.0 has no flag --foo",
            "docs/reference/fastdeploy-flags.md has all",
        ),
        (
            {"engine_args": {"max-encoder-cash": 1}},
            "deploy.yaml: engine_args.max-encoder-cash: fastdeploy 2.5.0 has no flag --max-encoder-cash",
            "did you mean max_encoder_cache?",
        ),
        (
            {"engine_args": {"max_seq_len": 1}},
            "deploy.yaml: engine_args.max_seq_len: fastdeploy 2.5.0 has no flag --max-seq-len",
            "did you mean max_model_len? It is a key of its own",
        ),
        (
            {"engine_args": {"model-impl": "auto"}, "engine_version": "2.4.0"},
            "deploy.yaml: engine_args.model-impl: fastdeploy 2.4.0 has no flag --model-impl, "
            "which exists since 2.5.0 (assumed)",
            "leave it out, or plan for a version that has it: engine_version",
        ),
        (
            {"engine_args": {"block_size": 1.5}},
            "deploy.yaml: engine_args.block_size: expected an integer, got 1.5",
            "write a value of that kind",
        ),
        (
            {"engine_args": {"load-choices": "v1"}},
            "deploy.yaml: engine_args.load-choices: expected one of default, default_v1, dummy, got 'v1'",
            "write a value of that kind",
        ),
        (
            {"engine_args": {"graph_optimization_config": {"use_cudagraph": "no"}}},
            "deploy.yaml: engine_args.graph_optimization_config: use_cudagraph: expected true or false, got 'no'",
            "write a value of that kind",
        ),
        (
            {"engine_args": {"guided_decoding_disable_any_whitespace": "False"}},
            "deploy.yaml: engine_args.guided_decoding_disable_any_whitespace: "
            "any text counts as true here, 'False' too: leave it out to have false",
            "leave it out to have false",
        ),
        (
            {"engine_args": {"load-choices": "dummy", "load_choices": "default"}},
            "deploy.yaml: engine_args.load_choices: this is load-choices once more",
            "give it once",
        ),
        (
            {"engine_args": {"block_size": 65536}},
            "deploy.yaml: engine_args.block_size: max_num_batched_tokens 16384 must be at least block_size = 65536: "
            "a step fills at least one block",
            "change one of: max_num_batched_tokens, block_size",
        ),
        (
            {"engine_args": {"splitwise_role": "prefill"}},
            "deploy.yaml: engine_args.splitwise_role: router is missing: "
            "a role of its own needs a router with the local scheduler",
            "change one of: router, splitwise_role, scheduler_name",
        ),
        (
            {"env": {"FD_DISABLED_RECOVER": "1"}},
            "deploy.yaml: env.FD_DISABLED_RECOVER: FD_DISABLED_RECOVER 1 must be exactly 0: "
            "the V1 scheduler computes requests again when the cache is full",
            "change one of: FD_DISABLED_RECOVER",
        ),
        (
            {"mm_processor_kwargs": {"video_fps": "2"}},
            "deploy.yaml: mm_processor_kwargs: video_fps: expected an integer, got '2'",
            "one wrong type such as 12845056.0 drops the whole mapping with nothing but a line in a log",
        ),
        (
            {"reasoning_parser": "ernie45"},
            "deploy.yaml: reasoning_parser: fastdeploy 2.5.0 has no reasoning parser 'ernie45'",
            "fastdeploy calls this model's reasoning parser ernie-45-vl-thinking",
        ),
        (
            {"tool_call_parser": "ernie_45-vl-thinking", "engine_version": "2.3.0"},
            "deploy.yaml: tool_call_parser: fastdeploy 2.3.0 has no tool call parser 'ernie_45-vl-thinking': "
            "a draft's spelling; no release has it",
            "fastdeploy calls this model's tool call parser ernie-45-vl-thinking",
        ),
        (
            {"reasoning_parser": "ernie45", "engine_version": "2.6.0"},
            "deploy.yaml: reasoning_parser: fastdeploy 2.6.0 has no reasoning parser 'ernie45'",
            "fastdeploy calls this model's reasoning parser ernie-45-vl-thinking",
        ),
        (
            {"engine": "vllm", "reasoning_parser": "ernie-45-vl-thinking"},
            "deploy.yaml: reasoning_parser: vllm 0.32.0 has no reasoning parser 'ernie-45-vl-thinking'",
            "vllm calls this model's reasoning parser ernie45",
        ),
        (
            {"engine": "vllm", "engine_args": {"max_lora": 1}},
            "deploy.yaml: engine_args.max_lora: vllm 0.32.0 has no flag --max-lora",
            "did you mean max_loras?",
        ),
        (
            {"engine": "vllm", "engine_args": {"dtype": "fp4"}},
            "deploy.yaml: engine_args.dtype: expected one of auto, bfloat16, float, float16, float32, half, got 'fp4'",
            "write a value of that kind",
        ),
    ],
)
def test_what_the_version_would_not_take_is_refused_with_its_place(
    spec: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(SpecError) as caught:
        planned(**spec)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    "spec",
    [
        {"engine_args": {"block_size": "64", "load-choices": "default_v1"}},
        {"engine_args": {"guided_decoding_disable_any_whitespace": False, "enable_logprob": False}},
        {"engine_args": {"tool-parser-plugin": "/srv/mine.py"}, "tool_call_parser": "mine"},
        {"engine_version": "2.6.0", "reasoning_parser": "a-new-one"},
        {"engine_version": "2.6.0", "engine_args": {"a_new_flag": 1}},
        {"max_model_len": 512, "max_num_seqs": 2},
        {"engine": "vllm", "engine_args": {"enforce-eager": True, "max_logprobs": 5}},
        {"engine": "transformers", "engine_args": {"anything": 1}},
    ],
)
def test_what_the_version_takes_is_planned(spec: dict[str, Any]) -> None:
    assert planned(**spec).engine_args.value == spec.get("engine_args", {})


@pytest.mark.parametrize("version", flags_of("fastdeploy").versions)
def test_a_plan_holds_only_flags_that_its_version_has(version: str) -> None:
    plan = planned(engine_version=version, host="127.0.0.1", served_model_name="ernie", enable_prefix_caching=True)
    facts = flags_of("fastdeploy")
    has = {option for flag in facts.of(version) for option in flag.options}
    options = options_of(plan)
    assert len(options) > 10
    assert set(options) <= has
    assert judged(plan).status == "pass"


def test_dashes_and_an_odd_spelling_reach_the_engine_as_it_knows_them() -> None:
    plan = planned(engine_args={"lm-head-fp32": True, "load-choices": "dummy"})
    assert {"--lm_head-fp32", "--load-choices"} <= set(options_of(plan))
    assert judged(plan).status == "pass"


@pytest.mark.parametrize(
    ("spec", "status", "message"),
    [
        ({}, "pass", "fastdeploy 2.5.0 has every flag it is started with"),
        ({"engine": "vllm"}, "pass", "vllm 0.32.0 has every flag it is started with"),
        ({"engine": "transformers"}, "skip", "the flags of transformers are not described here"),
        (
            {"engine_version": "2.4.7"},
            "warn",
            "fastdeploy 2.4.7 is not described here: what holds for 2.4.0 is assumed",
        ),
        (
            {"engine_version": "2.6.0", "engine_args": {"a_new_flag": 1}},
            "warn",
            "fastdeploy 2.6.0 is not described here: what holds for 2.5.0 is assumed; "
            "nothing is known about --a-new-flag",
        ),
        (
            {"engine_args": {"enable_entropy": True}},
            "warn",
            "that fastdeploy 2.5.0 has --enable-entropy is assumed",
        ),
        (
            {"engine_version": "2.2.1"},
            "fail",
            "fastdeploy 2.2.1 has no reasoning parser 'ernie-45-vl-thinking', which exists since 2.3.0; "
            "fastdeploy 2.2.1 has no tool call parser 'ernie-45-vl-thinking', which exists since 2.3.0",
        ),
    ],
)
def test_the_check_says_what_is_known_and_what_is_assumed(spec: dict[str, Any], status: str, message: str) -> None:
    result = judged(planned(**spec))
    assert (result.status, result.message) == (status, message)
    assert bool(result.hint) == (status in ("warn", "fail"))


def test_the_check_fails_for_a_flag_that_the_installed_version_lacks() -> None:
    launch = plans.a_launch(argv=("python3", "-m", "x", "--model-impl=auto", "--max_model_len", "8"))
    result = arguments.judge(Subject(plans.a_plan(engine_version="2.4.0"), launch, NO_HOST))
    assert result.status == "fail"
    assert "no flag --model-impl, which exists since 2.5.0" in result.message
