"""HTTP answers as they come, and what the engines say when they refuse. Pure functions of values."""

import json
import re

import msgspec

from ernie_deploy.client.answers import RAW_LIMIT
from ernie_deploy.errors import VerifyError

DEEPEST_MESSAGE = 8
"""No engine nests its words deeper; what does is meant to exhaust the stack."""

_TOO_LONG = re.compile(r"too long|longer than|max(imum)?[ _](model|context)|context length", re.IGNORECASE)


class RawAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An HTTP answer of any status, as it came. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str
    total_s: float

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> object:
        """The body as JSON; None when it is not, as with an HTML page of a proxy."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class RefusedError(VerifyError):
    """The server answered a request with something else than 200. `status` tells busy (429) from broken from wrong."""

    def __init__(self, status: int, message: str, *, hint: str = "", details: str = "") -> None:
        super().__init__(message, hint=hint, details=details)
        self.status = status


def refusal(answer: RawAnswer) -> RefusedError:
    """The error for an answer that is not 200, with the server's own words."""
    if 300 <= answer.status < 400:
        target = answer.headers.get("location", "")
        return RefusedError(
            answer.status,
            f"{answer.url}: HTTP {answer.status}, redirects to {target or 'nowhere'}; it was not followed",
            hint="give the engine's own URL: a key is sent nowhere else",
        )
    hints = {
        400: "correct the request as the message says",
        401: "give the key the server was started with in the variable ERNIE_DEPLOY_API_KEY",
        403: "give the key the server was started with in the variable ERNIE_DEPLOY_API_KEY",
        404: "check the URL, and the served model's name in /v1/models",
        429: "the server is busy: send fewer requests at a time",
    }
    said = server_message(answer)
    hint = hints.get(answer.status, "look at the engine's own log for the cause" if answer.status >= 500 else "")
    if (answer.status == 400 or answer.status >= 500) and is_too_long(said):
        # FastDeploy takes 2048 tokens in all when its --max-model-len was lost on the way to it.
        hint = "ask for less, or start the engine with a larger --max-model-len: /v1/models lists the one that it has"
    message = f"{answer.url}: HTTP {answer.status}: {said}"
    return RefusedError(answer.status, message, hint=hint, details=answer.text[:RAW_LIMIT])


def is_too_long(message: str) -> bool:
    """Whether a server refused because prompt and answer do not fit its `max_model_len`; every engine words it anew."""
    return _TOO_LONG.search(message) is not None


def server_message(answer: RawAnswer) -> str:
    """What the server itself says about its refusal, in one line; every engine has a shape of its own."""
    found = _message_in(answer.json())
    if found:
        # FastDeploy sends whole tracebacks: the last line is the one that tells.
        lines = [line.strip() for line in found.splitlines() if line.strip()]
        said = lines[-1] if "Traceback (most recent call last)" in found else " ".join(lines)
        return said[:500]
    return _excerpt(answer)


def _message_in(body: object, depth: int = 0) -> str:
    """`{"error": {"message"}}`, `{"error": "…"}`, `{"detail": …}` in any of FastAPI's forms, `{"message"}`."""
    if isinstance(body, str):
        return body
    if depth >= DEEPEST_MESSAGE:
        return ""
    if isinstance(body, list):
        return "; ".join(filter(None, (_message_in(item, depth + 1) for item in body)))
    if not isinstance(body, dict):
        return ""
    if isinstance(body.get("msg"), str):
        place = body.get("loc")
        where = ".".join(str(step) for step in place if step != "body") if isinstance(place, list) else ""
        return f"{where}: {body['msg']}" if where else str(body["msg"])
    for key in ("error", "detail", "message"):
        if found := _message_in(body.get(key), depth + 1):
            return found
    return ""


def _excerpt(answer: RawAnswer) -> str:
    text = answer.text.strip()
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
    if "<html" in text[:500].lower():
        return f"an HTML page{f' titled {title[1].strip()!r}' if title else ''}, so this is not the engine"
    return repr(text[:200]) if text else "(no message)"
