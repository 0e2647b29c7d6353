"""Requests to an engine over httpx2: no proxies, no redirects, every wait bounded, the key only in its header."""

import contextlib
import json
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from types import TracebackType
from typing import Self

import httpx2
import msgspec

from ernie_deploy.client.answers import RAW_LIMIT, Answer, Delta, DeltaReader, parse_answer
from ernie_deploy.client.refusals import RawAnswer, RefusedError, refusal, server_message
from ernie_deploy.client.sse import EventReader
from ernie_deploy.errors import EngineError, UsageError, VerifyError

BODY_LIMIT_BYTES = 32 * 1024 * 1024
CHAT = "/v1/chat/completions"


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a model is served. `base_url` may end in `/v1`. The key is in no repr and in no error.

    `read_s` is how long the server may say nothing, `total_s` how long one request may take. The total is looked at
    whenever bytes arrive.
    """

    base_url: str
    model: str = ""
    api_key: str = ""
    connect_s: float = 5.0
    read_s: float = 120.0
    total_s: float = 600.0

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


class Client:
    """Speaks to one endpoint; it may be shared by threads."""

    def __init__(self, endpoint: Endpoint, *, now: Callable[[], float] = time.monotonic) -> None:
        self.endpoint = endpoint
        self._now = now
        _check(endpoint)
        timeout = httpx2.Timeout(endpoint.read_s, connect=endpoint.connect_s, pool=endpoint.connect_s)
        # Compression is declined: the limit on the body is one on what is held in memory.
        headers = {"Accept-Encoding": "identity", "User-Agent": "ernie-deploy"}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        # Without trust_env=False a proxy variable would carry a probe of the loopback, and the key, to the proxy.
        self._http = httpx2.Client(
            timeout=timeout,
            headers=headers,
            verify=True if endpoint.base_url.startswith("https:") else _no_authorities(),
            trust_env=False,
            follow_redirects=False,
            # Connections are not used twice: transformers closes its own after a 500 without a word, and the next
            # request would meet the closing one.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # Raw ----------------------------------------------------------------------------------------------------------

    def get(self, path: str, *, total_s: float | None = None) -> RawAnswer:
        """An answer of any status. Raises EngineError when none comes."""
        return self._whole("GET", path, None, total_s)

    def post(self, path: str, request: object, *, total_s: float | None = None) -> RawAnswer:
        """An answer of any status to any JSON, valid for the engine or not."""
        return self._whole("POST", path, _encoded(request), total_s)

    def health(self, *, total_s: float | None = None) -> int | None:
        """The status of `/health`, None when nothing answers. Only 200 is healthy: 304 means no weights."""
        try:
            return self.get("/health", total_s=total_s).status
        except EngineError:
            return None

    # Understood ---------------------------------------------------------------------------------------------------

    def models(self, *, total_s: float | None = None) -> tuple[ServedModel, ...]:
        """What `/v1/models` lists. Raises VerifyError when it refuses or is not such a list."""
        answer = self.get("/v1/models", total_s=total_s)
        if answer.status != 200:
            raise self._refused(answer)
        body = answer.json()
        entries = body.get("data") if isinstance(body, dict) else None
        if not isinstance(entries, list):
            raise VerifyError(
                f"{answer.url}: not a list of models: {server_message(answer)}", details=answer.text[:RAW_LIMIT]
            )
        return tuple(_served(entry) for entry in entries if isinstance(entry, dict) and "id" in entry)

    def chat(self, request: Mapping[str, object], *, total_s: float | None = None) -> Answer:
        """One whole answer; the endpoint's model is filled in. Raises VerifyError when the request is refused."""
        answer = self._whole("POST", CHAT, _encoded(self._chat_request(request, stream=False)), total_s)
        if answer.status != 200:
            raise self._refused(answer)
        return parse_answer(answer.text, answer.total_s)

    def stream(self, request: Mapping[str, object], *, total_s: float | None = None) -> Generator[Delta]:
        """The deltas as they come; leaving the loop early closes the connection. Raises as `chat` does."""
        sent = self._chat_request(request, stream=True)
        started = self._now()
        events, deltas = EventReader(), DeltaReader()
        with self._opened("POST", CHAT, _encoded(sent), total_s) as (response, chunks):
            if response.status_code != 200:
                raise self._refused(self._raw(response, b"".join(chunks), started))
            for chunk in chunks:
                for payload in events.feed(chunk):
                    delta = deltas.read(payload, self._now() - started)
                    # Held back text belongs before the end marker.
                    if delta.is_done and (rest := deltas.rest(delta.at_s)):
                        yield rest
                    yield delta
                    if delta.is_done:
                        return
            for payload in events.finish():
                yield deltas.read(payload, self._now() - started)
            if rest := deltas.rest(self._now() - started):
                yield rest

    # How ----------------------------------------------------------------------------------------------------------

    def _chat_request(self, request: Mapping[str, object], *, stream: bool) -> dict[str, object]:
        model = {"model": self.endpoint.model} if self.endpoint.model else {}
        options: dict[str, object] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        return {**model, **request, **options}

    def _whole(self, method: str, path: str, content: bytes | None, total_s: float | None) -> RawAnswer:
        started = self._now()
        with self._opened(method, path, content, total_s) as (response, chunks):
            return self._raw(response, b"".join(chunks), started)

    def _raw(self, response: httpx2.Response, body: bytes, started: float) -> RawAnswer:
        return RawAnswer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            url=str(response.request.url),
            total_s=self._now() - started,
        )

    def _refused(self, answer: RawAnswer) -> RefusedError:
        error = refusal(answer)
        if not self.endpoint.api_key:
            return error
        # A server that echoes the request's headers would carry the key into logs and reports.
        message, details = (text.replace(self.endpoint.api_key, "***") for text in (error.message, error.details))
        return RefusedError(error.status, message, hint=error.hint, details=details)

    @contextlib.contextmanager
    def _opened(
        self, method: str, path: str, content: bytes | None, total_s: float | None
    ) -> Iterator[tuple[httpx2.Response, Iterator[bytes]]]:
        """The response and its body in chunks, within the limits; httpx2's errors leave as EngineError."""
        url = self.endpoint.url(path)
        limit_s = self.endpoint.total_s if total_s is None else total_s
        timeout = httpx2.Timeout(
            min(self.endpoint.read_s, limit_s), connect=min(self.endpoint.connect_s, limit_s), pool=limit_s
        )
        headers = {"Content-Type": "application/json"} if content is not None else {}
        started = self._now()
        try:
            with self._http.stream(method, url, content=content, headers=headers, timeout=timeout) as response:
                yield response, self._bounded(response, url, started + limit_s, limit_s)
        except httpx2.HTTPError as error:
            raise _translated(error, url, self.endpoint, min(self.endpoint.read_s, limit_s)) from None

    def _bounded(self, response: httpx2.Response, url: str, end: float, limit_s: float) -> Iterator[bytes]:
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > BODY_LIMIT_BYTES:
                raise VerifyError(
                    f"{url}: the answer is larger than {BODY_LIMIT_BYTES // 1024 // 1024} MiB",
                    hint="check that the URL is the one of the engine",
                )
            if self._now() > end:
                raise _too_slow(url, limit_s)
            yield chunk


