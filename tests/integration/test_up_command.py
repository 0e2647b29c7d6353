"""`up` starts exactly what is documented, and exactly what `plan` shows."""

import json
import shlex
from typing import Any

import pytest

from tests.support import nvml
from tests.support.deployments import Place, argv_of, environment_of

MODULE = ["-m", "fastdeploy.entrypoints.openai.api_server"]
# As the best-practice page of this model has it, for one 48 GB card.
DOCUMENTED = """
fastdeploy serve --model {model} --max-model-len 131072 --max-num-seqs 32 --port {port} --quantization wint8
 --reasoning-parser ernie-45-vl-thinking --tool-call-parser ernie-45-vl-thinking
 --mm-processor-kwargs '{{"image_max_pixels": 12845056 }}'
"""
# What the planner adds, and why: docs/explanation/fastdeploy-settings.md.
DECIDED = """
--max-num-batched-tokens 16384 --limit-mm-per-prompt '{{"image": 10, "video": 1}}' --no-enable-prefix-caching
 --metrics-port {} --engine-worker-queue-port {} --cache-queue-port {}
"""


def flags(words: list[str]) -> dict[str, Any]:
    """`--flag value` pairs, JSON understood."""
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    return {flag: json.loads(value) if value.startswith("{") else value for flag, value in pairs.items()}


def test_one_48_gb_card_gets_the_documented_command(place: Place) -> None:
    place.show(nvml.L20)
    named = ("--engine-python", str(place.engines / "fastdeploy/bin/python"), "--model", str(place.model))
    ended = place.run("up", "--quant", "wint8", *named, "--port", str(place.port))
    assert ended.code == 0, ended.err
    assert "warn   memory-fit" in ended.err
    assert "no full-length request" in ended.err
    assert ended.out.startswith(f"ready at http://127.0.0.1:{place.port} after ")
    pid = place.leader()
    assert pid
    argv = argv_of(pid)
    documented = shlex.split(DOCUMENTED.format(model=place.model, port=place.port))[2:]
    decided = shlex.split(DECIDED.format(*(place.port + distance for distance in (1, 2, 3))))
    assert argv[1:3] == MODULE
    assert flags(argv[3 : 3 + len(documented)]) == flags(documented)
    assert argv[3 + len(documented) :] == decided
    assert environment_of(pid)["CUDA_VISIBLE_DEVICES"] == "0"
    place.leave()


@pytest.mark.parametrize("engine", ["fastdeploy", "vllm", "transformers"])
def test_what_plan_shows_is_what_runs_byte_for_byte(place: Place, engine: str) -> None:
    planned = place.run("plan", *place.flags(engine), "--json").json()
    ended = place.up("--json", engine=engine)
    assert ended.code == 0, ended.err
    said = ended.json()
    assert (said["state"], said["was_running"]) == ("ready", False)
    pid = place.leader()
    assert pid
    assert argv_of(pid) == planned["launch"]["argv"] == said["launch"]["argv"]
    environment = environment_of(pid)
    assert planned["launch"]["env"].items() <= environment.items()
    assert environment["ERNIE_DEPLOY_TOKEN"].startswith(place.token())
    assert not [name for name in environment if name.startswith("ERNIE_DEPLOY_") and name != "ERNIE_DEPLOY_TOKEN"]
    place.leave()
    assert place.engine_pids() == []
