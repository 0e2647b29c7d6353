"""What hostile and awkward clients send to the simulated FastDeploy: answered or refused, and nobody else is harmed."""

import asyncio
import json
from pathlib import Path

import pytest

from ernie_deploy.sim.fastdeploy.wire import talk
from tests.integration.test_sim_served_faults import service

HELLO = '{"messages": [{"role": "user", "content": "Say hello."}]'
CHAT = "/v1/chat/completions"


def sent(directory: Path, *requests: bytes, version: str = "2.5.0") -> bytes:
    """All of one connection's answers; afterwards another connection must be served."""

    async def exchanged() -> bytes:
        serving = service(directory, "", version=version)
        opened = await asyncio.start_server(
            lambda reader, writer: talk(reader, writer, serving.answer, {}, serving.pace), "127.0.0.1", 0
        )

        async def one(data: bytes) -> bytes:
            reader, writer = await asyncio.open_connection(*opened.sockets[0].getsockname())
            writer.write(data)
            try:
                return await asyncio.wait_for(reader.read(), 10)
            finally:
                writer.close()

        async with opened:
            answered = await one(b"".join(requests))
            assert b" 200 OK" in await one(b"GET /health HTTP/1.0\r\n\r\n")
            return answered

    return asyncio.run(exchanged())


def posted(body: str | bytes, path: str = CHAT, *, version: str = "1.1", headers: str = "") -> bytes:
    data = body if isinstance(body, bytes) else body.encode()
    head = f"POST {path} HTTP/{version}\r\n{headers}content-length: {len(data)}\r\nconnection: close\r\n\r\n"
    return head.encode() + data


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (HELLO + ', "model": "\\ud800"}', 500),
        (HELLO + ', "request_id": "\\ud800"}', 200),
        (HELLO + ', "n": 1000000000}', 400),
        (HELLO + ', "n": 0}', 400),
        (HELLO + ', "max_tokens": ' + "9" * 5000 + "}", 400),
        (HELLO + ', "tools": ' + "[" * 100_000 + "]" * 100_000 + "}", 400),
        (b'{"messages": [{"role": "user", "content": "\xff"}]}', 400),
        (HELLO + ', "temperature": NaN}', 400),
        ('{"messages": [{"role": "user", "content": [1, null]}]}', 500),
        ('{"messages": [{"role": "user", "content": "' + "a " * 3_000_000 + '"}]}', 500),
    ],
)
def test_a_hostile_body_is_answered(tmp_path: Path, body: str | bytes, status: int) -> None:
    answered = sent(tmp_path, posted(body))
    head, _, rest = answered.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    json.loads(rest)
    # A log is not filled by one request.
    assert sum(path.stat().st_size for path in (tmp_path / "log").iterdir() if not path.is_symlink()) < 400_000


def test_http_1_0_gets_a_stream_without_chunks_that_ends_with_the_connection(tmp_path: Path) -> None:
    answered = sent(tmp_path, posted(HELLO + ', "stream": true}', version="1.0"))
    head, _, rest = answered.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert rest.startswith(b"data: {")
    assert rest.endswith(b"data: [DONE]\n\n")


def test_who_asks_before_sending_a_large_body_is_told_to_go_on(tmp_path: Path) -> None:
    answered = sent(tmp_path, posted(HELLO + "}", headers="expect: 100-continue\r\n"))
    assert answered.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_pipelined_requests_are_answered_in_order_and_head_has_no_body(tmp_path: Path) -> None:
    answered = sent(
        tmp_path, b"HEAD /health HTTP/1.1\r\n\r\n", b"GET /load HTTP/1.1\r\n\r\n", b"GET /no HTTP/1.0\r\n\r\n"
    )
    first, second, third = answered.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"405 ")
    assert first.endswith(b"\r\n\r\n")
    assert second.startswith(b"200 OK")
    assert b"connection: close" in third
    assert third.startswith(b"404 ")


def test_completions_have_ids_and_choices_of_their_own_and_pooling_is_refused(tmp_path: Path) -> None:
    body = sent(tmp_path, posted('{"prompt": "Say hello.", "n": 2}', "/v1/completions")).partition(b"\r\n\r\n")[2]
    answered = json.loads(body)
    assert answered["id"].startswith("cmpl-")
    assert [choice["index"] for choice in answered["choices"]] == [0, 1]
    for version, status in (("2.3.0", b"HTTP/1.1 400 "), ("2.5.0", b"HTTP/1.1 500 ")):
        assert sent(tmp_path, posted("{}", "/v1/embeddings"), version=version).startswith(status)


def test_requests_are_counted_by_route_and_strangers_together(tmp_path: Path) -> None:
    asked = (b"GET /health HTTP/1.1\r\n\r\n", b"GET /a HTTP/1.1\r\n\r\n", b"HACK /b HTTP/1.1\r\n\r\n")
    metrics = sent(tmp_path, *asked, b"GET /metrics HTTP/1.0\r\n\r\n").decode()
    assert 'http_requests_total{method="GET",path="/health",status_code="200"} 1.0' in metrics
    assert 'http_requests_total{method="GET",path="/…",status_code="404"} 1.0' in metrics
    assert "HACK" not in metrics
    assert 'http_request_duration_seconds_bucket{method="GET",path="/health",le="+Inf"} 1.0' in metrics
