"""The oracle behind an OpenAI-compatible API, plain and streamed."""

import contextlib
import http.server
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from tests.support.oracle.answering import Call, Calls, answer, elsewhere
from tests.support.oracle.facts import lie
from tests.support.oracle.generation import Generated, generated
from tests.support.oracle.request import MAX_MODEL_LEN, RefusedError, Request, parse
from tests.support.oracle.wording import Manner

MODEL = "oracle"
THINKING_S = 0.02
"""Between the thought and the answer of a stream, so that a client can see that tokens come when they are made."""

HEAD = {"id": "chat-1", "model": MODEL, "created": 1}
MODELS = {"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": MAX_MODEL_LEN}]}


class Oracle:
    """Knows the answers. lies: it sees the truth, and tells another."""

    def __init__(self, manner: Manner, *, lies: bool) -> None:
        self._manner, self._lies = manner, lies
        self._asked = itertools.count()

    def reply(self, request: Request) -> Generated:
        count = next(self._asked)
        found = answer(request, count)
        if isinstance(found, Calls):
            return generated(request, "", (elsewhere(request, found) if self._lies else found).calls)
        return generated(request, self._manner(lie(found, count) if self._lies else found), ())


@contextlib.contextmanager
def oracle(manner: Manner, *, lies: bool = False) -> Iterator[str]:
    """The base URL of one that serves, on a port of its own."""
    server = _Server(Oracle(manner, lies=lies))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, oracle: Oracle) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.oracle = oracle

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are part of the probes; everything else is a mistake here, and shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/health":
            self._send(200, {})
        elif self.path == "/v1/models":
            self._send(200, MODELS)
        else:
            self._refuse(404, f"there is no {self.path}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            request = parse(json.loads(body))
        except RefusedError as error:
            return self._refuse(400, str(error))
        found = self.server.oracle.reply(request)
        return self._stream(found) if request.is_stream else self._send(200, _whole(found))

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def _refuse(self, status: int, message: str) -> None:
        self._send(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def _send(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, found: Generated) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for payload in _events(found):
            data = f"data: {payload}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")


def _whole(found: Generated) -> dict[str, object]:
    message = {
        "role": "assistant",
        "content": "".join(found.answer) or None,
        "reasoning_content": "".join(found.thought) or None,
        "tool_calls": _written(found.calls) or None,
    }
    choice = {"index": 0, "message": message, "finish_reason": found.finish_reason}
    return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": found.usage}


def _events(found: Generated) -> Iterator[str]:
    yield _event({"role": "assistant", "content": ""})
    for token in found.thought:
        yield _event({"reasoning_content": token})
    time.sleep(THINKING_S)
    for token in found.answer:
        yield _event({"content": token})
    for index, call in enumerate(_written(found.calls)):
        yield _event({"tool_calls": [{"index": index, **call}]})
    yield _event({}, found.finish_reason)
    yield json.dumps({**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": found.usage})
    yield "[DONE]"


def _event(delta: dict[str, object], finish_reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return json.dumps({**HEAD, "object": "chat.completion.chunk", "choices": [choice]})


def _written(calls: tuple[Call, ...]) -> list[dict[str, object]]:
    return [
        {"id": f"call-{number}", "type": "function",
         "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
        for number, call in enumerate(calls)
    ]  # fmt: skip
