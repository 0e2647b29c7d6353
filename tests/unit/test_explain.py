"""Whatever an engine is started with has an origin, a reason and a source; nothing is emitted that nobody explains."""

from pathlib import Path
from typing import Any

import pytest

from ernie_deploy.catalog.load import engines, presets
from ernie_deploy.cli.explain import with_names_last
from ernie_deploy.engines.base import Launch
from ernie_deploy.engines.explain import Row, assumption, row_of, rows
from ernie_deploy.engines.registry import ENGINES, launch_of
from ernie_deploy.errors import UsageError
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.plan.values import Plan
from ernie_deploy.spec.load import decode
from tests.support import hosts, plans

EVERYTHING: dict[str, dict[str, Any]] = {
    "fastdeploy": {
        "model": "/a model/ernie",
        "revision": "main",
        "host": "192.0.2.7",
        "port": 9000,
        "metrics_port": 9001,
        "engine_worker_queue_port": 9002,
        "cache_queue_port": 9003,
        "served_model_name": "ernie",
        "api_key_file": "/etc/key",
        "quantization": "wint4",
        "max_model_len": 32768,
        "max_num_seqs": 8,
        "max_num_batched_tokens": 8192,
        "gpu_memory_utilization": 0.9,
        "tensor_parallel_size": 2,
        "gpus": [0, 1],
        "mm_processor_kwargs": {"image_max_pixels": 784000},
        "limit_mm_per_prompt": {"image": 3},
        "enable_prefix_caching": True,
        "reasoning_parser": "ernie-45-vl-thinking",
        "tool_call_parser": "ernie-45-vl-thinking",
        "engine_args": {
            "load-choices": "default_v1",
            "lm_head_fp32": True,
            "ips": ["192.0.2.7"],
            "enable_logprob": False,
            "graph_optimization_config": {"use_cudagraph": False},
            "swap_space": 4,
        },
        "env": {"FD_DEBUG": "1", "HF_TOKEN": "sesame", "MINE": "x"},
    },
    "vllm": {
        "model": "/srv/models/ernie",
        "revision": "main",
        "trust_remote_code": True,
        "host": "192.0.2.7",
        "served_model_name": "ernie",
        "api_key_file": "/etc/key",
        "quantization": "fp8_per_tensor",
        "max_model_len": 32768,
        "max_num_seqs": 8,
        "max_num_batched_tokens": 8192,
        "tensor_parallel_size": 2,
        "gpus": [0, 1],
        "mm_processor_kwargs": {"max_pixels": 784000},
        "reasoning_parser": "ernie45",
        "tool_call_parser": "ernie45",
        "gpu_memory_utilization": 0.9,
        "enable_prefix_caching": False,
        "limit_mm_per_prompt": {"image": 4},
        "engine_args": {"enforce_eager": True, "shutdown_timeout": 20},
        "env": {"OMP_NUM_THREADS": "2"},
    },
    "transformers": {
        "model": "/srv/models/ernie",
        "host": "127.0.0.1",
        "served_model_name": "ernie",
        "trust_remote_code": True,
        "quantization": "bnb-4bit",
        "engine_args": {"log-level": "info"},
        "env": {"OMP_NUM_THREADS": "2"},
    },
}
SPECS: dict[str, dict[str, Any]] = {
    **{engine: {"engine": engine} for engine in ENGINES},
    **{f"{engine} with everything": {"engine": engine, **spec} for engine, spec in EVERYTHING.items()},
    **{f"preset {name}": {"preset": name} for name in presets()},
    "fastdeploy on a CPU": {"device": "cpu"},
}


def planned(spec: dict[str, Any], version: str = "2.5.0") -> Plan:
    environments = (hosts.an_environment(engine_version=version),)
    facts = hosts.some_facts(environments=environments)
    return resolve(completed([asked("file", "deploy.yaml: {key}", decode(spec, "it"))]), facts, state_root=Path("/s"))


def emitted(launch: Launch) -> list[str]:
    """Every flag, variable and link of a launch; what stands alone is the model."""
    flags = [word for word in launch.argv if word.startswith("--")]
    return [*flags, *launch.env, *launch.secret_env, *launch.links]


