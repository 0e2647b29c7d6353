"""What is only looked at: health, models, metrics, and the configuration that everybody may read."""

import asyncio
import os
import time
import uuid
from typing import Any

from ernie_deploy.sim.fastdeploy import refusals
from ernie_deploy.sim.fastdeploy.faults import Armed, Faults
from ernie_deploy.sim.fastdeploy.metrics import PREFIX, Counted
from ernie_deploy.sim.fastdeploy.places import Places
from ernie_deploy.sim.fastdeploy.refusals import RefusedError
from ernie_deploy.sim.fastdeploy.setup import Setup
from ernie_deploy.sim.fastdeploy.wire import Reply, Request

Json = dict[str, Any]
CHAT, COMPLETIONS, MODELS = "/v1/chat/completions", "/v1/completions", "/v1/models"
POOLING = ("/v1/embeddings", "/v1/reward")
V1_ROUTES = {CHAT: ["POST"], COMPLETIONS: ["POST"], MODELS: ["GET"], **{route: ["POST"] for route in POOLING}}
OTHER_ROUTES = ("/health", "/ping", "/load", "/metrics", "/config-info", "/docs", "/openapi.json",
                "/update_model_weight", "/clear_load_weight")  # fmt: skip
DOCS = b"<!DOCTYPE html><title>SIMULATED FastDeploy</title><p>See <a href=/openapi.json>/openapi.json</a></p>\n"


class Views:
    """Whoever asks here changes nothing."""

    def __init__(self, setup: Setup, faults: Faults, counted: Counted, places: Places) -> None:
        self.setup = setup
        self.faults = faults
        self.counted = counted
        self.places = places
        self._began = int(time.time())
        self._frozen = ""

    async def answer(self, request: Request, reply: Reply) -> bool:
        """False when there is no such route."""
        path, is_get = request.path, request.method == "GET"
        if path in ("/health", "/ping") and (is_get or (path == "/ping" and request.method == "POST")):
            await self._health(reply)
        elif path == MODELS and is_get:
            await reply.json(200, self._models())
        elif path in POOLING and request.method == "POST":
            error = RefusedError(f"{path}: this model is not for pooling", param="model")
            await reply.json(*refusals.refusal(self.setup.era, error))
        elif path == "/load" and is_get:
            routes = [{"path": route, "methods": methods, "tags": []} for route, methods in V1_ROUTES.items()]
            await reply.json(200, {"routes": routes})
        elif path in ("/update_model_weight", "/clear_load_weight") and is_get:
            await reply.send(404, b"Dynamic Load Weight Disabled.", "text/plain; charset=utf-8")
        elif path == "/docs" and is_get:
            await reply.send(200, DOCS, "text/html; charset=utf-8")
        elif path == "/openapi.json" and is_get:
            await reply.json(200, self._openapi())
        elif path in V1_ROUTES or (path in OTHER_ROUTES and not is_get):
            await reply.json(405, {"detail": "Method Not Allowed"})
        else:
            return False
        return True

    async def expose(self, request: Request, reply: Reply) -> bool:
        """/metrics and /config-info stand on the same app, which asks for no key."""
        if request.path == "/metrics" and not self.faults.on("metrics-missing"):
            await reply.send(200, self._metrics().encode(), "text/plain; version=0.0.4; charset=utf-8")
        elif request.path == "/config-info":
            await reply.json(200, self._config_info())
        else:
            return False
        return True

    async def _health(self, reply: Reply) -> None:
        while self.faults.on("health-hangs"):
            await asyncio.sleep(0.1)
        status, text = self.health()
        await reply.send(status, text.encode(), "text/plain; charset=utf-8")

    def health(self) -> tuple[int, str]:
        """The status and the text; 200 is empty, and 304 has no body on the wire."""
        if self.faults.on("health-304"):
            return 304, "No model weight enabled"
        stale = self.faults.on("health-404")
        if stale and not (stale.argument and self._age_of(stale) > stale.number(0)):
            return 404, "Worker Service Not Healthy"
        if self.faults.on("health-500"):
            return 500, "Internal Server Error"
        return self.setup.health()

    def why_unhealthy(self) -> str:
        """Empty when it is healthy."""
        status, text = self.health()
        return "" if status == 200 else text

    def _age_of(self, armed: Armed) -> float:
        """How long a fault has held: from its time on, but not before anybody could ask."""
        ready = self.faults.ready_s or 0.0
        if armed.at_s is None:
            return ready
        return ready - armed.at_s if armed.after_ready else min(ready, self.faults.elapsed_s - armed.at_s)

    def model_name(self) -> str:
        """The name under which the model is served, unless a fault says another."""
        armed = self.faults.on("wrong-model-name")
        return (armed.argument or "another-model") if armed else self.setup.served.model

    def _models(self) -> Json:
        permission = {"id": f"modelperm-{uuid.uuid4().hex}", "object": "model_permission", "created": self._began,
                      "allow_create_engine": False, "allow_sampling": True, "allow_logprobs": True,
                      "allow_search_indices": False, "allow_view": True, "allow_fine_tuning": False,
                      "organization": "*", "group": None, "is_blocking": False}  # fmt: skip
        model = {"id": self.model_name(), "object": "model", "created": self._began,
                 "owned_by": "FastDeploy (simulated)", "root": str(self.setup.values["model"]), "parent": None,
                 "max_model_len": self.setup.served.max_model_len, "permission": [permission]}  # fmt: skip
        return {"object": "list", "data": [] if self.faults.on("models-empty") else [model]}

    def _openapi(self) -> Json:
        info = {"title": "FastAPI (simulated FastDeploy)", "version": self.setup.era.asked}
        paths: Json = {route: {method.lower(): {} for method in methods} for route, methods in V1_ROUTES.items()}
        return {"openapi": "3.1.0", "info": info, "paths": {**paths, "/health": {"get": {}}}}

    def _config_info(self) -> Json:
        """The leak: every FD_ variable, FD_API_KEY among them, to whoever asks."""
        variables = {name: value for name, value in os.environ.items() if name.startswith("FD_")}
        return {"simulated": f"fastdeploy/{self.setup.era.asked}", **self.setup.values, "env": variables}

    def _metrics(self) -> str:
        if self.faults.on("metrics-frozen") and self._frozen:
            return self._frozen
        blocks, size = self.setup.blocks, int(self.setup.values.get("block_size") or 64)
        running, waiting = self.places.running, self.places.waiting
        used = min(blocks, -(-self.places.tokens_held // size))
        if self.places.is_taken_by_others:
            running, used = self.places.count, blocks
        gauges = {
            "num_requests_running": running, "num_requests_waiting": waiting,
            "num_requests_enqueued": running + waiting,
            "batch_size": running, "max_batch_size": self.places.count,
            "available_batch_size": self.places.count - running, "max_gpu_block_num": blocks,
            "free_gpu_block_num": blocks - used, "available_gpu_block_num": blocks - used,
            "available_gpu_resource": (blocks - used) / blocks, "gpu_cache_usage_perc": used / blocks,
        }  # fmt: skip
        text = self.counted.text(gauges, {"block_size": str(size), "num_gpu_blocks": str(blocks)})
        self._frozen = text.replace(PREFIX, "engine_") if self.faults.on("metrics-renamed") else text
        return self._frozen
