"""Layers in their order of precedence, a reason with every value, and combinations that cannot be."""

from pathlib import Path
from typing import Any

import pytest

from ernie_deploy.catalog.load import engines, presets
from ernie_deploy.errors import SpecError
from ernie_deploy.facts.values import EnvironmentFacts, Facts, GpuFacts, ModelFacts
from ernie_deploy.plan.explain import lines
from ernie_deploy.plan.layers import Layer, asked, completed
from ernie_deploy.plan.resolve import resolve, wanted
from ernie_deploy.plan.values import Plan, Setting
from ernie_deploy.spec.load import decode
from tests.support import hosts, nvml

ROOT = Path("/state")


def layers(flag: dict[str, Any], environment: dict[str, Any], file: dict[str, Any]) -> tuple[Layer, ...]:
    return completed(
        (
            asked("flag", "{flag}", decode(flag, "command line")),
            asked("environment", "ERNIE_DEPLOY_{variable}", decode(environment, "environment")),
            asked("file", "deploy.yaml: {key}", decode(file, "deploy.yaml")),
        )
    )


def planned(
    environment: dict[str, Any] | None = None,
    file: dict[str, Any] | None = None,
    facts: Facts | None = None,
    **flag: Any,
) -> Plan:
    return resolve(layers(flag, environment or {}, file or {}), facts or hosts.some_facts(), state_root=ROOT)


def refused(**flag: Any) -> SpecError:
    with pytest.raises(SpecError) as caught:
        planned(**flag)
    return caught.value


def test_nothing_asked_is_the_documented_service() -> None:
    plan = planned()
    assert plan.engine.value == "fastdeploy"
    assert plan.model.value == "baidu/ERNIE-4.5-VL-28B-A3B-Thinking"
    assert plan.quantization.value == "wint8"
    assert plan.max_model_len.value == 131072
    assert plan.max_num_seqs.value == 32
    assert plan.port.value == 8180
    assert plan.mm_processor_kwargs.value == {"image_max_pixels": 12845056}
    assert plan.reasoning_parser.value == plan.tool_call_parser.value == "ernie-45-vl-thinking"
    assert plan.state_dir == "/state/ernie"


def test_a_flag_beats_a_variable_beats_the_file_beats_a_preset_beats_the_catalog() -> None:
    said: dict[str, Any] = {"preset": "rehearsal-vllm"}
    catalog, preset = planned().max_num_seqs, planned(file=said).max_num_seqs
    file = planned(file=said | {"max_num_seqs": 5}).max_num_seqs
    environment = planned(environment={"max_num_seqs": 6}, file=said | {"max_num_seqs": 5}).max_num_seqs
    flag = planned(environment={"max_num_seqs": 6}, file=said | {"max_num_seqs": 5}, max_num_seqs=7).max_num_seqs
    assert [one.value for one in (catalog, preset, file, environment, flag)] == [32, 4, 5, 6, 7]
    assert [one.source for one in (catalog, preset, file, environment, flag)] == [
        "catalog", "preset", "file", "environment", "flag",
    ]  # fmt: skip
    assert file.origin == "deploy.yaml: max_num_seqs"
    assert environment.origin == "ERNIE_DEPLOY_MAX_NUM_SEQS"
    assert flag.origin == "--max-num-seqs"


@pytest.mark.parametrize("flag", [{}, {"engine": "vllm"}, {"engine": "transformers"}, {"preset": "rehearsal-vllm"}])
def test_every_setting_has_a_reason_and_an_origin(flag: dict[str, Any]) -> None:
    for line in lines(planned(**flag)):
        assert line.why, line.key
        assert line.origin, line.key


def test_what_is_left_out_says_what_the_engine_then_does() -> None:
    setting = planned().gpu_memory_utilization
    assert setting.value is None
    assert setting.source == "engine"
    assert setting.why == "left to the engine: 0.9 of the card"


def test_another_engine_brings_its_own_documented_settings() -> None:
    plan = planned(engine="vllm")
    assert plan.quantization.value is None
    assert plan.trust_remote_code.value is True
    assert plan.reasoning_parser.value == plan.tool_call_parser.value == "ernie45"
    assert plan.max_model_len.value is None


def test_the_same_input_gives_the_same_plan() -> None:
    assert planned(port=9000) == planned(port=9000)


def test_the_card_with_the_most_memory_is_taken_whatever_others_use_of_it() -> None:
    gpus = hosts.gpus(nvml.A30, nvml.L20, nvml.A6000)
    plan = planned(facts=hosts.some_facts(gpu=gpus))
    assert plan.gpus.value == (2,)
    assert "NVIDIA RTX A6000" in plan.gpus.why


def test_tensor_parallelism_takes_as_many_cards() -> None:
    facts = hosts.some_facts(gpu=hosts.gpus(nvml.A30, nvml.L20, nvml.A30))
    assert planned(facts=facts, tensor_parallel_size=2).gpus.value == (0, 1)


def test_a_host_without_cards_still_gets_a_plan_to_read() -> None:
    plan = planned(facts=hosts.some_facts(gpu=GpuFacts(problem="no driver")))
    assert plan.gpus.value == (0,)
    assert "no card was seen" in plan.gpus.why


