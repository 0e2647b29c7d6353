"""Requests to an engine and what they mean: the key goes only where it belongs, and nothing waits for ever."""

import contextlib
import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from types import TracebackType
from typing import Self

import httpx2
import msgspec

from ernie_deploy.client.answers import RAW_LIMIT, Answer, Delta, DeltaReader, parse_answer
from ernie_deploy.client.refusals import RawAnswer, RefusedError, refusal, server_message
from ernie_deploy.client.sse import EventReader
from ernie_deploy.client.wire import Chunk, HttpWire, Reply, Sent, Wire, trust
from ernie_deploy.errors import DeployError, EngineError, UsageError, VerifyError
from ernie_deploy.hidden import Hidden

CHAT = "/v1/chat/completions"


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a model is served. `base_url` may end in `/v1`. The key is in no repr and in no error.

    `read_s` is how long the server may say nothing, `total_s` how long one request may take, headers included. `cacert`
    is a file with the certificate of a private authority, `""` for those that the system knows.
    """

    base_url: str
    model: str = ""
    api_key: str = ""
    connect_s: float = 5.0
    read_s: float = 120.0
    total_s: float = 600.0
    cacert: str = ""

    def __repr__(self) -> str:
        key = "***" if self.api_key else ""
        return f"Endpoint(base_url={self.base_url!r}, model={self.model!r}, api_key={key!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """What a rich traceback shows of its locals."""
        return [("base_url", self.base_url), ("model", self.model)]

    def url(self, path: str) -> str:
        return self.base_url.rstrip("/").removesuffix("/v1") + path


class ServedModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of `/v1/models`."""

    id: str
    owned_by: str = ""
    max_model_len: int | None = None


def http_wire(endpoint: Endpoint, *, now: Callable[[], float] = time.monotonic) -> HttpWire:
    """The real connection to it."""
    return HttpWire(
        endpoint.url,
        connect_s=endpoint.connect_s,
        read_s=endpoint.read_s,
        trust=trust(endpoint.base_url, endpoint.cacert),
        now=now,
    )


