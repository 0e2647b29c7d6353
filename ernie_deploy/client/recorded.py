"""What a recording holds: a run's exchanges on disk, so that they can be judged again without the service.

A recording is a folder with `run.json` (what the run was told) and `exchanges.jsonl` (one line for each answer or
observation, as it ended). No key is in it: only whether one was sent.
"""

import hashlib
from typing import Literal

import msgspec

RUN = "run.json"
EXCHANGES = "exchanges.jsonl"
FORMAT = 1

KEY_OF_A_REPLAY = "key-not-in-the-recording"
"""What a replayed run has for a key, so that what was sent with the run's own key is told from other keys."""


Kind = Literal["given", "none", "other"]


class Blob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes that are no text."""

    base64: bytes


Bytes = str | Blob


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run was told, so that it asks the same again. `has_key`: it had an API key."""

    version: str
    base_url: str
    model: str
    seed: int
    profile: str
    tier: str
    has_key: bool = False
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    max_tokens: int = 0
    timeout_s: float | None = None
    retries: int = 0
    metrics_url: str | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    started: str = ""
    format: Literal[1] = 1


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the wire failed."""

    kind: Literal["EngineError", "VerifyError"]
    message: str
    hint: str
    details: str


class Exchanged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="exchange", omit_defaults=True):
    """One request and all that came back; times are seconds since the recording began, chunks' since the request.

    `status` is None when nothing came. `is_whole` is false when the asker closed the connection before the end.
    """

    label: str
    method: str
    path: str
    key: Kind
    request: Bytes | None
    began_s: float
    ended_s: float
    status: int | None = None
    headers: dict[str, str] = {}
    url: str = ""
    chunks: tuple[tuple[float, Bytes], ...] = ()
    is_whole: bool = True
    failure: Failure | None = None


class Observed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="observation"):
    """A fact that was no answer."""

    label: str
    name: str
    value: object
    began_s: float
    ended_s: float


Entry = Exchanged | Observed


def place_of(label: str, method: str, path: str, key: Kind, request: bytes | None) -> tuple[str, ...]:
    return label, method, path, key, "" if request is None else hashlib.sha256(request).hexdigest()


def readable(data: bytes) -> Bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Blob(data)


def as_bytes(data: Bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data.base64