def _translated(error: httpx2.HTTPError, url: str, endpoint: Endpoint, read_s: float) -> EngineError:
    if isinstance(error, httpx2.ConnectTimeout):
        return EngineError(
            f"{url}: no connection within {endpoint.connect_s:g} s", hint="check the host, the port and the firewall"
        )
    if isinstance(error, httpx2.ConnectError):
        return EngineError(
            f"{url}: nothing answers: {error}",
            hint="is it running? `ernie-deploy status` shows it; engines open their port only when the model is loaded",
        )
    if isinstance(error, httpx2.TimeoutException):
        return EngineError(
            f"{url}: the server said nothing for {round(read_s, 1):g} s",
            hint="look at the engine's own log: it may be stuck",
        )
    if isinstance(error, httpx2.UnsupportedProtocol):
        return EngineError(f"{url}: {error}", hint="give a URL that begins with http:// or https://")
    return EngineError(
        f"{url}: the connection broke in the middle of the answer: {error}",
        hint="look at the engine's own log: it may have died",
    )


def _too_slow(url: str, limit_s: float) -> EngineError:
    return EngineError(
        f"{url}: the answer was not complete after {round(limit_s, 1):g} s", hint="look at the engine's own log"
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
    if not all("!" <= character <= "~" for character in endpoint.api_key):
        raise UsageError(
            "the API key contains characters that no HTTP header can carry",
            hint="look for blanks, line ends or accents in the key's file",
        )


def _no_authorities() -> ssl.SSLContext:
    """Plain HTTP needs none, and loading them takes a tenth of a second. With these TLS would fail, not pass."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _encoded(request: object) -> bytes:
    return json.dumps(request).encode()


def _served(entry: Mapping[str, object]) -> ServedModel:
    length = entry.get("max_model_len")
    return ServedModel(
        id=str(entry["id"]),
        owned_by=str(entry.get("owned_by") or ""),
        max_model_len=length if isinstance(length, int) else None,
    )
