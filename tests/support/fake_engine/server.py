"""The life of a fake engine: start, load, serve, end; and the HTTP side of it."""

import argparse
import contextlib
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from . import brain, dialects, scripts

POLL_S = 0.02
WORKER = Path(__file__).parent.parent / "fastdeploy" / "worker" / "worker_process.py"


class Faults:
    """FAKE_FAULTS, parsed: `name` or `name:value`."""

    def __init__(self, text: str) -> None:
        pairs = [item.strip().partition(":") for item in text.split(",") if item.strip()]
        self._values = {name: value for name, _, value in pairs}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def number(self, name: str, otherwise: float) -> float:
        return float(self._values.get(name) or otherwise)


@dataclass
class Service:
    """Everything the parts of one running fake engine share."""

    voice: dialects.Voice
    options: argparse.Namespace
    faults: Faults
    # Set by a signal, so no Event: its lock may be held by what the signal has interrupted.
    is_stopping: bool = False
    answered: int = 0
    worker: subprocess.Popen[bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def log_dir(self) -> Path | None:
        return Path(os.environ.get("FD_LOG_DIR", "log")) if self.voice.engine == "fastdeploy" else None

    @property
    def api_keys(self) -> list[str]:
        name = {"fastdeploy": "FD_API_KEY", "vllm": "VLLM_API_KEY"}.get(self.voice.engine, "")
        given = getattr(self.options, "api_key", None)
        return given or [key for key in os.environ.get(name, "").split(",") if key]

    def log(self, line: str) -> None:
        print(line, flush=True)
        if self.log_dir is not None:
            with (self.log_dir / "fastdeploy.log").open("a") as stream:
                stream.write(f"{time.strftime('%F %T')} INFO  {line}\n")

    def log_in(self, name: str, line: str) -> None:
        if self.log_dir is not None:
            with (self.log_dir / name).open("a") as stream:
                stream.write(line + "\n")


def run(engine: dialects.Engine, version: str, options: argparse.Namespace) -> NoReturn:
    served = getattr(options, "served_model_name", None) or options.model or "default"
    voice = dialects.Voice(
        engine=engine,
        version=version,
        model=served,
        parses_reasoning=engine == "transformers" or bool(options.reasoning_parser),
        parses_tools=engine == "transformers" or bool(options.tool_call_parser),
    )
    service = Service(voice, options, Faults(os.environ.get("FAKE_FAULTS", "")))
    if service.log_dir is not None:
        service.log_dir.mkdir(parents=True, exist_ok=True)
    _listen_to_signals(service)
    threading.Thread(target=_end_some_day, daemon=True).start()
    try:
        _load(service)
        _serve(service)
    finally:
        _end_worker(service)
    if engine == "transformers":
        # uvicorn ends by the signal that it was sent; the other two end with 0.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    sys.exit(0)


def _listen_to_signals(service: Service) -> None:
    def end(_signal: int, _frame: FrameType | None) -> None:
        service.is_stopping = True

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "ignore-term" in service.faults else end)


def _end_some_day() -> None:
    time.sleep(float(os.environ.get("FAKE_MAX_S", "600")))
    os._exit(70)


# Start ----------------------------------------------------------------------------------------------------------------


def _load(service: Service) -> None:
    """Leaves by SystemExit when a fault says so, and when someone ends the process meanwhile."""
    faults = service.faults
    load_s = faults.number("slow-load", float(os.environ.get("FAKE_LOAD_S", "0.3")))
    before, after = scripts.loading(service.voice, service.options)
    for line in before:
        service.log(line)
    if "die-at-start" in faults:
        _fail(service, scripts.CRASH, 1)
    if "never-ready" in faults:
        _wait(service, None)
    if service.voice.engine != "transformers":
        _start_worker(service)
    if "oom" in faults:
        _fail(service, scripts.out_of_memory(service.voice), 1)
    share = getattr(service.options, "gpu_memory_utilization", None) or 0
    if "kv-small" in faults and share < faults.number("kv-small", 0.95):
        _fail(service, scripts.small_cache(service.voice), 1)
    if "exit-0" in faults:
        _fail(service, scripts.FAILED_START, 0)
    for number, line in enumerate(after):
        if "hang-loading" in faults and number == len(after) // 2:
            _wait(service, None)
        _wait(service, load_s / len(after))
        service.log(line)
    for name, line in scripts.memory_report():
        service.log_in(name, line)


