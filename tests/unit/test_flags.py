"""The facts about engines' flags: whole, consistent, and asked by version."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ernie_deploy.catalog.flag_values import problems_with, unmet, value_problems
from ernie_deploy.catalog.flags import (
    DESCRIBED_ENGINES,
    DEVELOP,
    Assertion,
    Flag,
    ParserName,
    PortFact,
    Variable,
    default_of,
    described,
    flags_of,
    holds,
    is_newer,
    nearest_flag,
    order,
)
from ernie_deploy.catalog.json_schema import violations

ROOT = Path(__file__).parents[2]
FACTS = flags_of("fastdeploy")
RELEASES = [version for version in FACTS.versions if version != DEVELOP]
# Tags of the fact sheet: files with an era, pages of the documentation, and changes by number.
TAG = re.compile(
    r"args-new|args-2\.3|outils|api-2\.4|api-old|config-2\.4|utils-2\.4|client-2\.4|envs-2\.4|envs-new|engine-new"
    r"|vlproc|vldata|log-new|rp-rc|tp-rc|pr-\d+|docs-[a-z-]+"
)


def test_every_fact_about_fastdeploy_names_its_source() -> None:
    facts: list[Flag | Variable | PortFact | ParserName | Assertion] = [*FACTS.flags, *FACTS.variables, *FACTS.ports]
    facts += [*FACTS.parsers, *FACTS.assertions]
    assert [one for one in facts if not TAG.fullmatch(one.source)] == []


def test_every_flag_variable_and_assertion_of_fastdeploy_says_what_it_is() -> None:
    assert [flag.name for flag in FACTS.flags if not flag.says] == []
    assert [one.name for one in FACTS.variables if not one.says] == []
    assert [one.id for one in FACTS.assertions if not one.says] == []


@pytest.mark.parametrize("engine", DESCRIBED_ENGINES)
def test_every_word_means_one_flag(engine: str) -> None:
    words = [word for flag in flags_of(engine).flags for word in (flag.name, *flag.options)]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("engine", DESCRIBED_ENGINES)
def test_versions_are_in_order(engine: str) -> None:
    versions = flags_of(engine).versions
    assert sorted(versions, key=order) == list(versions)


def test_every_version_in_the_facts_is_one_that_is_described_or_a_build_before_them() -> None:
    dated: list[Flag | Variable | PortFact | ParserName] = [*FACTS.flags, *FACTS.variables, *FACTS.ports]
    dated += FACTS.parsers
    named = {version for fact in dated for version in (fact.since, fact.until) if version}
    changes = [*(flag.changes for flag in FACTS.flags), *(port.changes for port in FACTS.ports)]
    named |= {change.version for several in changes for change in several}
    assert named - set(FACTS.versions) == {"2.3.0.dev0", "2.3.0-rc0"}


def test_assertions_and_ports_speak_of_flags_and_variables_that_exist() -> None:
    known = {flag.name for flag in FACTS.flags} | {one.name for one in FACTS.variables}
    for one in FACTS.assertions:
        right = one.right if isinstance(one.right, tuple) else (one.right,)
        names = {one.left, *one.when, *one.unless, *(name for name in right if isinstance(name, str))}
        assert names <= known, one
    assert {port.flag for port in FACTS.ports} | {parser.flag for parser in FACTS.parsers} <= known


@pytest.mark.parametrize("engine", DESCRIBED_ENGINES)
def test_every_default_is_a_value_that_the_flag_takes(engine: str) -> None:
    for flag in flags_of(engine).flags:
        for default in (flag.default, *(change.default for change in flag.changes)):
            if default is not None and flag.kind != "truthy":
                assert list(value_problems(flag, default)) == [], flag


@pytest.mark.parametrize("version", FACTS.versions)
def test_fastdeploy_starts_with_its_own_defaults(version: str) -> None:
    assert unmet(FACTS, {}, version) == ()


def test_schemas_use_only_what_is_checked() -> None:
    def keywords(schema: dict[str, Any]) -> set[str]:
        inner = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
        return set(schema).union(*(keywords(one) for one in inner))

    checked = {"type", "properties", "items", "enum", "minimum", "maximum", "required"}
    for flag in FACTS.flags:
        assert flag.schema is None or keywords(flag.schema) <= checked, flag
        assert (flag.schema is not None) == (flag.kind == "json"), flag


def test_secrets_are_marked() -> None:
    assert {flag.name for flag in FACTS.flags if flag.is_secret} == {"api_key", "scheduler_password"}
    assert {flag.name for flag in flags_of("vllm").flags if flag.is_secret} == {"api_key", "hf_token"}
    assert {"FD_API_KEY", "ENCODE_FEATURE_BOS_AK", "ENCODE_FEATURE_BOS_SK"} <= {
        one.name for one in FACTS.variables if one.is_secret
    }


@pytest.mark.parametrize(
    ("name", "version", "default"),
    [
        ("max_model_len", "2.3.0", 2048),
        ("metrics_port", "2.3.4", 8001),
        ("metrics_port", "2.4.0", None),
        ("max_concurrency", "2.4.0", 512),
        ("max_concurrency", DEVELOP, 2048),
        ("workers", "2.3.0", None),
        ("workers", "2.5.0", 4),
        ("engine_worker_queue_port", "2.3.0", "0"),
        ("engine_worker_queue_port", "2.5.0", None),
        ("cache_transfer_protocol", "2.4.0", "ipc"),
        ("cache_transfer_protocol", "2.5.0", "ipc,rdma"),
    ],
)
def test_a_default_is_that_of_the_version(name: str, version: str, default: object) -> None:
    flag = FACTS.named(name)
    assert flag
    assert default_of(flag, version) == default


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("max_model_len", "max_model_len"),
        ("max-model-len", "max_model_len"),
        ("--max-model-len", "max_model_len"),
        ("--max-model-len=8", "max_model_len"),
        ("--no-enable-prefix-caching", "enable_prefix_caching"),
        ("-tp", "tensor_parallel_size"),
        ("--lm_head-fp32", "lm_head_fp32"),
    ],
)
def test_a_flag_is_found_under_each_of_its_spellings(word: str, name: str) -> None:
    flag = FACTS.named(word)
    assert flag
    assert flag.name == name


@pytest.mark.parametrize("word", ["--max_seq_len", "--lm-head-fp32", "model_path", ""])
def test_what_is_no_flag_is_not_found(word: str) -> None:
    assert FACTS.named(word) is None


def test_flags_of_2_5_are_not_those_of_2_4() -> None:
    assert {flag.name for flag in FACTS.of("2.5.0")} - {flag.name for flag in FACTS.of("2.4.0")} >= {
        "model_impl", "enable_output_caching", "enable_overlap_schedule", "rsync_config", "enable_entropy"
    }  # fmt: skip
    assert {flag.name for flag in FACTS.of("2.3.0")} <= {flag.name for flag in FACTS.of("2.4.0")}


@pytest.mark.parametrize(
    ("version", "facts_of", "is_assumed"),
    [
        ("2.4.0", "2.4.0", False),
        ("2.5.0+cu126", "2.5.0", False),
        ("develop", "develop", False),
        ("2.6.0.dev0+simulated", "develop", False),
        ("2.4.3", "2.4.0", True),
        ("2.6.0.dev20260101", "2.5.0", True),
        ("2.3.0-rc0", "2.3.0", True),
        ("2.2.1", "2.3.0", True),
        ("nightly", "develop", True),
    ],
)
def test_an_undescribed_version_is_taken_for_the_one_below_it(version: str, facts_of: str, is_assumed: bool) -> None:
    assert described("fastdeploy", version) == (facts_of, is_assumed)


def test_only_what_is_above_all_descriptions_may_have_flags_that_nobody_knows() -> None:
    newer = [version for version in ("2.2.0", *RELEASES, "2.4.9", "2.5.1", "3.0", DEVELOP, "nightly")
             if is_newer("fastdeploy", version)]  # fmt: skip
    assert newer == ["2.5.1", "3.0", DEVELOP, "nightly"]


def test_a_candidate_comes_before_its_release_and_a_later_build_after_it() -> None:
    versions = ["2.3.0.dev0", "2.3.0", "2.3.1", "2.10.0", DEVELOP]
    shuffled = [versions[index] for index in (3, 0, 4, 2, 1)]
    assert sorted(shuffled, key=order) == versions
    assert order("2.3.0-rc0") < order("2.3.0") == order("2.3.0.post1")
    assert order("2.5.0+local.build") == order("2.5.0")


@pytest.mark.parametrize(
    ("word", "value", "problem"),
    [
        ("max_model_len", "131072", None),
        ("max_model_len", 131072.0, "expected an integer, got 131072.0"),
        ("max_model_len", True, "expected an integer, got True"),
        ("max_model_len", "128k", "expected an integer, got '128k'"),
        ("max_model_len", 15, "expected at least 16, got 15"),
        ("max_num_seqs", "257", "expected at most 256, got '257'"),
        ("gpu_memory_utilization", 0.9, None),
        ("gpu_memory_utilization", 1, None),
        ("gpu_memory_utilization", "nan", "expected a number, got 'nan'"),
        ("gpu_memory_utilization", 1.5, "expected at most 1, got 1.5"),
        ("load_choices", "default_v1", None),
        ("load_choices", "v1", "expected one of default, default_v1, dummy, got 'v1'"),
        ("guided_decoding_backend", False, "expected text, got False, which YAML makes of off and no: quote it"),
        ("enable_logprob", True, None),
        ("enable_logprob", "yes", "expected true or false, got 'yes'"),
        ("enable_prefix_caching", False, None),
        ("guided_decoding_disable_any_whitespace", "true", None),
        (
            "guided_decoding_disable_any_whitespace",
            "False",
            "any text counts as true here, 'False' too: leave it out to have false",
        ),
        ("engine_worker_queue_port", "8182,8183", None),
        ("engine_worker_queue_port", [8182, 8183], None),
        ("logits_processors", ["a", {}], "expected text, got {}"),
        ("quantization", "wint8", None),
        ("quantization", '{"quantization": "wint8"}', None),
        ("quantization", 8, "expected text or a mapping, got 8"),
        ("mm_processor_kwargs", '{"image_max_pixels": 12845056, "nobody_knows_me": 1.5}', None),
        (
            "mm_processor_kwargs",
            '{"image_max_pixels": 12845056.0}',
            "image_max_pixels: expected an integer, got 12845056.0",
        ),
        ("mm_processor_kwargs", {"video_fps": "2"}, "video_fps: expected an integer, got '2'"),
        ("mm_processor_kwargs", {"video_frames_sample": 1}, "video_frames_sample: expected text, got 1"),
        ("mm_processor_kwargs", {"video_fps": True}, "video_fps: expected an integer, got True"),
        ("mm_processor_kwargs", "image_max_pixels=1", "expected JSON, got 'image_max_pixels=1'"),
        ("mm_processor_kwargs", "[" * 100_000, "expected JSON that is not nested so deeply"),
        ("mm_processor_kwargs", "[1]", "expected a mapping, got [1]"),
        ("limit_mm_per_prompt", {"image": -1}, "image: expected at least 0, got -1"),
        ("graph_optimization_config", {"graph_opt_level": 3}, "graph_opt_level: expected one of 0, 1, 2, got 3"),
        (
            "graph_optimization_config",
            {"cudagraph_capture_sizes": [1, "2"]},
            "cudagraph_capture_sizes[1]: expected an integer, got '2'",
        ),
        ("early_stop_config", {"threshold": 1.5}, "threshold: expected at most 1, got 1.5"),
    ],
)
def test_a_value_is_judged_as_the_engine_would(word: str, value: object, problem: str | None) -> None:
    assert problems_with(FACTS, word, value, "2.5.0") == (() if problem is None else (problem,))


def test_a_flag_that_a_version_lacks_is_the_only_problem() -> None:
    assert problems_with(FACTS, "model_impl", "nonsense", "2.4.0") == (
        "fastdeploy 2.4.0 has no flag --model-impl, which exists since 2.5.0 (assumed)",
    )
    assert problems_with(FACTS, "foo_bar", 1, "2.5.0") == ("fastdeploy 2.5.0 has no flag --foo-bar",)
    assert problems_with(FACTS, "--foo_bar", 1, "2.5.0") == ("fastdeploy 2.5.0 has no flag --foo_bar",)


def test_a_missing_key_of_a_mapping_is_named_with_its_place() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "object", "required": ["b"]}}}
    assert list(violations({"a": {}}, schema)) == ["a: b is missing"]


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        ({"max_num_seqs": 257}, ["max-num-seqs-most"]),
        ({"max-model-len": 8}, ["max-model-len-least", "batched-tokens-context"]),
        ({"max_num_batched_tokens": 16}, ["batched-tokens-block"]),
        ({"max_num_batched_tokens": 65, "max_num_seqs": 66}, ["batched-tokens-sequences"]),
        ({"max_model_len": 512}, ["batched-tokens-context"]),
        ({"max_model_len": 512, "max_num_batched_tokens": 4096}, []),
        ({"FD_DISABLE_CHUNKED_PREFILL": "1", "max_num_batched_tokens": 32}, []),
        (
            {"FD_DISABLE_CHUNKED_PREFILL": "1", "ENABLE_V1_KVCACHE_SCHEDULER": "0", "max_num_batched_tokens": 2000},
            ["batched-tokens-unchunked"],
        ),
        ({"max_long_partial_prefills": 2}, ["long-partial-prefills"]),
        ({"long_prefill_token_threshold": 4096}, []),
        ({"long_prefill_token_threshold": 4096, "max_num_partial_prefills": 2}, ["long-prefill-threshold"]),
        ({"FD_DISABLED_RECOVER": "1"}, ["recover-with-v1"]),
        ({"FD_DISABLED_RECOVER": "1", "ENABLE_V1_KVCACHE_SCHEDULER": "0"}, []),
        ({"splitwise_role": "prefill"}, ["router-for-roles"]),
        ({"splitwise_role": "prefill", "router": "10.0.0.1:30000"}, []),
        ({"splitwise_role": "prefill", "scheduler_name": "global"}, []),
        ({"data_parallel_size": 3, "ips": "10.0.0.1,10.0.0.2"}, ["data-parallel-nodes"]),
        ({"data_parallel_size": 4, "ips": ["10.0.0.1", "10.0.0.2"]}, []),
    ],
)
def test_what_the_engine_asserts_at_its_start_is_known_before(values: dict[str, object], ids: list[str]) -> None:
    assert [one.assertion.id for one in unmet(FACTS, values, "2.4.0")] == ids


def test_an_assertion_names_both_sides_with_their_values() -> None:
    (one,) = unmet(FACTS, {"max_model_len": 512}, "2.4.0")
    assert one.names == ("max_num_batched_tokens", "max_model_len", "max_num_seqs")
    assert one.message == (
        "max_num_batched_tokens 8192 must be at most max_model_len x max_num_seqs = 4096: "
        "a step cannot hold more than all requests together"
    )


@pytest.mark.parametrize("flag", ["reasoning_parser", "tool_call_parser"])
def test_the_parser_of_this_model_comes_with_2_3_0(flag: str) -> None:
    name = "ernie-45-vl-thinking"
    assert all(FACTS.why_no_parser(flag, name, version) == "" for version in FACTS.versions)
    assert "which exists since 2.3.0" in FACTS.why_no_parser(flag, name, "2.3.0-rc0")


def test_no_release_has_the_draft_names_of_the_parser() -> None:
    for version in ("2.3.0-rc0", *FACTS.versions):
        assert "no release has it" in FACTS.why_no_parser("reasoning_parser", "erine-45-vl-thinking", version)
        assert "no release has it" in FACTS.why_no_parser("tool_call_parser", "ernie_45-vl-thinking", version)


def test_the_vl_parser_is_for_reasoning_only() -> None:
    assert FACTS.why_no_parser("reasoning_parser", "ernie-45-vl", "2.5.0") == ""
    assert FACTS.why_no_parser("tool_call_parser", "ernie-45-vl", "2.5.0")


def test_vllm_has_this_model_s_parsers_under_its_own_name() -> None:
    facts = flags_of("vllm")
    for flag in ("reasoning_parser", "tool_call_parser"):
        assert "ernie45" in facts.parser_names(flag, "0.32.0")
        assert facts.why_no_parser(flag, "ernie-45-vl-thinking", "0.32.0")


def test_metrics_have_a_port_of_their_own_until_2_4() -> None:
    (port,) = (one for one in FACTS.ports if one.role == "metrics")
    assert [default_of(port, version) for version in ("2.3.0", "2.4.0")] == [8001, None]
    assert port.shares == "http"
    assert [one.role for one in FACTS.ports if not holds(one, "2.3.4")] == ["pd comm", "rdma comm"]


@pytest.mark.parametrize(
    ("word", "engine", "name"),
    [
        ("--mx-model-len", "fastdeploy", "max_model_len"),
        ("quantisation", "fastdeploy", "quantization"),
        ("max_lora", "vllm", "max_loras"),
        ("zzz", "fastdeploy", ""),
    ],
)
def test_the_nearest_flag_is_found(word: str, engine: str, name: str) -> None:
    assert nearest_flag(word, engine) == name


def test_the_nearest_flag_is_one_that_the_version_has() -> None:
    assert nearest_flag("model-imp", "fastdeploy") == "model_impl"
    assert nearest_flag("model-imp", "fastdeploy", "2.4.0") != "model_impl"


def test_the_page_of_flags_is_up_to_date() -> None:
    script = ROOT / "scripts" / "flags_reference.py"
    done = subprocess.run((sys.executable, str(script), "--check"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
