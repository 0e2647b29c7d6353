"""`ernie-deploy smoke --url` as the real command, against the simulated FastDeploy."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ernie_deploy.smoke import practised
from tests.support.engines import REPOSITORY
from tests.support.simulator import PARSERS, Running, simulator


def start(service: Running, *words: str) -> "subprocess.Popen[str]":
    url = f"http://127.0.0.1:{service.port}"
    return subprocess.Popen(
        (sys.executable, "-m", "ernie_deploy", "smoke", "--url", url, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=service.directory,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "ERNIE_DEPLOY_STATE": str(service.directory / "state")},
    )


def smoke(service: Running, *words: str) -> tuple[int, Any, str]:
    """Exit code, JSON report and what was said beside it."""
    with start(service, "--json", *words) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, json.loads(out), err


def test_a_simulator_of_any_name_is_held_to_the_words_that_it_can_say(tmp_path: Path) -> None:
    with simulator(tmp_path, *PARSERS, "--max-model-len=8192") as service:
        code, found, err = smoke(service, "--only", "chart-tallest", "--only", "unicode-persian", "--only", "stem-sum")
    assert (code, found["profile"]) == (0, "rehearsal"), err
    assert "expecting rehearsal" in err


def test_what_was_asked_for_is_expected_of_a_simulator_too(tmp_path: Path) -> None:
    with simulator(tmp_path, *PARSERS) as service:
        code, found, err = smoke(service, "--expect", "model", "--only", "text")
    assert (code, found["profile"]) == (0, "model"), err


def test_the_rehearsal_model_is_shown_the_same_pictures_every_time_and_others_are_not(tmp_path: Path) -> None:
    with simulator(tmp_path, *PARSERS) as service:
        asked = [(), (), ("--expect", "model"), ("--expect", "model"), ("--seed", "7")]
        seeds = [smoke(service, "--only", "text", *words)[1]["seed"] for words in asked]
    assert seeds[:2] == [practised.SEED, practised.SEED]
    assert len({*seeds[1:4]}) == 3
    assert seeds[4] == 7


def test_a_service_that_lost_its_length_fails_and_the_flag_is_named(tmp_path: Path) -> None:
    """FastDeploy takes 2048 tokens in all when nothing else reached it."""
    with simulator(tmp_path, *PARSERS) as service:
        code, found, err = smoke(service, "--only", "video-order")
    (case,) = (case for case in found["cases"] if case["id"] == "video-order")
    assert (code, case["verdict"]) == (7, "fail")
    assert "max_model_len(2048)" in case["message"], err
    assert "--max-model-len" in case["hint"]


def test_ctrl_c_keeps_what_was_found_and_passes_nothing_that_did_not_run(tmp_path: Path) -> None:
    """Stopped while the simulator is slow to answer, in a probe after the first ones."""
    junit = tmp_path / "out.xml"
    with simulator(tmp_path, *PARSERS, ttft_s="2") as service:
        process = start(service, "--junit", str(junit), "--only", "models", "--only", "text", "--only", "stem-sum")
        assert process.stderr
        line = ""
        while "expecting" not in line:
            line = process.stderr.readline()
            assert line, "it was never said what is expected"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "error: interrupted" in err
    cases = {str(case.get("name")).split(" ")[0]: case for case in ElementTree.parse(junit).iter("testcase")}
    assert cases["models"].find("skipped") is None
    for name in ("text", "stem-sum"):
        skipped = cases[name].find("skipped")
        assert skipped is not None
        assert "interrupted" in str(skipped.get("message"))


def test_a_table_in_a_file_has_no_blanks_after_its_rows() -> None:
    command = (sys.executable, "-m", "ernie_deploy", "smoke", "--list")
    listed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout.splitlines()
    assert len(listed) > 40
    assert [line for line in listed if line != line.rstrip()] == []


def test_the_reports_are_there_when_nobody_reads_the_table_to_its_end(tmp_path: Path) -> None:
    junit = tmp_path / "out.xml"
    with simulator(tmp_path, *PARSERS) as service:
        process = start(service, "--only", "text", "--junit", str(junit))
        assert process.stdout
        process.stdout.close()
        process.wait(60)
        assert process.stderr
        process.stderr.close()
    assert ElementTree.parse(junit).getroot().get("failures") == "0"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--junit", "nowhere/out.xml"), "nowhere: it is not there"),
        (("--html", "."), "--html .: it is a directory"),
        (("--html", "out", "--markdown", "./out"), "is written there"),
        (("--only", "text", "--skip", "text"), "leave no probe to run"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anybody_is_asked(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    with simulator(tmp_path, *PARSERS) as service, start(service, "--only", "text", *words) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert why in err


def test_a_report_may_go_to_stdout(tmp_path: Path) -> None:
    with (
        simulator(tmp_path, *PARSERS) as service,
        start(service, "--only", "text", "--markdown", "/dev/stdout") as process,
    ):
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("**ernie-deploy smoke** of `any/model`"), out
    assert "| `text` | 6 questions answered right |" in out


def test_where_a_call_looks_is_drawn_also_when_it_is_the_wrong_place(tmp_path: Path) -> None:
    with simulator(tmp_path, *PARSERS, "--max-model-len=8192", faults="zooms-elsewhere") as service:
        code, found, _err = smoke(service, "--only", "zoom-loop")
    (case,) = (case for case in found["cases"] if case["id"] == "zoom-loop")
    assert (code, case["verdict"]) == (7, "fail")
    assert [box["kind"] for box in case["boxes"]] == ["expected", "answered"]


def test_a_recording_that_is_judged_again_is_as_old_as_it_is(tmp_path: Path) -> None:
    with simulator(tmp_path, *PARSERS) as service:
        _code, first, _err = smoke(service, "--only", "health", "--record", str(tmp_path / "record"))
        told = json.loads((tmp_path / "record" / "run.json").read_text())
        assert told["started"] <= first["created"]
        told["started"] = "2026-01-02T03:04:05Z"
        (tmp_path / "record" / "run.json").write_text(json.dumps(told))
        with subprocess.Popen(
            (sys.executable, "-m", "ernie_deploy", "smoke", "--replay", str(tmp_path / "record"), "--json"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY,
        ) as process:  # fmt: skip
            out, _err = process.communicate(timeout=60)
    assert json.loads(out)["created"] == told["started"]
