"""`watch` and `wait --for` with a real process behind them: what is seen, how soon, and how it ends."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from tests.support.deployments import Place, eventually, finish, is_running

AT_ONCE_S = 1.0


def events(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    assert process.stdout
    for line in process.stdout:
        yield json.loads(line)


def watching(place: Place, *words: str) -> "tuple[subprocess.Popen[str], Iterator[dict[str, Any]]]":
    """A watch that has seen the service alive."""
    process = place.start("watch", "--json", *words)
    seen = events(process)
    assert next(seen)["state"] == "alive"
    return process, seen


def test_one_verdict_on_a_service_that_lives(running: Place) -> None:
    ended = running.run("watch", "--once", "--json")
    assert ended.code == 0, ended.err
    event = ended.json()
    assert (event["name"], event["state"]) == ("ernie", "alive")
    assert event["reason"].startswith("a token came ")


def test_what_does_not_run_is_not_watched(place: Place) -> None:
    ended = place.run("watch", "--once")
    assert ended.code == 6
    assert "'ernie' is not running" in ended.err
    assert place.run("wait", "--for", "godot").code == 2


def test_wait_shows_what_was_asked_for_and_no_more(running: Place) -> None:
    thinking = running.run("wait", "--for", "thinking", "--json").json()
    assert [one["stage"] for one in thinking["stages"]][1:] == [
        "waiting for the first token",
        "waiting for an image token",
        "waiting for the thinking split",
    ]
    assert thinking["notes"] == []
    text = running.run("wait", "--for", "text", "--json").json()
    assert [one["stage"] for one in text["stages"]] == ["waiting for health 200", "waiting for the first token"]


def test_a_death_is_seen_at_once_and_ends_the_watch(deployed: Place) -> None:
    process, seen = watching(deployed)
    pid = deployed.leader()
    assert pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_running(pid))
    died_at = time.time()
    assert [event["state"] for event in seen if event["state"] != "degraded"] == ["dead"]
    assert time.time() - died_at < AT_ONCE_S
    ended = finish(process)
    assert ended.code == 6
    assert "'ernie' is dead: the server process is gone" in ended.err
    deployed.leave()


def test_a_stop_on_purpose_is_no_alarm(deployed: Place) -> None:
    process, seen = watching(deployed)
    assert deployed.run("down").code == 0
    assert [event["state"] for event in seen][-1] == "stopped"
    assert finish(process).code == 0


def test_a_server_that_stands_still_is_found_hung(deployed: Place) -> None:
    process, seen = watching(deployed, "--hang-after", "2", "--interval", "0.5")
    pid = deployed.leader()
    assert pid
    os.kill(pid, signal.SIGSTOP)
    assert [event["state"] for event in seen][-2:] == ["suspect", "hung"]
    ended = finish(process)
    assert ended.code == 6
    assert "'ernie' is hung: " in ended.err
    deployed.leave()


def test_the_next_start_of_the_same_plan_knows_how_long_the_last_one_took(deployed: Place) -> None:
    record = deployed.state / "ernie" / "boots.json"
    (boots,) = json.loads(record.read_bytes()).values()
    assert [stage for stage, _ in boots[0]["stages"]][:3] == ["choosing ports", "starting workers", "loading weights"]
    record.write_text(record.read_text().replace('"ready_after_s":', '"ready_after_s":4'))
    ended = deployed.run("restart", *deployed.flags())
    assert ended.code == 0, ended.err
    assert re.search(r"starting workers, about 4\d s left \(1 earlier boot\)", ended.err)
    assert re.search(r"loading weights \d+ %, about 4\d s left", ended.err)
    deployed.leave()
