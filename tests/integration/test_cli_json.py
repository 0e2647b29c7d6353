"""`--json` of every command that reports is JSON and nothing else, with the keys that scripts read."""

import pytest

from tests.support.deployments import Place


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("plan", {"plan", "launch"}),
        ("check", {"results", "facts", "plan"}),
        ("up", {"name", "state", "was_running", "after_s", "url", "model", "launch"}),
    ],
)
def test_a_report_on_a_plan_is_json(running: Place, words: str, keys: set[str]) -> None:
    ended = running.run(words, *running.flags(), "--json")
    assert ended.json().keys() >= keys
    assert ended.code == (0 if words != "check" else ended.code)


def test_status_is_json(running: Place) -> None:
    (said,) = running.run("status", "--json").json()
    assert (said["name"], said["state"], said["health"], said["left"]) == ("ernie", "ready", 200, 0)
    assert (said["pid"], said["url"]) == (running.leader(), f"http://127.0.0.1:{running.port}")


def test_wait_is_json(running: Place) -> None:
    said = running.run("wait", "--json").json()
    assert said.keys() == {"name", "state", "after_s", "url", "stages", "notes"}


def test_config_is_json(running: Place) -> None:
    out = running.directory / "config"
    assert running.run("config", *running.flags(), "--out", str(out), "--json").json()["written"] is True


def test_down_is_json(place: Place) -> None:
    said = place.run("down", "--json").json()
    assert said == {
        "name": "ernie",
        "found": 0,
        "killed": 0,
        "interrupted": None,
        "processes_left": [],
        "ports_left": [],
        "gpu_memory_left": [],
        "removed": [],
    }


def test_a_patience_that_no_clock_reaches_is_refused(place: Place) -> None:
    for command, flag in (("down", "--grace"), ("wait", "--timeout")):
        for seconds in ("nan", "inf", "-1"):
            ended = place.run(command, f"{flag}={seconds}")
            assert ended.code == 2, ended
            assert f"{flag}: expected a number of seconds" in ended.err
