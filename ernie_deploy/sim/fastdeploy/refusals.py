"""How FastDeploy refuses: `{"detail": …}` with a fitting status up to 2.3, `{"error": …}` and mostly 500 since 2.4."""

from typing import Any, Literal

from ernie_deploy.sim.fastdeploy.era import Era

Json = dict[str, Any]
Kind = Literal["schema", "request", "timeout", "internal"]


class RefusedError(Exception):
    """A request that is not served. `schema` is what the types of the request already forbid."""

    def __init__(
        self, message: str, *, kind: Kind = "request", param: str | None = None, code: str = "invalid_value"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code


class WordlessError(Exception):
    """A fault: the request is not served, and nobody says why."""


TYPES: dict[Kind, str] = {
    "schema": "invalid_request_error",
    "request": "invalid_request_error",
    "timeout": "timeout_error",
    "internal": "internal_error",
}


def refusal(era: Era, error: RefusedError) -> tuple[int, Json]:
    """The status and the body."""
    if era.answers_errors_alike:
        # Even what is the client's fault is a 500, unless the types of the request forbid it.
        return (400 if error.kind == "schema" else 500), {"error": body_of(error)}
    if error.kind == "schema":
        place = ["body", *([error.param] if error.param else [])]
        kind = "missing" if error.code == "missing_required_parameter" else "value_error"
        return 422, {"detail": [{"type": kind, "loc": place, "msg": error.message, "input": None}]}
    status = {"internal": 500, "timeout": 408}.get(error.kind, 400)
    detail = {"object": "error", "message": error.message, "type": TYPES[error.kind], "param": error.param,
              "code": status}  # fmt: skip
    return status, {"detail": detail}


def body_of(error: RefusedError) -> Json:
    """The object under `error`, which also comes in streams."""
    return {"message": error.message, "type": TYPES[error.kind], "param": error.param, "code": error.code}


def too_many(limit: int) -> tuple[int, Json]:
    return 429, {"detail": f"Too many requests,current max concurrency is {limit}"}


UNAUTHORIZED: tuple[int, Json] = (401, {"error": "Unauthorized"})
WORDLESS: tuple[int, bytes, str] = (500, b"Internal Server Error", "text/plain; charset=utf-8")
