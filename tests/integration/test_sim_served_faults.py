"""Every fault of an answer and of the wire, on a service in this very process: each in milliseconds."""

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ernie_deploy.rehearsal.grammar import ZOOM_TOOL, zoom_questions
from ernie_deploy.sim.fastdeploy import bare, faults
from ernie_deploy.sim.fastdeploy.dials import Dials
from ernie_deploy.sim.fastdeploy.era import era_of
from ernie_deploy.sim.fastdeploy.logs import Logs
from ernie_deploy.sim.fastdeploy.parsers import Parsers
from ernie_deploy.sim.fastdeploy.request_types import Served
from ernie_deploy.sim.fastdeploy.service import Service
from ernie_deploy.sim.fastdeploy.setup import Setup
from ernie_deploy.sim.fastdeploy.wire import talk
from tests.support.simulator import picture

VALUES = {"max_num_seqs": 2, "max_concurrency": 8, "port": 8180, "metrics_port": None, "model": "ernie", "workers": 1}
HELLO = {"messages": [{"role": "user", "content": "Say hello."}]}
ANSWER = "Hello! I am the rehearsal model."
PICTURE = picture()


class Answered(NamedTuple):
    status: int
    body: bytes

    @property
    def message(self) -> Any:
        return json.loads(self.body)["choices"][0]["message"]


def service(
    directory: Path,
    text: str,
    *,
    version: str = "2.5.0",
    recheck_s: float = 300.0,
    keys: tuple[str, ...] = (),
    **values: object,
) -> Service:
    era = era_of(version)
    logs = Logs(directory / "log", era)
    logs.make()
    served = Served("ernie", True, 8192, {"image": 2, "video": 1}, {}, False, False)
    setup = Setup(era, Dials(ttft_s=0, itl_s=0.001, recheck_s=recheck_s), {**VALUES, **values}, served,
                  Parsers(True, True), keys, 100, lambda: (200, ""), lambda: True)  # fmt: skip
    armed = faults.Faults(faults.parse(text))
    armed.became_ready()
    return Service(setup, armed, logs)