def environments(*origins: str) -> tuple[EnvironmentFacts, ...]:
    return tuple(hosts.an_environment(python=f"/{origin}/python", origin=origin) for origin in origins)


def test_an_installed_environment_wins_over_one_on_path_and_an_asked_one_over_both() -> None:
    facts = hosts.some_facts(environments=environments("path", "installed"))
    assert planned(facts=facts).engine_python.value == "/installed/python"
    facts = hosts.some_facts(environments=environments("path", "installed", "asked"))
    assert planned(facts=facts, engine_python="/asked/python").engine_python.value == "/asked/python"


def test_the_version_that_is_installed_counts_not_the_one_that_was_wished() -> None:
    assert planned(engine_version="2.3.0").engine_version.value == "2.5.0"
    assert planned(engine_version="2.3.0", facts=hosts.some_facts(environments=())).engine_version.value == "2.3.0"


def test_a_whole_snapshot_is_used_and_a_broken_one_is_not() -> None:
    name = "baidu/ERNIE-4.5-VL-28B-A3B-Thinking"
    whole = ModelFacts("/cache/whole", problems=("vllm: rope_scaling has no mrope_section",), id=name)
    broken = ModelFacts("/cache/broken", problems=("model-00002-of-00012.safetensors is missing",), id=name)
    assert planned(facts=hosts.some_facts(models=(broken,))).model_path.value is None
    assert planned(facts=hosts.some_facts(models=(broken, whole))).model_path.value == "/cache/whole"
    assert planned(facts=hosts.some_facts(models=(whole,)), engine="vllm").model_path.value is None


def test_a_directory_that_is_no_snapshot_of_the_model_is_not_taken_for_one() -> None:
    name = "baidu/ERNIE-4.5-VL-28B-A3B-Thinking"
    assert planned(facts=hosts.some_facts(models=(ModelFacts("/rehearsal/hub"),))).model_path.value is None
    of_a_revision = hosts.some_facts(models=(ModelFacts("/cache/a", id=name, revision="abc"),))
    assert planned(facts=of_a_revision).model_path.value is None
    assert planned(facts=of_a_revision, revision="abc").model_path.value == "/cache/a"


def test_a_directory_is_taken_as_it_is_and_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    plan = planned(model="./ernie")
    assert plan.model_path.value == str(tmp_path / "ernie")
    assert plan.quantization.value == "wint8"


def test_a_rehearsal_points_at_the_model_in_the_package() -> None:
    need = wanted(layers({"preset": "rehearsal-vllm"}, {}, {}))
    assert need.model_is_directory
    assert (Path(need.model) / "config.json").exists()
    assert need.device == "cpu"


@pytest.mark.parametrize("name", presets())
def test_every_preset_plans(name: str) -> None:
    assert planned(preset=name).name == "rehearsal"


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ({"model": "baidu/ERNIE"}, "--model: 'baidu/ERNIE' is neither a known model nor a directory"),
        ({"preset": "rehearsal"}, "--preset: no preset is called 'rehearsal'"),
        ({"max_model_len": 131073}, "--max-model-len: 131073 is too much: the model's context ends at 131072 tokens"),
        ({"max_num_seqs": 257}, "--max-num-seqs: 257 is too much: fastdeploy takes at most 256"),
        ({"max_num_batched_tokens": 31}, "--max-num-batched-tokens: 31 is less than max_num_seqs 32"),
        (
            {"max_num_batched_tokens": 999, "max_model_len": 16, "max_num_seqs": 2},
            "--max-num-batched-tokens: 999 is more than all sequences can hold",
        ),
        (
            {"quantization": "int8"},
            "--quant: 'int8': fastdeploy cannot quantize this model so; it can: wint8, wint4, bf16",
        ),
        (
            {"mm_processor_kwargs": {"image_max_pixels": "12845056"}},
            "--mm-processor-kwargs: image_max_pixels: expected an integer, got '12845056'",
        ),
        ({"metrics_port": 8180}, "--metrics-port: 8180 is the service's own port"),
        ({"engine": "transformers", "max_model_len": 4096}, "--max-model-len: transformers has no such setting"),
        ({"engine_args": {"max-model-len": 5}}, "--engine-args.max-model-len: this is a key of its own"),
        ({"gpus": [0, 1]}, "--gpu: 2 card(s) for tensor_parallel_size 1"),
    ],
)
def test_an_impossible_value_is_refused_where_it_was_asked_for(flag: dict[str, Any], message: str) -> None:
    error = refused(**flag)
    assert error.message == message
    assert error.hint


def test_bf16_is_a_way_to_say_no_quantization() -> None:
    assert planned(quantization="bf16").quantization.value == "bf16"


def test_every_engine_says_what_it_does_with_every_optional_setting() -> None:
    optional = {key for key in Plan.__struct_fields__ if getattr(planned(), key, None) is not None}
    names = {name for name in optional if isinstance(getattr(planned(), name), Setting)}
    for name, engine in engines().items():
        assert set(engine.left_out) <= names, name
        assert set(engine.settings) <= names, name
