"""Whole rendered launch configs, and the documented commands they must reproduce.

After a meant change: `ERNIE_GOLDEN=write pytest tests/golden`, then read the difference.
"""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from ernie_deploy.catalog.flag_values import value_problems
from ernie_deploy.catalog.flags import flags_of as flags_of_engine
from ernie_deploy.engines.registry import ENGINES, launch_of
from ernie_deploy.engines.start_script import pasteable
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.plan.values import Plan
from ernie_deploy.spec.load import decode
from tests.support import hosts, plans

HERE = Path(__file__).parent
DOCUMENTED = """
fastdeploy serve --model /models/ernie --max-model-len 131072 --max-num-seqs 32 --port 8180 --quantization wint8
  --reasoning-parser ernie-45-vl-thinking --tool-call-parser ernie-45-vl-thinking
  --mm-processor-kwargs '{"image_max_pixels": 12845056 }'
"""
# Why each of these: docs/explanation/fastdeploy-settings.md.
ADDED = """
--max-num-batched-tokens 16384 --limit-mm-per-prompt '{"image": 10, "video": 1}' --no-enable-prefix-caching
  --metrics-port 8181 --engine-worker-queue-port 8182 --cache-queue-port 8183
"""
DOCUMENTED_VLLM = """
vllm serve /models/ernie --port 8180 --trust-remote-code --reasoning-parser ernie45 --tool-call-parser ernie45
  --enable-auto-tool-choice
"""
CASES: dict[str, dict[str, Any]] = {
    "fastdeploy-documented": {"model": "/models/ernie"},
    "fastdeploy-everything": {
        "model": "/models/ernie",
        "host": "127.0.0.1",
        "metrics_port": 8181,
        "served_model_name": "ernie",
        "api_key_file": "/etc/ernie/key",
        "max_num_batched_tokens": 16384,
        "gpu_memory_utilization": 0.9,
        "tensor_parallel_size": 2,
        "gpus": [1, 3],
        "limit_mm_per_prompt": {"image": 10, "video": 1},
        "enable_prefix_caching": True,
        "engine_args": {"load_choices": "default_v1"},
        "env": {"FD_LOG_LEVEL": "INFO"},
    },
    "fastdeploy-awkward-paths": {"model": "/modelle/ernie ü; rm -rf $HOME"},
    "fastdeploy-downloads": {"quantization": "bf16", "revision": "main"},
    "vllm-documented": {"model": "/models/ernie", "engine": "vllm"},
    "transformers-documented": {"model": "/models/ernie", "engine": "transformers"},
}


def plan_of(case: str) -> Plan:
    layers = completed([asked("flag", "{flag}", decode({"engine_python": "/venv/bin/python"} | CASES[case], case))])
    root = "/stände hier" if case == "fastdeploy-awkward-paths" else "/state"
    return resolve(layers, hosts.some_facts(models=()), state_root=Path(root))


@pytest.mark.parametrize("case", CASES)
def test_a_launch_config_is_written_as_before(case: str) -> None:
    plan = plan_of(case)
    launch = launch_of(plan)
    rendered = [f"$ {pasteable(launch)}", ""]
    for file in ENGINES[launch.engine].config_files(plan):
        rendered += [f"=== {file.name} {file.mode:o}", file.content]
    text = "\n".join(rendered)
    golden = HERE / f"{case}.txt"
    if os.environ.get("ERNIE_GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def flags_of(words: list[str]) -> dict[str, Any]:
    """`--flag value` pairs and bare flags; a value that is JSON is compared as such."""
    found: dict[str, Any] = {}
    for index, word in enumerate(words):
        if word.startswith("--"):
            following = words[index + 1] if index + 1 < len(words) else "--"
            found[word] = True if following.startswith("--") else _value(following)
    return found


def _value(text: str) -> Any:
    return json.loads(text) if text.startswith("{") else text


@pytest.mark.parametrize(
    ("case", "documented", "added"),
    [("fastdeploy-documented", DOCUMENTED, ADDED), ("vllm-documented", DOCUMENTED_VLLM, "")],
)
def test_the_documented_command_comes_first_and_then_what_we_decide(case: str, documented: str, added: str) -> None:
    flags = flags_of(list(launch_of(plan_of(case)).argv))
    documented_flags, ours = flags_of(shlex.split(documented)), flags_of(shlex.split(added))
    assert flags == documented_flags | ours
    assert set(list(flags)[: len(documented_flags)]) == set(documented_flags)


def test_fastdeploys_yaml_has_underscore_keys_and_the_values_of_the_argv() -> None:
    plan = plan_of("fastdeploy-everything")
    document = yaml.safe_load(ENGINES["fastdeploy"].config_files(plan)[0].content)
    assert not [key for key in document if "-" in key]
    flags = flags_of(list(launch_of(plan).argv))
    for key, value in document.items():
        flag = "--" + key.replace("_", "-")
        if isinstance(value, bool):
            assert (flag if value else f"--no-{flag[2:]}") in flags
        else:
            assert flags[flag] == (value if isinstance(value, dict) else str(value)), key


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("fastdeploy")])
def test_every_value_of_fastdeploys_yaml_is_one_that_its_flag_takes(case: str) -> None:
    document = yaml.safe_load(ENGINES["fastdeploy"].config_files(plan_of(case))[0].content)
    for key, value in document.items():
        flag = flags_of_engine("fastdeploy").named(key)
        assert flag is not None, key
        assert flag.name == key
        assert list(value_problems(flag, value)) == [], key


def test_image_max_pixels_stays_an_integer_or_fastdeploy_drops_all_of_them() -> None:
    document = yaml.safe_load(ENGINES["fastdeploy"].config_files(plan_of("fastdeploy-documented"))[0].content)
    assert type(document["mm_processor_kwargs"]["image_max_pixels"]) is int


@pytest.mark.parametrize("case", CASES)
def test_no_key_is_ever_in_what_is_shown_or_written(case: str) -> None:
    plan = plan_of(case)
    launch = launch_of(plan)
    text = pasteable(launch) + "".join(file.content for file in ENGINES[launch.engine].config_files(plan))
    assert "API_KEY=" not in text.replace('API_KEY="$(cat ', "")


def test_an_old_fastdeploy_opens_a_metrics_port_unasked() -> None:
    old = launch_of(plans.a_plan(engine_version="2.3.4", metrics_port=None))
    new = launch_of(plans.a_plan(engine_version="2.4.0", metrics_port=None))
    assert [port.number for port in old.ports if port.role == "metrics"] == [8001]
    assert [port.number for port in new.ports if port.role == "metrics"] == []


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (None, "http://127.0.0.1:8180"),
        ("0.0.0.0", "http://127.0.0.1:8180"),
        ("::", "http://[::1]:8180"),
        ("::1", "http://[::1]:8180"),
        ("192.0.2.7", "http://192.0.2.7:8180"),
    ],
)
def test_a_wildcard_address_is_reached_over_the_loopback(host: str | None, url: str) -> None:
    assert launch_of(plans.a_plan(host=host)).base_url == url