async def ask(serving: Service, path: str, body: object = None, *, patience_s: float = 5.0, key: str = "") -> Answered:
    """One request over a real connection; the body as it came, chunks and all when it was a stream."""
    opened = await asyncio.start_server(
        lambda reader, writer: talk(reader, writer, serving.answer, {}, serving.pace), "127.0.0.1", 0
    )
    async with opened:
        reader, writer = await asyncio.open_connection(*opened.sockets[0].getsockname())
        data = b"" if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        fields = f"content-length: {len(data)}\r\nconnection: close\r\nauthorization: Bearer {key}"
        writer.write(f"{method} {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + data)
        try:
            raw = await asyncio.wait_for(reader.read(), patience_s)
        finally:
            writer.close()
    first, _, rest = raw.partition(b"\r\n\r\n")
    return Answered(int(first.split()[1]), rest)


def chat(directory: Path, text: str, **fields: object) -> Answered:
    return asyncio.run(ask(service(directory, text), "/v1/chat/completions", {**HELLO, **fields}))


def get(directory: Path, text: str, path: str) -> Answered:
    return asyncio.run(ask(service(directory, text), path))


@pytest.mark.parametrize(
    ("fault", "status"),
    [("html", 502), ("errors-500", 500), ("too-many-requests", 429), ("empty-answers", 200), ("huge-body:1", 200)],
)
def test_a_fault_has_its_status(tmp_path: Path, fault: str, status: int) -> None:
    assert chat(tmp_path, fault).status == status


@pytest.mark.parametrize(
    ("fault", "content"),
    [
        ("empty-answers", ""),
        ("garbled", "\n\nConsectetur adipiscing elit sed."),
        ("leaky-think", f"A greeting is asked for.\n</think>\n\n{ANSWER}"),
        ("", f"\n\n{ANSWER}"),
    ],
)
def test_a_fault_changes_the_answer(tmp_path: Path, fault: str, content: str) -> None:
    assert chat(tmp_path, fault).message["content"] == content


def test_a_blind_one_counts_no_image_tokens(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": [PICTURE, {"type": "text", "text": "Describe this image."}]}]
    answered = json.loads(chat(tmp_path, "blind", messages=messages).body)
    assert answered["usage"]["prompt_tokens_details"]["image_tokens"] == 0
    assert "blue" not in answered["choices"][0]["message"]["content"]


def call(tmp_path: Path, fault: str) -> Any:
    question = {"type": "text", "text": zoom_questions("top left")[0]}
    messages = [{"role": "user", "content": [PICTURE, question]}]
    return chat(tmp_path, fault, messages=messages, tools=[ZOOM_TOOL]).message


def test_a_call_can_stay_text_or_be_no_json(tmp_path: Path) -> None:
    assert json.loads(call(tmp_path, "")["tool_calls"][0]["function"]["arguments"])["bbox_2d"] == [0, 0, 500, 500]
    assert "<tool_call>" in call(tmp_path, "no-tool-calls")["content"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(call(tmp_path, "malformed-tool-json")["tool_calls"][0]["function"]["arguments"])


def test_a_stream_can_end_badly(tmp_path: Path) -> None:
    whole = chat(tmp_path, "", stream=True).body
    assert whole.count(b"data: ") > 5
    assert whole.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert b"[DONE]" not in chat(tmp_path, "no-done", stream=True).body
    assert chat(tmp_path, "one-chunk", stream=True).body.count(b"data: ") == 3
    broken = chat(tmp_path, "stream-error:2", stream=True)
    assert broken.status == 200
    assert b'data: {"error"' in broken.body
    closed = chat(tmp_path, "stream-close:2", stream=True)
    assert not closed.body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("fault", ["no-tokens", "no-tokens-idle", "tokens-stop:2"])
def test_tokens_can_stay_away(tmp_path: Path, fault: str) -> None:
    """Metrics tell whether anything is thought to run."""

    async def stuck() -> Answered:
        serving = service(tmp_path, fault)
        with pytest.raises(TimeoutError):
            await ask(serving, "/v1/chat/completions", HELLO, patience_s=0.3)
        return Answered(serving.places.running, serving.counted.text({}, {}).encode())

    running, metrics = asyncio.run(stuck())
    assert running == (0 if fault == "no-tokens-idle" else 1)
    generated = 2 if fault == "tokens-stop:2" else 0
    assert f"fastdeploy:generation_tokens_total {generated}\n".encode() in metrics


def test_an_engine_that_is_found_unhealthy_ends_the_stream_after_its_time(tmp_path: Path) -> None:
    serving = service(tmp_path, "tokens-stop:2,health-404", recheck_s=0.1)
    answered = asyncio.run(ask(serving, "/v1/chat/completions", {**HELLO, "stream": True}))
    assert b"Engine is not healthy: Worker Service Not Healthy" in answered.body


def test_a_full_queue_makes_requests_wait_while_tokens_flow(tmp_path: Path) -> None:
    async def waiting() -> tuple[int, str]:
        serving = service(tmp_path, "queue-full@0-0.4")
        others = asyncio.create_task(serving.keep_others_busy())
        await asyncio.sleep(0)
        request = asyncio.create_task(ask(serving, "/v1/chat/completions", HELLO))
        await asyncio.sleep(0.2)
        metrics = (await ask(serving, "/metrics")).body.decode()
        status = (await request).status
        others.cancel()
        return status, metrics

    status, metrics = asyncio.run(waiting())
    assert status == 200, "it had its turn when the others were gone"
    assert "fastdeploy:num_requests_waiting 1\n" in metrics
    assert "fastdeploy:num_requests_running 2\n" in metrics
    assert "fastdeploy:generation_tokens_total 0\n" not in metrics


def test_who_hangs_up_makes_room_since_2_5_and_not_before(tmp_path: Path) -> None:
    async def left_over(version: str) -> int:
        serving = service(tmp_path, "no-tokens", version=version)
        with pytest.raises(TimeoutError):
            await ask(serving, "/v1/chat/completions", HELLO, patience_s=0.2)
        await asyncio.sleep(0.2)
        return serving.places.running

    assert [asyncio.run(left_over(version)) for version in ("2.3.0", "2.5.0")] == [1, 0]


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ("health-304", 304, b""),
        ("health-404", 404, b"Worker Service Not Healthy"),
        ("health-500", 500, b"Internal Server Error"),
        ("", 200, b""),
    ],
)
def test_health_says_what_it_is_told_to(tmp_path: Path, fault: str, status: int, body: bytes) -> None:
    assert get(tmp_path, fault, "/health") == Answered(status, body)


def test_health_can_hang_and_metrics_can_be_gone(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(ask(service(tmp_path, "health-hangs"), "/health", patience_s=0.2))
    assert get(tmp_path, "metrics-missing", "/metrics").status == 404


def test_frozen_metrics_stay_as_they_were(tmp_path: Path) -> None:
    async def twice() -> tuple[bytes, bytes]:
        serving = service(tmp_path, "metrics-frozen")
        first = await ask(serving, "/metrics")
        await ask(serving, "/v1/chat/completions", HELLO)
        return first.body, (await ask(serving, "/metrics")).body

    before, after = asyncio.run(twice())
    assert before == after


def test_an_answer_can_trickle(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(ask(service(tmp_path, "slow-loris:10"), "/v1/models", patience_s=0.3))


def test_a_malformed_request_can_get_a_normal_answer(tmp_path: Path) -> None:
    assert chat(tmp_path, "accept-malformed", messages="nonsense").message["content"] == f"\n\n{ANSWER}"


def test_another_model_can_answer(tmp_path: Path) -> None:
    models = json.loads(get(tmp_path, "wrong-model-name:gpt", "/v1/models").body)
    assert models["data"][0]["id"] == "gpt"


# Who may enter, and where ---------------------------------------------------------------------------------------------

CHAT = "/v1/chat/completions"


def entered(directory: Path, fault: str, path: str, *, key: str = "", body: object = None) -> Answered:
    serving = service(directory, fault, keys=("right",), metrics_port=8181)
    return asyncio.run(ask(serving, path, body, key=key))


@pytest.mark.parametrize(
    ("fault", "path", "key", "before", "after"),
    [
        ("key-not-checked", CHAT, "", 401, 200),
        ("any-key-fits", CHAT, "wrong", 401, 200),
        ("wrong-key-500", CHAT, "wrong", 401, 500),
        ("back-door", "/invocations", "", 404, 200),
        ("redirects", CHAT, "right", 200, 307),
    ],
)
def test_a_fault_lets_strangers_in_or_turns_friends_away(
    tmp_path: Path, fault: str, path: str, key: str, before: int, after: int
) -> None:
    assert entered(tmp_path, "", path, key=key, body=HELLO).status == before
    assert entered(tmp_path, fault, path, key=key, body=HELLO).status == after


@pytest.mark.parametrize(
    ("fault", "path", "before", "after"),
    [
        ("key-everywhere", "/health", 200, 401),
        ("config-info-open", "/config-info", 404, 200),
        ("catch-all", "/no-such-path", 404, 200),
    ],
)
def test_a_fault_changes_what_stands_beside_the_api(
    tmp_path: Path, fault: str, path: str, before: int, after: int
) -> None:
    assert entered(tmp_path, "", path).status == before
    assert entered(tmp_path, fault, path).status == after


def test_a_key_can_be_shown_to_who_sent_it(tmp_path: Path) -> None:
    assert b"wrong-one" not in entered(tmp_path, "", CHAT, key="wrong-one", body=HELLO).body
    assert b"wrong-one" in entered(tmp_path, "key-echoed", CHAT, key="wrong-one", body=HELLO).body


def test_a_list_of_models_can_be_empty_and_metrics_can_have_other_names(tmp_path: Path) -> None:
    assert json.loads(get(tmp_path, "models-empty", "/v1/models").body)["data"] == []
    assert b"fastdeploy:" not in get(tmp_path, "metrics-renamed", "/metrics").body
    assert get(tmp_path, "any-method", CHAT).status == 200


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [("", 500, b'"error":{'), ("wordless-refusals", 500, b"Internal Server Error"), ("refuses-with-200", 200, b"error"),
     ("mixed-refusals", 500, b'"Unsupported role')],
)  # fmt: skip
def test_refusals_can_be_other_than_they_should(tmp_path: Path, fault: str, status: int, words: bytes) -> None:
    refused = chat(tmp_path, fault, messages=[{"role": "robot", "content": "?"}])
    assert refused.status == status
    assert words in refused.body


@pytest.mark.parametrize(("fault", "statuses"), [("", [200, 200]), ("fails-when-busy", [200, 500])])
def test_a_busy_service_can_fail_those_who_come_later(tmp_path: Path, fault: str, statuses: list[int]) -> None:
    async def both() -> list[int]:
        serving = service(tmp_path, fault)
        first = asyncio.create_task(ask(serving, CHAT, HELLO))
        while not serving.places.running:
            await asyncio.sleep(0.001)
        return sorted([(await ask(serving, CHAT, HELLO)).status, (await first).status])

    assert asyncio.run(both()) == statuses


def test_a_place_can_stay_taken_when_its_client_hangs_up(tmp_path: Path) -> None:
    async def left_over(fault: str) -> int:
        serving = service(tmp_path, f"no-tokens,{fault}")
        with pytest.raises(TimeoutError):
            await ask(serving, CHAT, HELLO, patience_s=0.1)
        await asyncio.sleep(0.15)
        return serving.places.running

    assert asyncio.run(left_over("slots-leak")) == 1
    assert asyncio.run(left_over("usage-zero")) == 0


def test_a_stream_can_come_late_or_whole_or_go_on_after_its_end(tmp_path: Path) -> None:
    assert chat(tmp_path, "not-a-stream", stream=True).message["content"].endswith(ANSWER)
    after = chat(tmp_path, "data-after-done", stream=True).body.partition(b"data: [DONE]")[2]
    assert b"And so on" in after
    ids = {
        line.partition(b'"id":"')[2][:30] for line in chat(tmp_path, "ids-change", stream=True).body.split(b"data: ")
    }
    assert len(ids) > 5
    early = chat(tmp_path, "usage-early", stream=True, stream_options={"include_usage": True}).body
    assert early.index(b'"usage"') < early.index(b'"finish_reason":"stop"')
    assert b'"finish_reason":"stop"' not in chat(tmp_path, "no-finish", stream=True).body
    assert chat(tmp_path, "late-first-token", stream=True).body.count(b"data: ") > 5


def test_a_service_without_its_start_answers_like_one_with_it(tmp_path: Path) -> None:
    argv = ("--model=any/model", "--served-model-name=ernie", "--api-key=right", "--max-model-len=4096")

    async def answers() -> list[int]:
        ports: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

        def opened(api: int, metrics: int) -> None:
            ports.put_nowait((api, metrics))

        serving = asyncio.create_task(bare.serve(argv, Dials(faults="blind"), {}, tmp_path, opened))
        api, metrics = await ports.get()
        found = [await status(api, "/health"), await status(api, "/v1/models"), await status(api, "/metrics"),
                 await status(metrics, "/metrics")]  # fmt: skip
        serving.cancel()
        return found

    assert asyncio.run(answers()) == [200, 401, 404, 200]


async def status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nconnection: close\r\n\r\n".encode())
    first = await reader.readline()
    writer.close()
    return int(first.split()[1])
