"""A client that meets trouble says what it met, within its time, and gives no key away."""

import json
import socket
import time
from pathlib import Path

import pytest
from rich.pretty import pretty_repr

from ernie_deploy.client import Client, Endpoint, collect
from ernie_deploy.errors import EngineError, UsageError, VerifyError
from tests.support.engines import free_port
from tests.support.servers import AUTHORITY, answering, misbehaving

KEY = "sk-very-secret-0123456789"
QUESTION = {"messages": [{"role": "user", "content": "Say hello."}]}
ANSWER = json.dumps({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}).encode()


def client(url: str, *, read_s: float = 5, total_s: float = 5, api_key: str = "") -> Client:
    return Client(Endpoint(url, "ernie", api_key, connect_s=2, read_s=read_s, total_s=total_s))


def stream_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")


def stream_chunk(connection: socket.socket, data: bytes) -> None:
    connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))


def test_a_closed_port_is_named_with_the_url() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with client(url) as asked:
        with pytest.raises(EngineError, match=rf"{url}/v1/models: nothing answers: .*Connection refused"):
            asked.models()
        assert asked.health() is None


def test_an_html_page_is_not_taken_for_an_answer() -> None:
    page = b"<html><head><title>Welcome to nginx!</title></head></html>"
    with misbehaving(answering("200 OK", page, "text/html")) as server, client(server.url) as asked:
        with pytest.raises(VerifyError, match="the answer is not JSON"):
            asked.chat(QUESTION)
        with pytest.raises(VerifyError, match="an HTML page titled 'Welcome to nginx!'"):
            asked.models()


def test_a_trickle_ends_at_the_total_deadline() -> None:
    def trickle(connection: socket.socket, _request: bytes) -> None:
        stream_head(connection)
        while True:
            stream_chunk(connection, b": still here\n\n")
            time.sleep(0.05)

    with misbehaving(trickle) as server, client(server.url, total_s=0.5) as asked:
        started = time.monotonic()
        with pytest.raises(EngineError, match=r"the answer was not complete after 0\.5 s"):
            collect(asked.stream(QUESTION))
        assert time.monotonic() - started < 3


def test_headers_that_come_byte_by_byte_end_at_the_total_deadline() -> None:
    def trickle(connection: socket.socket, _request: bytes) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + b"X-Slow: " + b"a" * 200:
            connection.sendall(bytes([letter]))
            time.sleep(0.05)

    with misbehaving(trickle) as server, client(server.url, read_s=0.4, total_s=0.5) as asked:
        started = time.monotonic()
        with pytest.raises(EngineError, match=r"the answer was not complete after 0\.5 s"):
            asked.models()
        assert time.monotonic() - started < 3


