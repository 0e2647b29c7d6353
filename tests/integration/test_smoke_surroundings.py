"""`ernie-deploy smoke` as the real command, in bad surroundings: it says what it met, in the reports too."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from tests.support.engines import REPOSITORY, free_port
from tests.support.servers import Behaviour, answering, misbehaving
from tests.support.users_pytest import pytest_of_a_user

KEY = "zq9-Distinct/Key+7731="
MODELS = json.dumps({"data": [{"id": "any"}]}).encode()
REPORTS = ("--junit", "r.xml", "--ctrf", "r.json", "--markdown", "r.md", "--html", "r.html")


def start(directory: Path, *words: str, key: str = "") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        (sys.executable, "-m", "ernie_deploy", "smoke", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
        env=os.environ
        | {"PYTHONPATH": str(REPOSITORY), "ERNIE_DEPLOY_STATE": str(directory / "state"), "ERNIE_DEPLOY_API_KEY": key},
    )


def smoke(directory: Path, *words: str, key: str = "") -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    with start(directory, *words, key=key) as process:
        out, err = process.communicate(timeout=60)
    assert "Traceback" not in out + err
    return process.returncode, out, err


def chatting(answer: bytes, status: str = "200 OK", models: bytes = MODELS) -> Behaviour:
    """A service that lists one model and always answers the same."""

    def behave(connection: socket.socket, request: bytes) -> None:
        is_list = b"/v1/models" in request.split(b"\r\n", 1)[0]
        (answering("200 OK", models) if is_list else answering(status, answer))(connection, request)

    return behave


def test_a_service_that_echoes_the_key_brings_it_into_no_output_no_report_and_no_recording(tmp_path: Path) -> None:
    said = (KEY, quote(KEY), quote(KEY, safe=""), json.dumps(KEY).replace("/", "\\/"))
    hidden = base64.b64encode(KEY.encode()).decode(), base64.b64encode(f"user:{KEY}".encode()).decode()
    call = {"function": {"name": KEY, "arguments": json.dumps({KEY: KEY})}}
    message = {"content": " ".join((*said, *hidden)), "reasoning_content": KEY, "tool_calls": [call]}
    echo = json.dumps({"choices": [{"message": message, "finish_reason": KEY}], "error": {"message": KEY}}).encode()
    with misbehaving(chatting(echo)) as server:
        words = ("--only", "fast", "--expect", "contract", "--record", "record", *REPORTS, "--url", server.url)
        code, out, err = smoke(tmp_path, *words, key=KEY)
    assert code == 7, err
    written = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"r.xml", "r.json", "r.md", "r.html", "exchanges.jsonl", "run.json"} <= set(written)
    secrets = (*said[:3], hidden[0], hidden[1][8:-4])
    found = [(name, secret) for name, text in (*written.items(), ("out", out), ("err", err))
             for secret in secrets if secret in text]  # fmt: skip
    assert found == []
    assert "***" in out


def test_a_list_of_models_that_echoes_the_key_does_not_bring_it_into_the_error(tmp_path: Path) -> None:
    with misbehaving(answering("200 OK", f"<html><title>{KEY}</title></html>".encode())) as server:
        code, out, err = smoke(tmp_path, "--url", server.url, key=KEY)
    assert (code, KEY in out + err) == (7, False)
    assert "an HTML page titled '***'" in err


def test_json_that_is_nested_absurdly_deep_fails_probes_and_is_no_bug(tmp_path: Path) -> None:
    chosen = ("--only", "text", "--only", "stream-order", "--only", "error-shape")
    for body, status in ((b"[" * 100_000, "200 OK"), (b"[" * 700 + b"]" * 700, "400 Bad Request")):
        with misbehaving(chatting(body, status)) as server:
            code, _, err = smoke(tmp_path, "--expect", "contract", *chosen, "--url", server.url)
        assert code == 7, err


HELLO = json.dumps({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}).encode()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder above a recording of two probes, one of each tier."""
    directory = tmp_path_factory.mktemp("recorded")
    with misbehaving(chatting(HELLO)) as server:
        chosen = ("--expect", "contract", "--skip", "key", "--only", "text", "--only", "repeatable")
        code, _, err = smoke(directory, "--url", server.url, "--record", "record", *chosen)
    assert code == 0, err
    return directory


@pytest.mark.parametrize(
    "words",
    [
        ("--model", "other"),
        ("--cacert", "none.pem"),
        ("--seed", "0"),
        ("--max-tokens", "999"),
        ("--timeout", "9"),
        ("--retries", "1"),
        ("--metrics-url", "http://127.0.0.1:1"),
        ("--max-model-len", "9"),
        ("--max-num-seqs", "9"),
    ],
)
def test_a_replay_refuses_the_flags_that_it_could_only_pass_over(recorded: Path, words: tuple[str, str]) -> None:
    code, out, err = smoke(recorded, "--replay", "record", *words)
    assert (code, out) == (2, "")
    assert f"--replay asks nobody, so {words[0]} means nothing" in err