class Client:
    """Speaks to one endpoint; it may be shared by threads. `label` names on whose behalf, for a recording."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        now: Callable[[], float] = time.monotonic,
        wire: Wire | None = None,
        label: str = "",
    ) -> None:
        _check(endpoint)
        self.endpoint = endpoint
        self.hidden = Hidden(endpoint.api_key)
        self._label = label
        self._wire = wire or http_wire(endpoint, now=now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._wire.close()

    def labelled(self, label: str) -> "Client":
        """The same client, asking on behalf of somebody. It shares the connections: only one of them is closed."""
        return Client(self.endpoint, wire=self._wire, label=label)

    def observe(self, name: str, look: Callable[[], object]) -> object:
        """What `look` sees; out of a recording it is what was seen then."""
        return self._wire.observe(self._label, name, look)

    # Raw ----------------------------------------------------------------------------------------------------------

    def get(self, path: str, *, total_s: float | None = None, api_key: str | None = None) -> RawAnswer:
        """An answer of any status; `api_key` replaces the endpoint's, `""` is none. Raises EngineError without one."""
        return self._whole("GET", path, None, total_s, api_key)

    def post(
        self, path: str, request: object, *, total_s: float | None = None, api_key: str | None = None
    ) -> RawAnswer:
        """An answer of any status to any JSON, valid for the engine or not; bytes are sent as they are."""
        content = request if isinstance(request, bytes) else _encoded(request)
        return self._whole("POST", path, content, total_s, api_key)

    def health(self, *, total_s: float | None = None) -> int | None:
        """The status of `/health`, None when nothing answers. Only 200 is healthy: 304 means no weights."""
        try:
            return self.get("/health", total_s=total_s).status
        except EngineError:
            return None

    # Understood ---------------------------------------------------------------------------------------------------

    def models(self, *, total_s: float | None = None) -> tuple[ServedModel, ...]:
        """What `/v1/models` lists. Raises VerifyError when it refuses or is not such a list."""
        return self.listed(self.get("/v1/models", total_s=total_s))

    def listed(self, answer: RawAnswer) -> tuple[ServedModel, ...]:
        """The models in an answer of `/v1/models`. Raises VerifyError when it refuses or is not such a list."""
        if answer.status != 200:
            raise self.refused(answer)
        body = answer.json()
        entries = body.get("data") if isinstance(body, dict) else None
        if not isinstance(entries, list):
            said = self.hidden.text(server_message(answer))
            raise VerifyError(
                f"{answer.url}: not a list of models: {said}", details=self.hidden.text(answer.text)[:RAW_LIMIT]
            )
        return tuple(_served(entry) for entry in entries if isinstance(entry, dict) and "id" in entry)

    def chat(self, request: Mapping[str, object], *, total_s: float | None = None) -> Answer:
        """One whole answer; the endpoint's model is filled in. Raises VerifyError when the request is refused."""
        answer = self._whole("POST", CHAT, _encoded(self.chat_request(request, stream=False)), total_s)
        if answer.status != 200:
            raise self.refused(answer)
        with self._without_key():
            return parse_answer(answer.text, answer.total_s)

    def stream(self, request: Mapping[str, object], *, total_s: float | None = None) -> Generator[Delta]:
        """The deltas as they come; leaving the loop early closes the connection. Raises as `chat` does."""
        content = _encoded(self.chat_request(request, stream=True))
        events, deltas = EventReader(), DeltaReader()
        with self._without_key(), self._wire.open(self._sent("POST", CHAT, content, total_s)) as reply:
            if reply.status != 200:
                raise self.refused(_raw(reply))
            at_s = 0.0
            for at_s, data in reply.chunks:
                for payload in events.feed(data):
                    delta = deltas.read(payload, at_s)
                    # Held back text belongs before the end marker.
                    if delta.is_done and (rest := deltas.rest(delta.at_s)):
                        yield rest
                    yield delta
                    if delta.is_done:
                        return
            for payload in events.finish():
                yield deltas.read(payload, at_s)
            if rest := deltas.rest(at_s):
                yield rest

    # How ----------------------------------------------------------------------------------------------------------

    def chat_request(self, request: Mapping[str, object], *, stream: bool) -> dict[str, object]:
        """What is sent for it: the endpoint's model unless one is named, and a stream with its usage."""
        model = {"model": self.endpoint.model} if self.endpoint.model else {}
        options: dict[str, object] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        return {**model, **options, **request}

    def refused(self, answer: RawAnswer) -> RefusedError:
        """The error for an answer that is not 200."""
        error = refusal(answer)
        message, details = self.hidden.text(error.message), self.hidden.text(error.details)
        return RefusedError(error.status, message, hint=error.hint, details=details)

    @contextlib.contextmanager
    def _without_key(self) -> Iterator[None]:
        """A server that echoes the request's headers would carry the key into logs and reports."""
        try:
            yield
        except DeployError as error:
            error.message, error.details = self.hidden.text(error.message), self.hidden.text(error.details)
            error.args = (error.message,)
            raise

    def _whole(
        self, method: str, path: str, content: bytes | None, total_s: float | None, api_key: str | None = None
    ) -> RawAnswer:
        with self._without_key(), self._wire.open(self._sent(method, path, content, total_s, api_key)) as reply:
            return _raw(reply)

    def _sent(
        self, method: str, path: str, content: bytes | None, total_s: float | None, api_key: str | None = None
    ) -> Sent:
        key = self.endpoint.api_key if api_key is None else api_key
        return Sent(method, path, content, key, self.endpoint.total_s if total_s is None else total_s, self._label)


def _raw(reply: Reply) -> RawAnswer:
    chunks: list[Chunk] = list(reply.chunks)
    return RawAnswer(
        status=reply.status,
        headers=reply.headers,
        body=b"".join(chunk.data for chunk in chunks),
        url=reply.url,
        total_s=chunks[-1].at_s if chunks else 0.0,
    )


def _check(endpoint: Endpoint) -> None:
    """Refuse what would fail later with the key or a password in its text."""
    try:
        url = httpx2.URL(endpoint.base_url)
    except httpx2.InvalidURL as error:
        raise UsageError(f"the base URL cannot be understood: {error}", hint="give http://HOST:PORT") from None
    if url.userinfo:
        raise UsageError(
            "the base URL contains a password", hint="give a key in the variable ERNIE_DEPLOY_API_KEY instead"
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise UsageError(f"{endpoint.base_url!r} is not an HTTP URL", hint="give http://HOST:PORT")
    if url.query or url.fragment:
        raise UsageError(
            f"the base URL has a {'query' if url.query else 'fragment'}, and the paths are put behind it",
            hint="give http://HOST:PORT, or that with a path",
        )
    if not all("!" <= character <= "~" for character in endpoint.api_key):
        raise UsageError(
            "the API key contains characters that no HTTP header can carry",
            hint="look for blanks, line ends or accents in the key's file",
        )


def _encoded(request: object) -> bytes:
    return json.dumps(request).encode()


def _served(entry: Mapping[str, object]) -> ServedModel:
    length = entry.get("max_model_len")
    return ServedModel(
        id=str(entry["id"]),
        owned_by=str(entry.get("owned_by") or ""),
        max_model_len=length if isinstance(length, int) else None,
    )