def test_a_body_that_ends_with_its_connection_is_not_whole_when_the_deadline_ended_it() -> None:
    def never_ends(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n{")
        connection.recv(1)  # until the client hangs up

    too_late = pytest.raises(EngineError, match=r"the answer was not complete after 0\.3 s|said nothing for 0\.3 s")
    with misbehaving(never_ends) as server, client(server.url, read_s=5, total_s=0.3) as asked, too_late:
        asked.models()


def test_a_private_authority_is_believed_when_it_is_named_and_only_then() -> None:
    with misbehaving(answering("200 OK", b'{"data": [{"id": "ernie"}]}'), tls=True) as server:
        with Client(Endpoint(server.url, cacert=str(AUTHORITY))) as asked:
            assert [model.id for model in asked.models()] == ["ernie"]
        with client(server.url) as asked, pytest.raises(EngineError, match="the certificate is not trusted") as caught:
            asked.models()
        assert caught.value.hint == "name its authority's certificate: --cacert FILE"


def test_a_certificate_for_another_name_is_no_matter_of_its_authority() -> None:
    with misbehaving(answering("200 OK", b"{}"), tls=True) as server:
        elsewhere = Endpoint(server.url.replace("127.0.0.1", "localhost"), cacert=str(AUTHORITY))
        with Client(elsewhere) as asked, pytest.raises(EngineError, match="mismatch") as caught:
            asked.models()
    assert caught.value.hint == "ask for it by a name that its certificate is made out to"


def test_plain_http_to_a_server_with_tls_asks_whether_it_wants_that() -> None:
    with misbehaving(answering("200 OK", b"{}"), tls=True) as server:
        with (
            client(server.url.replace("https:", "http:")) as asked,
            pytest.raises(EngineError, match="the connection broke before an answer came") as caught,
        ):
            asked.models()
        assert caught.value.hint.endswith("does it want https://?")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.0\r\n\r\n", "what answers does not speak proper HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", "does not speak proper HTTP"),
        (b"HTTP/1.1 200 OK\r\nConte", "the connection broke before an answer came"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "the connection broke in the middle of the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "came compressed"),
    ],
)
def test_how_an_answer_went_wrong_is_told_apart(answer: bytes, message: str) -> None:
    told = pytest.raises(EngineError, match=message)
    hang_up = misbehaving(lambda connection, _request: connection.sendall(answer))
    with hang_up as server, client(server.url) as asked, told:
        asked.models()


def test_the_time_that_a_connection_was_given_is_the_one_that_is_told() -> None:
    """A listener that takes no more connections: the next one waits."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        late = pytest.raises(EngineError, match=r"no connection within 0\.5 s")
        url = f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port)), client(url, total_s=0.5) as asked, late:
            asked.models()


def test_tls_to_a_server_that_has_none_says_so() -> None:
    with misbehaving(answering("200 OK", b"{}")) as server:
        with (
            client(server.url.replace("http:", "https:")) as asked,
            pytest.raises(EngineError, match="no TLS") as caught,
        ):
            asked.models()
        assert caught.value.hint == "does it speak plain HTTP? then give http://"


def test_an_authority_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(UsageError, match=r"ca\.pem: no certificate in it"):
        Client(Endpoint("https://127.0.0.1", cacert=str(tmp_path / "ca.pem")))
    with pytest.raises(UsageError, match=r"none\.pem cannot be read: No such file"):
        Client(Endpoint("https://127.0.0.1", cacert=str(tmp_path / "none.pem")))


def test_silence_ends_at_the_read_deadline() -> None:
    def keep_silent(connection: socket.socket, _request: bytes) -> None:
        connection.recv(1)

    silence = pytest.raises(EngineError, match=r"the server said nothing for 0\.3 s")
    with misbehaving(keep_silent) as server, client(server.url, read_s=0.3) as asked, silence:
        asked.chat(QUESTION)


def test_a_stream_that_breaks_off_is_not_taken_for_an_answer() -> None:
    def break_off(connection: socket.socket, _request: bytes) -> None:
        stream_head(connection)
        stream_chunk(connection, b'data: {"choices": [{"delta": {"content": "Hel"}}]}\n\n')

    with misbehaving(break_off) as server, client(server.url) as asked:
        deltas = asked.stream(QUESTION)
        assert next(deltas).content == "Hel"
        with pytest.raises(EngineError, match="the connection broke in the middle of the answer"):
            next(deltas)


def test_a_gigabyte_is_not_read_into_memory() -> None:
    sent = []

    def flood(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        block = b"x" * (1 << 20)
        for _ in range(1024):
            connection.sendall(block)
            sent.append(len(block))

    too_large = pytest.raises(VerifyError, match="larger than 32 MiB")
    with misbehaving(flood) as server, client(server.url, total_s=60) as asked, too_large:
        asked.get("/health")
    assert sum(sent) < 100 << 20


def test_proxy_variables_are_not_for_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, dead)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with misbehaving(answering("200 OK", b"")) as server, client(server.url) as asked:
        assert asked.health() == 200


def test_a_redirect_is_not_followed_and_the_key_stays_here() -> None:
    with misbehaving(answering("200 OK", ANSWER)) as elsewhere:
        redirect = answering("307 Temporary Redirect", b"", headers=(f"Location: {elsewhere.url}/v1/chat/completions",))
        with misbehaving(redirect) as server, client(server.url, api_key=KEY) as asked:
            with pytest.raises(VerifyError, match=f"HTTP 307, redirects to {elsewhere.url}"):
                asked.chat(QUESTION)
            assert asked.health() == 307
        assert elsewhere.requests == []


def test_the_key_goes_into_its_header_and_nowhere_else() -> None:
    with misbehaving(answering("200 OK", ANSWER)) as server, client(server.url, api_key=KEY) as asked:
        assert asked.chat(QUESTION).content == "Hello"
        (request,) = server.requests
        assert f"Authorization: Bearer {KEY}".encode() in request
        assert request.count(KEY.encode()) == 1
        assert KEY not in repr(asked.endpoint) + pretty_repr(asked.endpoint)


def test_a_server_that_echoes_the_key_does_not_bring_it_into_an_error() -> None:
    echo = json.dumps({"error": {"message": f"bad header: Bearer {KEY}"}}).encode()
    with misbehaving(answering("401 Unauthorized", echo)) as server, client(server.url, api_key=KEY) as asked:
        with pytest.raises(VerifyError, match=r"bad header: Bearer \*\*\*") as caught:
            asked.chat(QUESTION)
        assert KEY not in caught.value.details


def test_a_refused_stream_says_why() -> None:
    busy = b'{"detail": "Too many requests,current max concurrency is 1"}'
    refused = pytest.raises(VerifyError, match="HTTP 429: Too many requests,current max concurrency is 1")
    with misbehaving(answering("429 Too Many Requests", busy)) as server, client(server.url) as asked, refused:
        next(asked.stream(QUESTION))


def test_an_answer_after_a_server_that_hung_up_comes_over_a_new_connection() -> None:
    """transformers serve sends a bare 500 that promises to keep the connection, and closes it."""
    bare = answering("500 Internal Server Error", b"Internal Server Error")
    with misbehaving(bare) as server, client(server.url) as asked:
        assert [asked.post("/v1/chat/completions", {}).status for _ in range(20)] == [500] * 20
        assert len(server.requests) == 20


def test_only_200_is_healthy_and_304_is_reported_as_it_is() -> None:
    def not_modified(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 304 Not Modified\r\n\r\n")

    with misbehaving(not_modified) as server, client(server.url) as asked:
        assert asked.health() == 304


def test_leaving_a_stream_early_closes_its_connection() -> None:
    ended = []

    def talk_on(connection: socket.socket, _request: bytes) -> None:
        stream_head(connection)
        try:
            while True:
                stream_chunk(connection, b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n')
                time.sleep(0.01)
        except ConnectionError:
            ended.append(True)

    with misbehaving(talk_on) as server, client(server.url) as asked:
        deltas = asked.stream(QUESTION)
        next(deltas)
        deltas.close()
        end = time.monotonic() + 5
        while not ended and time.monotonic() < end:
            time.sleep(0.01)
    assert ended


@pytest.mark.parametrize(
    "url",
    [
        "host:8180",
        "ftp://host/",
        "http://",
        "http://user:secret@host:8180",
        "http://[::",
        "http://host:8180/v1?token=secret",
        "http://host:8180/#/chat",
    ],
)
def test_a_base_url_that_cannot_work_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        client(url)
    assert "secret" not in str(caught.value)


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(UsageError, match="no HTTP header can carry") as caught:
        client("http://127.0.0.1:1", api_key=f"{KEY}\n")
    assert KEY not in str(caught.value)


def test_a_base_url_may_end_in_v1() -> None:
    assert Endpoint("http://host:8180/v1/").url("/v1/models") == "http://host:8180/v1/models"
