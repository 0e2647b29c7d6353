"""The HTTP side: who may enter, which route answers, and how faults of everything under /v1 show."""

import asyncio
import hashlib
import hmac
import time

from ernie_deploy.sim.fastdeploy import refusals
from ernie_deploy.sim.fastdeploy.completions import Completions
from ernie_deploy.sim.fastdeploy.faults import Faults
from ernie_deploy.sim.fastdeploy.generation import Generator
from ernie_deploy.sim.fastdeploy.logs import Logs
from ernie_deploy.sim.fastdeploy.metrics import Counted
from ernie_deploy.sim.fastdeploy.places import Places
from ernie_deploy.sim.fastdeploy.refusals import RefusedError
from ernie_deploy.sim.fastdeploy.setup import Setup
from ernie_deploy.sim.fastdeploy.views import CHAT, COMPLETIONS, OTHER_ROUTES, V1_ROUTES, Views
from ernie_deploy.sim.fastdeploy.wire import Reply, Request

METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH")
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
PAGE = b"<!DOCTYPE html><title>Welcome</title><p>It works!</p>"
BACK_DOOR = "/invocations"
# A name that cannot exist: nobody is to be found there.
ELSEWHERE = "http://elsewhere.invalid"


class Service:
    """One running service. `answer` handles the public port, `answer_metrics` a metrics port of its own."""

    def __init__(self, setup: Setup, faults: Faults, logs: Logs) -> None:
        self.setup = setup
        self.faults = faults
        self.logs = logs
        self.counted = Counted()
        slots = int(setup.values["max_num_seqs"])
        self.places = Places(min(slots, setup.dials.capacity or slots))
        self._views = Views(setup, faults, self.counted, self.places)
        generator = Generator(
            setup.dials, faults, self.counted, self.places,
            worker_beats=setup.worker_beats, why_unhealthy=self._views.why_unhealthy,
        )  # fmt: skip
        self._completions = Completions(setup, faults, logs, self._views, generator)
        self._keys = [hashlib.sha256(key.encode()).digest() for key in setup.keys]
        self._has_metrics = setup.values.get("metrics_port") in (None, setup.values["port"])

    def pace(self) -> float:
        """Bytes a second; 0 is as fast as it goes."""
        armed = self.faults.on("slow-loris")
        return max(0.1, armed.number(20)) if armed else 0.0

    async def answer(self, request: Request, reply: Reply) -> None:
        began = time.monotonic()
        await self._completions.wait_for_downloads()
        await self._route(request, reply)
        known = request.path if request.path in V1_ROUTES or request.path in OTHER_ROUTES else "/…"
        method = request.method if request.method in METHODS else "…"
        self.counted.count_http(method, known, reply.status, time.monotonic() - began)
        self.logs.write("http", f'"{request.method} {request.path} HTTP/1.1" {reply.status}')

    async def answer_metrics(self, request: Request, reply: Reply) -> None:
        if not await self._views.expose(request, reply):
            await reply.json(404, {"detail": "Not Found"})

    async def _route(self, request: Request, reply: Reply) -> None:
        holding = self.faults.holding()
        path = CHAT if request.path == BACK_DOOR and "back-door" in holding else request.path
        is_guarded = request.path.startswith("/v1") or "key-everywhere" in holding
        if is_guarded and request.method != "OPTIONS" and not self._may_enter(request):
            await self._turn_away(request, reply)
        elif "html" in holding:
            await reply.send(502, HTML, "text/html")
        elif "redirects" in holding and is_guarded:
            await reply.redirect(f"{ELSEWHERE}{request.path}")
        elif is_guarded and await self._disturb(reply):
            return
        elif path in (CHAT, COMPLETIONS):
            await self._completions.answer(request._replace(path=path), reply)
        elif request.method == "GET" and await self._expose(request, reply):
            return
        elif not await self._views.answer(request, reply):
            if "catch-all" in holding:
                await reply.send(200, PAGE, "text/html")
            else:
                await reply.json(404, {"detail": "Not Found"})

    async def _expose(self, request: Request, reply: Reply) -> bool:
        is_open = request.path == "/config-info" and self.faults.on("config-info-open")
        return bool(self._has_metrics or is_open) and await self._views.expose(request, reply)

    def _may_enter(self, request: Request) -> bool:
        if not self._keys or self.faults.on("key-not-checked"):
            return True
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if token and self.faults.on("any-key-fits"):
            return True
        given = hashlib.sha256(token.encode("latin-1", errors="replace")).digest()
        fits = [hmac.compare_digest(given, key) for key in self._keys]
        return scheme.lower() == "bearer" and any(fits)

    async def _turn_away(self, request: Request, reply: Reply) -> None:
        status, body = refusals.UNAUTHORIZED
        if self.faults.on("key-echoed"):
            body = {"error": f"Unauthorized: {request.headers.get('authorization', '')}"}
        await reply.json(500 if self.faults.on("wrong-key-500") else status, body)

    async def _disturb(self, reply: Reply) -> bool:
        """Faults that answer everything under /v1 the same way."""
        huge = self.faults.on("huge-body")
        if self.faults.on("errors-500"):
            error = RefusedError("the simulator was told to fail", kind="internal", code="internal_error")
            await reply.json(500, {"error": refusals.body_of(error)})
        elif huge:
            padding = "x" * int(huge.number(64) * (1 << 20))
            await reply.json(200, {"object": "chat.completion", "choices": [], "padding": padding})
        else:
            return False
        return True

    async def keep_others_busy(self) -> None:
        """While the fault queue-full holds, strangers have every place, and get their tokens."""
        while True:
            is_taken = self.faults.on("queue-full") is not None
            if self.places.is_taken_by_others and not is_taken:
                self.places.is_taken_by_others = False
                self.places.let_in()
            self.places.is_taken_by_others = is_taken
            if is_taken:
                self.counted.add("generation_tokens_total", self.places.count)
            await asyncio.sleep(0.1)