def _wait(service: Service, seconds: float | None) -> None:
    end = time.monotonic() + (float("inf") if seconds is None else seconds)
    while not service.is_stopping and (left_s := end - time.monotonic()) > 0:
        time.sleep(min(left_s, POLL_S))
    if service.is_stopping:
        raise SystemExit(0)


def _fail(service: Service, lines: tuple[tuple[str, str], ...], code: int) -> NoReturn:
    """Lines go to the console, or into a log file of the engine when one is named."""
    for place, line in lines:
        if place and service.log_dir is not None:
            service.log_in(place, line)
        else:
            service.log(line)
    raise SystemExit(code)


def _start_worker(service: Service) -> None:
    """FastDeploy's worker gets a session of its own; vLLM's stays in the group of its server."""
    if service.log_dir is None:
        command = [sys.executable, "-u", "-m", __package__ + ".worker_process"]
        service.worker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        return
    command = [sys.executable, "-u", str(WORKER), "--model", str(service.options.model)]
    service.log_in("fastdeploy.log", f"Launch worker service command: {' '.join(command)}")
    with (service.log_dir / "workerlog.0").open("ab") as log:
        service.worker = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _end_worker(service: Service) -> None:
    if service.worker is None or service.worker.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if service.log_dir is not None:
            service.log("Engine shut down, exiting sub services...")
            os.killpg(service.worker.pid, signal.SIGTERM)
        else:
            service.worker.terminate()
    if "orphan-worker" not in service.faults:
        service.worker.wait(10)


