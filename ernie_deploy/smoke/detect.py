"""Who answers: the engine told by what only it does, because none has to say its name, and what is known of it."""

from typing import Literal

from ernie_deploy.client import Client, Endpoint
from ernie_deploy.client.metrics import counters
from ernie_deploy.errors import EngineError, VerifyError
from ernie_deploy.smoke.target import Profile

EngineName = Literal["fastdeploy", "vllm", "transformers", "unknown"]

REHEARSAL_MODEL = "ernie-rehearsal"
DEADLINE_S = 10.0


def detect(client: Client) -> EngineName:
    """`unknown` also when nothing answers: the health probe says that better."""
    try:
        return _detect(client)
    except EngineError:
        return "unknown"


def _detect(client: Client) -> EngineName:
    owners = _owners(client)
    # `FastDeploy (simulated)` is one of them.
    if any(owner.startswith("fastdeploy") for owner in owners):
        return "fastdeploy"
    version = client.get("/version", total_s=DEADLINE_S)
    if "vllm" in owners or (version.status == 200 and _has(version.json(), "version")):
        return "vllm"
    # Its list of models is empty for a local folder, but no other engine has these two routes.
    routes = client.get("/openapi.json", total_s=DEADLINE_S).json()
    paths = routes.get("paths") if isinstance(routes, dict) else None
    return "transformers" if _has(paths, "/load_model") and _has(paths, "/v1/chat/completions") else "unknown"


def is_simulated(client: Client) -> bool:
    """Whether our own simulator answers in place of an engine; it says so in its list of models."""
    try:
        return any("(simulated)" in owner for owner in _owners(client))
    except EngineError:
        return False


def expected_of(endpoint: Endpoint) -> Profile:
    """The profile where none was asked for: the rehearsal model and the simulator, which speaks for it, are exact."""
    if endpoint.model == REHEARSAL_MODEL:
        return "rehearsal"
    with Client(endpoint) as client:
        return "rehearsal" if is_simulated(client) else "model"


def metrics_beside(client: Client) -> Client | None:
    """The service itself when it shows metrics beside the API."""
    try:
        answer = client.get("/metrics", total_s=DEADLINE_S)
    except EngineError:
        return None
    return client if answer.status == 200 and counters(answer.text) else None


def longest_request(client: Client) -> int | None:
    """`max_model_len` in tokens as the service lists it for the model that is asked."""
    try:
        listed = client.models(total_s=DEADLINE_S)
    except (EngineError, VerifyError):
        return None
    return next((model.max_model_len for model in listed if model.id == client.endpoint.model), None)


def _owners(client: Client) -> set[str]:
    listed = client.get("/v1/models", total_s=DEADLINE_S)
    body = listed.json()
    entries = body.get("data") if isinstance(body, dict) and listed.status == 200 else None
    if not isinstance(entries, list):
        return set()
    return {str(entry.get("owned_by", "")).lower() for entry in entries if isinstance(entry, dict)}


def _has(value: object, key: str) -> bool:
    return isinstance(value, dict) and key in value
