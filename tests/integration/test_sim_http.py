"""The simulated FastDeploy over HTTP: one running service for most of it."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ernie_deploy.client import Client, Endpoint
from ernie_deploy.smoke.detect import detect, is_simulated
from ernie_deploy.smoke.registry import PROBES
from ernie_deploy.smoke.run import run, select
from ernie_deploy.smoke.target import Target
from tests.support.deployments import eventually
from tests.support.engines import free_port
from tests.support.simulator import KEY, PARSERS, Running, ask, chat, events, picture, simulator


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    limits = ("--limit-mm-per-prompt", '{"image": 10}', "--max-concurrency=4", "--max-num-seqs=2")
    directory = tmp_path_factory.mktemp("sim")
    with simulator(directory, *PARSERS, *limits, f"--api-key={KEY}", "--max-model-len=8192",
                   "--served-model-name=ernie-rehearsal", fetch_s="0.05", itl_s="0.003") as running:  # fmt: skip
        yield running


def test_everything_names_itself_simulated(service: Running) -> None:
    answered = chat(service)
    assert answered.headers["server"] == "ernie-deploy-simulator"
    assert answered.headers["x-simulated"] == "fastdeploy/2.5.0"
    assert answered.json["system_fingerprint"] == "simulated"
    models = ask(service, "GET", "/v1/models", authorization=f"Bearer {KEY}").json
    assert models["data"][0]["owned_by"] == "FastDeploy (simulated)"
    assert "SIMULATED" in ask(service, "GET", "/metrics").body.decode()
    assert (service.directory / "out").read_text().startswith("SIMULATED FastDeploy 2.5.0")


def test_of_the_fast_tier_only_the_open_config_info_fails(service: Running) -> None:
    """All of them, and what each fault does to them, are the matter of scripts/mutation_report.py."""
    address = Endpoint(f"http://127.0.0.1:{service.port}", "ernie-rehearsal", KEY)
    with Client(address) as client:
        engine = detect(client)
        target = Target(
            client,
            engine,
            "rehearsal",
            seed=5,
            max_model_len=8192,
            max_num_seqs=2,
            metrics=client,
            is_simulated=is_simulated(client),
        )
        cases = [case for case in run(PROBES, target, select(PROBES, tier="fast")) if case.tier == "fast"]
    assert engine == "fastdeploy"
    # Metrics share the port of the API here, and so the variables of the server stand open, its key among them.
    wrong = {case.id: case.message for case in cases if case.verdict not in ("pass", "unsupported")}
    assert wrong == {"config-info": "/config-info tells the API key to whoever asks"}
    assert sum(case.verdict == "pass" for case in cases) > len(cases) * 2 // 3


def test_keys_protect_v1_only_and_config_info_tells_every_variable(service: Running) -> None:
    assert chat(service, key="wrong").json == {"error": "Unauthorized"}
    assert ask(service, "GET", "/v1/models").status == 401
    assert ask(service, "OPTIONS", "/v1/models").status != 401
    assert [ask(service, "GET", path).status for path in ("/health", "/ping", "/load", "/metrics")] == [200] * 4
    told = ask(service, "GET", "/config-info").json
    assert told["env"]["FD_LOG_DIR"] == str(service.directory / "log")
    assert KEY in told["api_key"]


def test_a_picture_is_seen_and_counted(service: Running) -> None:
    answered = chat(service, [picture(), {"type": "text", "text": "Name the color you see."}], max_tokens=256).json
    assert answered["choices"][0]["message"]["content"].strip() == "The image is blue."
    details = answered["usage"]["prompt_tokens_details"]
    assert (details["image_tokens"], details["video_tokens"]) == (64, 0)


def test_a_stream_has_the_engines_quirks(service: Running) -> None:
    answered = chat(service, stream=True, stream_options={"include_usage": True})
    lines = events(answered)
    assert lines[0].endswith("} ")
    assert json.loads(lines[0])["choices"][0]["delta"]["role"] == "assistant"
    assert lines[-1] == "[DONE]"
    usage, last = json.loads(lines[-2]), json.loads(lines[-3])
    assert usage["choices"] == []
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["choices"][0]["arrival_time"] > 0
    assert usage["usage"]["completion_tokens"] == 15


def test_thinking_cut_by_the_budget_leaves_a_short_answer(service: Running) -> None:
    answered = chat(service, max_tokens=5).json["choices"][0]
    assert answered["finish_reason"] == "length"
    assert answered["message"]["content"] == ""


def test_refusals_have_the_shape_of_the_version(service: Running) -> None:
    bad = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,bm90IGEgcGljdHVyZQ=="}}]
    far = [{"type": "image_url", "image_url": {"url": "https://192.0.2.1/x.png"}}]
    found = [chat(service, messages="x"), chat(service, bad), chat(service, far), chat(service, model="other")]
    assert [one.status for one in found] == [400, 500, 500, 500]
    assert all(one.json["error"]["type"] == "invalid_request_error" for one in found)
    broken = ask(service, "POST", "/v1/chat/completions", b"{", authorization=f"Bearer {KEY}")
    assert broken.status == 400


def test_completions_and_wrong_routes(service: Running) -> None:
    key = f"Bearer {KEY}"
    answered = ask(service, "POST", "/v1/completions", {"prompt": "Say hello."}, authorization=key).json
    assert "Hello! I am the rehearsal model." in answered["choices"][0]["text"]
    assert ask(service, "GET", "/v1/chat/completions", authorization=key).status == 405
    assert ask(service, "GET", "/nothing").status == 404


def test_places_are_given_in_order_counted_and_given_back(service: Running) -> None:
    """Two places, four connections: more are refused with 429, and who hangs up makes room."""

    def count_aloud(_: int) -> int:
        return chat(service, "Count from 1 to 5.", stream=True, max_tokens=200).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(count_aloud, range(8)))
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 4
    eventually(lambda: "num_requests_running 0\n" in ask(service, "GET", "/metrics").body.decode())


def test_what_users_write_and_the_key_are_in_the_logs(service: Running) -> None:
    chat(service, "a secret question")
    log = (service.directory / "log" / "api_server.log").read_text()
    assert "a secret question" in log
    assert KEY in log
    assert "Launch worker service command: " in (service.directory / "log" / "fastdeploy.log").read_text()


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
)
def test_what_is_no_http_is_refused_and_harms_nobody(service: Running, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(raw)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert ask(service, "GET", "/health").status == 200


def test_2_3_has_its_own_error_shapes_and_a_metrics_port(tmp_path: Path) -> None:
    port = free_port()
    with simulator(tmp_path / "sim", *PARSERS, f"--metrics-port={port}", version="2.3.0") as old:
        refused = chat(old, messages="x")
        assert refused.status == 422
        assert refused.json["detail"][0]["loc"] == ["body", "messages"]
        two = chat(old, [picture(28, 28), picture(28, 28)])
        assert two.status == 400
        assert two.json["detail"]["message"] == "Too many image items in prompt, got 2 but limit is 1"
        assert ask(old, "GET", "/metrics").status == 404
        beside = old._replace(port=port)
        assert ask(beside, "GET", "/metrics").status == 200
        assert "env" in ask(beside, "GET", "/config-info").json


def test_a_fault_of_a_time_comes_and_goes(tmp_path: Path) -> None:
    with simulator(tmp_path / "sim", *PARSERS, faults="health-404@ready+0-0.6,stream-error@ready+0.6:2") as service:
        assert ask(service, "GET", "/health").body == b"Worker Service Not Healthy"
        eventually(lambda: ask(service, "GET", "/health").status == 200)
        lines = events(chat(service, stream=True))
        assert "Engine is not healthy" in json.loads(lines[-1])["error"]["message"]