# Serve ----------------------------------------------------------------------------------------------------------------


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: Service) -> None:
        self.service = service
        super().__init__(address, Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news; anything else is a bug of the fake and must be seen."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _serve(service: Service) -> None:
    options = service.options
    ports = {options.port, getattr(options, "metrics_port", None) or options.port}
    servers = []
    for port in sorted(ports, key=lambda number: number != options.port):
        try:
            servers.append(Server((options.host, port), service))
        except OSError as error:
            for line in scripts.port_in_use(
                service.voice, "port" if port == options.port else "metrics_port", port, error
            ):
                service.log(line)
            raise SystemExit(1) from None
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    for line in scripts.serving(service.voice, options):
        service.log(line)
    while not service.is_stopping:
        time.sleep(POLL_S)
        code = service.worker.poll() if service.worker else None
        if code is not None and service.voice.engine == "fastdeploy":
            service.log(f"Worker process has died in the background (code={code}). API server is forced to stop.")
            break
    for server in servers:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        print(f"INFO:     {self.address_string()} - {format % args}", flush=True)

    @property
    def service(self) -> Service:
        return self.server.service

    def do_GET(self) -> None:
        engine = self.service.voice.engine
        if not self._may_enter():
            return
        path = self.path.partition("?")[0]
        if path in ("/health", "/ping"):
            self._health()
        elif path == "/v1/models":
            self._send(200, self._models())
        elif path == "/version" and engine == "vllm":
            self._send(200, {"version": self.service.voice.version})
        elif path == "/metrics" and engine != "transformers":
            prefix = "fastdeploy:" if engine == "fastdeploy" else "vllm:"
            self._send(200, f"{prefix}num_requests_running 0\n{prefix}request_success_total {self.service.answered}\n")
        elif path == "/openapi.json":
            extra = ["/load_model", "/reset", "/v1/systemone"] if engine == "transformers" else []
            self._send(200, {"openapi": "3.1.0", "paths": {p: {} for p in ["/v1/chat/completions", "/health", *extra]}})
        else:
            self._send(404, {"detail": "Not Found"})

    def _may_enter(self) -> bool:
        keys = self.service.api_keys
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if keys and self.path.startswith("/v1") and given not in keys:
            self._send(401, {"error": "Unauthorized"})
            return False
        return True

    def _health(self) -> None:
        worker = self.service.worker
        if "health-304" in self.service.faults:
            self.send_response(304)
            self.end_headers()
        elif worker is not None and worker.poll() is not None:
            self._send(503, "")
        elif self.service.voice.engine == "transformers":
            self._send(200, {"status": "ok"})
        else:
            self._send(200, "")

    def _models(self) -> dict[str, Any]:
        voice = self.service.voice
        if voice.engine == "transformers" or "no-models" in self.service.faults:
            return {"object": "list", "data": []}
        owner = "FastDeploy" if voice.engine == "fastdeploy" else "vllm"
        length = int(getattr(self.service.options, "max_model_len", None) or 2048)
        entry = {"id": voice.model, "object": "model", "created": int(time.time()), "owned_by": owner}
        entry |= {"root": self.service.options.model, "parent": None, "max_model_len": length, "permission": []}
        return {"object": "list", "data": [entry]}

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._may_enter():
            return
        if self.path != "/v1/chat/completions":
            self._send(404, {"detail": "Not Found"})
            return
        try:
            self._chat(self._understand(sent))
        except brain.RefusedError as error:
            self._refuse(error)

    def _understand(self, sent: bytes) -> brain.Request:
        voice = self.service.voice
        try:
            body = json.loads(sent)
        except ValueError as error:
            raise brain.RefusedError("schema", f"JSON decode error: {error}") from None
        if voice.engine == "transformers" and (unknown := dialects.unknown_fields(body)):
            raise unknown
        request = brain.understand(body)
        self._check_model(body.get("model"))
        limit = int(getattr(self.service.options, "max_model_len", None) or 10**9)
        if request.text_tokens + request.image_tokens >= limit:
            raise brain.RefusedError("too-long", f"Input text is too long, max_model_len is {limit}")
        return request

    def _check_model(self, requested: object) -> None:
        """FastDeploy checks the name only when it was started with one."""
        voice = self.service.voice
        if voice.engine == "fastdeploy" and (not self.service.options.served_model_name or requested == "default"):
            return
        if requested != voice.model:
            raise dialects.wrong_model(voice, requested)

    def _refuse(self, error: brain.RefusedError) -> None:
        if "die-on-malformed" in self.service.faults and error.kind in ("schema", "bad-image"):
            self._die()
        if "accept-malformed" in self.service.faults:
            self._chat(brain.understand({"messages": [{"role": "user", "content": "Say hello."}]}))
        else:
            self._send(*dialects.refusal(self.service.voice, error))

    # Chat ---------------------------------------------------------------------------------------------------------

    def _chat(self, request: brain.Request) -> None:
        faults = self.service.faults
        if "health-200-no-tokens" in faults:
            threading.Event().wait()
        said = self._say(request)
        if request.stream:
            self._stream(request, said)
        else:
            self._send(200, dialects.completion(self.service.voice, said))
        with self.service.lock:
            self.service.answered += 1
        if "die-while-serving" in faults and self.service.answered >= faults.number("die-while-serving", 1):
            self._die()

    def _say(self, request: brain.Request) -> dialects.Said:
        faults, voice = self.service.faults, self.service.voice
        if "empty-answers" in faults:
            return dialects.silence(voice, request)
        raw = brain.written(brain.GARBLED) if "garbled" in faults else brain.write(request, blind="blind" in faults)
        if "leaky-think" in faults:
            voice = voice.without_parsers(reasoning=True)
        if "no-tool-calls" in faults:
            voice = voice.without_parsers(tools=True)
        return dialects.say(voice, request, raw, blind="blind" in faults)

    def _stream(self, request: brain.Request, said: dialects.Said) -> None:
        faults = self.service.faults
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pause_s = float(os.environ.get("FAKE_TOKEN_S", "0.001"))
        events = dialects.events(
            self.service.voice,
            request,
            said,
            in_one_chunk="one-chunk-stream" in faults,
            ends_with_done="no-done" not in faults,
        )
        for number, event in enumerate(events):
            if number == 3 and "cut-stream" in faults:
                self.close_connection = True
                return
            if number == 3 and "stream-error" in faults:
                error = {"message": "Engine is not healthy", "type": "internal_error", "param": None, "code": None}
                self._chunk(f"data: {json.dumps({'error': error})}\n\n")
                break
            self._chunk(event)
            time.sleep(pause_s)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _die(self) -> NoReturn:
        worker = self.service.worker
        if worker is not None and "orphan-worker" not in self.service.faults:
            worker.kill()
        self.service.log("Worker process has died in the background (code=-9). API server is forced to stop.")
        os._exit(1)

    def _send(self, status: int, body: dict[str, Any] | str) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.service.voice.engine == "transformers":
            self.send_header("x-request-id", str(uuid.uuid4()))
            # After an unhandled error uvicorn hangs up without having said so.
            self.close_connection = self.close_connection or status == 500
        self.end_headers()
        self.wfile.write(data)
