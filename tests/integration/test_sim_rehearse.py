"""`rehearse` against the simulated FastDeploy: the whole path in one command, under a name of its own."""

import json
from pathlib import Path

import pytest

from tests.support.engines import free_port
from tests.support.simulator import command, left_by


def test_a_rehearsal_under_a_new_name_is_green_and_leaves_nothing(tmp_path: Path) -> None:
    argv = ("rehearse", "--engine=fastdeploy", "--engine-version=develop", "--name=fresh", f"--port={free_port()}")
    done = command(tmp_path, *argv, "--json")
    assert done.returncode == 0, done.stderr
    assert "FastDeploy develop is SIMULATED" in done.stderr
    report = json.loads(done.stdout)
    assert report["engine"] == "fastdeploy (simulated)"
    assert report["summary"]["fail"] == 0
    assert not (tmp_path / "state" / "fresh").exists()
    assert left_by(tmp_path) == []
    listed = json.loads(command(tmp_path, "engine", "list", "--json").stdout)
    assert [row["state"] for row in listed if row["name"] == "fastdeploy-simulated-develop"] == ["SIMULATED"]
    assert command(tmp_path, "engine", "remove", "fastdeploy-simulated-develop").returncode == 0
    assert not (tmp_path / "engines" / "fastdeploy-simulated-develop").exists()


def test_the_key_of_the_real_deployment_is_not_asked_of_a_rehearsal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERNIE_DEPLOY_API_KEY", "sk-of-the-real-one")
    done = command(tmp_path, "rehearse", "--engine=fastdeploy", "--name=keyless", f"--port={free_port()}", "--json")
    assert done.returncode == 0, done.stderr
    skipped = {case["id"]: case["message"] for case in json.loads(done.stdout)["cases"] if case["verdict"] == "skip"}
    assert skipped["auth-required"] == "the run has no API key (ERNIE_DEPLOY_API_KEY)"


def test_a_fault_that_means_nothing_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERNIE_SIM_FAULTS", "oom@ready+5")
    done = command(tmp_path, "up", "--preset=rehearsal-fastdeploy")
    assert done.returncode == 2
    assert "oom belongs to the start" in done.stderr
    assert not (tmp_path / "engines").exists()


def test_a_deployment_with_logs_is_never_taken_for_a_rehearsal(tmp_path: Path) -> None:
    log = tmp_path / "state" / "real" / "logs" / "engine.log"
    log.parent.mkdir(parents=True)
    log.write_text("a line\n")
    done = command(tmp_path, "rehearse", "--engine=fastdeploy", "--name=real", "--no-install", f"--port={free_port()}")
    assert done.returncode
    assert log.exists()