def test_a_replay_judges_fewer_probes_when_it_is_told_so(recorded: Path) -> None:
    code, out, err = smoke(recorded, "--replay", "record", "--skip", "full", "--tier", "fast", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["tier"], found["summary"]["pass"]) == ("fast", 1)


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e10"])
def test_a_time_limit_that_no_clock_can_keep_is_refused(tmp_path: Path, seconds: str) -> None:
    with misbehaving(chatting(HELLO)) as server:
        code, out, _ = smoke(tmp_path, "--url", server.url, "--only", "text", "--timeout", seconds)
    assert (code, out) == (2, "")


@pytest.mark.parametrize("words", [(), ("--model", "any")])
def test_a_service_that_is_down_is_a_failure_in_every_report(tmp_path: Path, words: tuple[str, ...]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, out, err = smoke(tmp_path, "--url", url, "--tier", "fast", "--expect", "contract", *REPORTS, *words)
    assert (code, "nothing answers" in out + err) == (7 if words else 6, True)
    suite = ElementTree.parse(tmp_path / "r.xml").getroot()
    assert int(suite.get("failures", "0")) >= 1
    assert all(case.find("failure") is not None or case.find("skipped") is not None for case in suite.iter("testcase"))
    assert json.loads((tmp_path / "r.json").read_text())["results"]["summary"]["failed"] >= 1
    assert "nothing answers" in (tmp_path / "r.md").read_text()
    assert "nothing answers" in (tmp_path / "r.html").read_text()


def test_a_service_that_cannot_be_asked_is_told_in_json_too(tmp_path: Path) -> None:
    with misbehaving(answering("502 Bad Gateway", b"<html><title>502</title></html>")) as server:
        code, out, _ = smoke(tmp_path, "--url", server.url, "--only", "text", "--json")
    found = json.loads(out)
    assert (code, found["summary"]["fail"], found["summary"]["pass"]) == (7, 1, 0)
    told = {case["id"]: (case["verdict"], case["message"]) for case in found["cases"]}
    assert told["service"][0] == "fail"
    assert told["text"] == ("skip", "the service could not be asked")
    assert told["image"] == ("skip", "left out by --only")


def test_a_run_that_is_ended_while_a_mute_service_is_asked_for_its_models_leaves_reports(tmp_path: Path) -> None:
    def keep_silent(connection: socket.socket, _request: bytes) -> None:
        asked.set()
        connection.recv(1)

    asked = threading.Event()
    with misbehaving(keep_silent) as server, start(tmp_path, "--url", server.url, *REPORTS) as process:
        assert asked.wait(20)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    cases = list(ElementTree.parse(tmp_path / "r.xml").iter("testcase"))
    assert len(cases) > 40
    assert all(
        "interrupted" in str(found.get("message")) for case in cases if (found := case.find("skipped")) is not None
    )
    assert "INTERRUPTED" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("500 Internal Server Error", "--model NAME"),
        ("404 Not Found", "--model NAME"),
        ("200 OK", "--model NAME"),
        ("401 Unauthorized", "give the key"),
        ("307 Temporary Redirect", "a key is sent nowhere else"),
    ],
)
def test_a_list_of_models_that_is_broken_need_not_stop_a_run(tmp_path: Path, status: str, hint: str) -> None:
    """transformers serve answers 500 for it, and its chat works."""
    with misbehaving(answering(status, b"Internal Server Error")) as server:
        code, _, err = smoke(tmp_path, "--url", server.url, "--only", "text")
    assert code == 7
    assert hint in err.splitlines()[-1]


def test_a_thought_that_stands_in_the_answer_is_traced_to_the_missing_parser(tmp_path: Path) -> None:
    message = {"content": "Two and two make five, or so.\n</think>\n\nfive"}
    answer = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    with misbehaving(chatting(answer)) as server:
        code, _, err = smoke(tmp_path, "--url", server.url, "--only", "text", "--expect", "model")
    assert code == 7
    assert "text: start the engine with its reasoning parser: ernie-45-vl-thinking" in err


USERS_TEST = """
def test_it_answers(ernie):
    print("asked", ernie.endpoint.api_key)
    assert ernie.client.chat({"messages": []}).content == "another"
"""


@pytest.mark.parametrize("is_down", [True, False])
def test_what_pytest_prints_of_a_test_that_fails_holds_no_key(tmp_path: Path, is_down: bool) -> None:
    """It shows the arguments of every function on the way, and with -l the locals."""
    (tmp_path / "test_it.py").write_text(USERS_TEST)
    with misbehaving(chatting(HELLO)) as server:
        url = f"http://127.0.0.1:{free_port()}" if is_down else server.url
        words = ("-l", "--ernie-endpoint", url, f"--junitxml={tmp_path / 'r.xml'}")
        done = pytest_of_a_user(tmp_path / "test_it.py", *words, key=KEY)
    assert done.returncode == 1
    assert ("nothing answers" if is_down else "AssertionError") in done.stdout
    assert KEY not in done.stdout + done.stderr + (tmp_path / "r.xml").read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_is_there_is_not_asked_to_be_made(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    code, _, err = smoke(tmp_path, "--url", "http://127.0.0.1:1", "--junit", "closed/r.xml")
    assert code == 2
    assert "closed: it cannot be written in" in err
    assert err.splitlines()[-1] == "hint: name a file in a directory that you may write in"