@pytest.mark.parametrize("engine", ENGINES)
def test_everything_is_really_everything_that_the_engine_takes(engine: str) -> None:
    assert set(engines()[engine].settings) - set(EVERYTHING[engine]) == set()


@pytest.mark.parametrize("name", SPECS)
def test_everything_that_is_emitted_has_an_origin_a_reason_and_a_source(name: str) -> None:
    plan = planned(SPECS[name])
    found = [row for row in rows(plan) if row.kind != "argument"]
    assert sorted(row.name for row in found) == sorted(emitted(launch_of(plan)))
    unexplained = [row for row in rows(plan) if not (row.origin and row.why and row.source and row.versions)]
    assert unexplained == []


def explained(*names: str, version: str = "2.5.0", **spec: Any) -> Row:
    (row,) = [row_of(planned(spec, version), name) for name in names]
    return row


def test_a_row_says_who_asked_for_it_and_what_the_engine_would_do_without_it() -> None:
    row = explained("max_model_len", max_model_len=4096)
    assert (row.name, row.value, row.origin) == ("--max-model-len", "4096", "deploy.yaml: max_model_len")
    assert row.otherwise == "2048"
    assert row.is_emitted


@pytest.mark.parametrize("spelling", ["--no-enable-prefix-caching", "--enable-prefix-caching", "enable_prefix_caching"])
def test_a_flag_is_found_by_any_of_its_spellings(spelling: str) -> None:
    assert explained(spelling).name == "--no-enable-prefix-caching"


def test_a_flag_that_is_not_passed_says_what_the_engine_does() -> None:
    row = explained("--kv-cache-ratio")
    assert not row.is_emitted
    assert row.why == "not passed; the engine's default in 2.5.0 is 0.75"


def test_a_flag_that_this_version_lacks_says_so() -> None:
    row = explained("enable_entropy", version="2.4.0")
    assert row.why == "fastdeploy 2.4.0 has no such flag"
    assert row.versions == "since 2.5.0 (assumed)"


def test_a_variable_that_is_not_set_and_one_that_the_engine_sets_itself_are_told_apart() -> None:
    assert explained("FD_DEBUG").why == "not set; the engine's default in 2.5.0 is 0"
    assert explained("NCCL_ALGO").why == "the engine itself sets it for its workers, to Ring"


def test_a_setting_of_ours_is_explained_too() -> None:
    assert explained("gpus").kind == "setting"


def test_a_name_that_nobody_knows_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="max_model_length: fastdeploy has no flag") as caught:
        explained("max_model_length")
    assert caught.value.hint == "did you mean max_model_len?"


def test_secrets_are_named_and_not_shown() -> None:
    found = {row.name: row.value for row in rows(planned({"engine": "fastdeploy", **EVERYTHING["fastdeploy"]}))}
    assert (found["HF_TOKEN"], found["FD_API_KEY"]) == ("***", "***")
    assert (found["FD_DEBUG"], found["MINE"]) == ("1", "x")


def test_a_version_that_nobody_has_described_names_the_one_that_is_taken_for_it() -> None:
    assert assumption(plans.a_plan(engine_version="2.4.7")).endswith("the facts of 2.4.0 are taken")
    assert assumption(plans.a_plan(engine_version="2.4.0")) == ""


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["--max-model-len"], ["--", "--max-model-len"]),
        (["--max-model-len", "4096"], ["--max-model-len", "4096"]),
        (["--max-model-len=4096", "port"], ["--max-model-len=4096", "port"]),
        (["--max-model-len", "--port", "9000"], ["--port", "9000", "--", "--max-model-len"]),
        (["--swap-space", "--json"], ["--json", "--", "--swap-space"]),
        (["FD_LOG_DIR", "--", "--port"], ["FD_LOG_DIR", "--", "--port"]),
    ],
)
def test_a_flag_without_its_value_is_a_name(words: list[str], read: list[str]) -> None:
    assert with_names_last(words) == read
