"""How one request travels: over httpx2, or out of a recording. All waits are bounded, no redirect is followed."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import httpx2

from ernie_deploy.errors import EngineError, UsageError, VerifyError

BODY_LIMIT_BYTES = 32 * 1024 * 1024
SLACK_S = 0.1


class Sent(NamedTuple):
    """One request. `api_key` is the key it goes out with, `""` for none; `label` says for whom it is asked."""

    method: str
    path: str
    content: bytes | None
    api_key: str
    limit_s: float
    label: str = ""

    def __repr__(self) -> str:
        """Without the key: pytest prints the arguments of whatever raised, and it does so in logs of pipelines."""
        return f"Sent(method={self.method!r}, path={self.path!r}, label={self.label!r})"

    def headers(self) -> dict[str, str]:
        content_type = {"Content-Type": "application/json"} if self.content is not None else {}
        return content_type | ({"Authorization": f"Bearer {self.api_key}"} if self.api_key else {})


class Chunk(NamedTuple):
    """A piece of a body, `at_s` seconds after the request was sent. The last one is empty and marks the end."""

    at_s: float
    data: bytes


class Reply(NamedTuple):
    """An answer of any status; its body comes while it is iterated. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    url: str
    chunks: Iterator[Chunk]


class Wire(Protocol):
    """Whatever can carry requests. A carrier's errors leave as EngineError, a body that is too large as VerifyError."""

    def open(self, sent: Sent, /) -> AbstractContextManager[Reply]: ...

    def observe(self, label: str, name: str, look: Callable[[], object], /) -> object:
        """A fact that is no answer, as JSON has it: looked at now, or as it was when the recording was made."""

    def close(self) -> None: ...


class HttpWire:
    """The real one. It may be shared by threads."""

    def __init__(
        self,
        url: Callable[[str], str],
        *,
        connect_s: float,
        read_s: float,
        trust: ssl.SSLContext,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._connect_s = connect_s
        self._read_s = read_s
        self._now = now
        # Compression is declined: the limit on the body is one on what is held in memory.
        # Without trust_env=False a proxy variable would carry a probe of the loopback, and the key, to the proxy.
        self._http = httpx2.Client(
            timeout=httpx2.Timeout(read_s, connect=connect_s, pool=connect_s),
            headers={"Accept-Encoding": "identity", "User-Agent": "ernie-deploy"},
            verify=trust,
            trust_env=False,
            follow_redirects=False,
            # Connections are not used twice: transformers closes its own after a 500 without a word, and the next
            # request would meet the closing one.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )

    def close(self) -> None:
        self._http.close()

    def observe(self, _label: str, _name: str, look: Callable[[], object]) -> object:
        return look()

    @contextlib.contextmanager
    def open(self, sent: Sent) -> Iterator[Reply]:
        url = self._url(sent.path)
        read_s = min(self._read_s, sent.limit_s)
        connect_s = min(self._connect_s, sent.limit_s)
        timeout = httpx2.Timeout(read_s, connect=connect_s, pool=sent.limit_s)
        has_begun = False
        started = self._now()
        deadline = Deadline(sent.limit_s)
        try:
            with (
                deadline,
                self._http.stream(
                    sent.method,
                    url,
                    content=sent.content,
                    headers=sent.headers(),
                    timeout=timeout,
                    extensions={"trace": deadline.watch},
                ) as response,
            ):
                has_begun = True
                yield Reply(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    url=str(response.request.url),
                    chunks=self._bounded(response, url, started, sent.limit_s),
                )
        except httpx2.HTTPError as error:
            if deadline.has_struck:
                raise _too_slow(url, sent.limit_s) from None
            if isinstance(error, httpx2.TimeoutException):
                raise _timed_out(error, url, connect_s, read_s) from None
            raise (_broken_off(error, url) if has_begun else _unanswered(error, url)) from None

    def _bounded(self, response: httpx2.Response, url: str, started: float, limit_s: float) -> Iterator[Chunk]:
        size = 0
        for data in response.iter_bytes():
            size += len(data)
            if size > BODY_LIMIT_BYTES:
                raise VerifyError(
                    f"{url}: the answer is larger than {BODY_LIMIT_BYTES // 1024 // 1024} MiB",
                    hint="check that the URL is the one of the engine",
                )
            if self._now() > started + limit_s:
                raise _too_slow(url, limit_s)
            yield Chunk(self._now() - started, data)
        # A body that ends with its connection also ends when the deadline closes that.
        if self._now() > started + limit_s:
            raise _too_slow(url, limit_s)
        yield Chunk(self._now() - started, b"")


def _timed_out(error: httpx2.TimeoutException, url: str, connect_s: float, read_s: float) -> EngineError:
    if isinstance(error, httpx2.ConnectTimeout):
        return EngineError(
            f"{url}: no connection within {round(connect_s, 1):g} s", hint="check the host, the port and the firewall"
        )
    return EngineError(
        f"{url}: the server said nothing for {round(read_s, 1):g} s",
        hint="look at the engine's own log: it may be stuck",
    )


def _unanswered(error: httpx2.HTTPError, url: str) -> EngineError:
    """No status came."""
    if isinstance(error, httpx2.ConnectError) and "SSL" in str(error):
        return _no_tls(error, url)
    if isinstance(error, httpx2.ConnectError):
        return EngineError(
            f"{url}: nothing answers: {error}",
            hint="is it running? `ernie-deploy status` shows it; engines open their port only when the model is loaded",
        )
    if isinstance(error, httpx2.UnsupportedProtocol):
        return EngineError(f"{url}: {error}", hint="give a URL that begins with http:// or https://")
    if isinstance(error, httpx2.RemoteProtocolError) and "disconnected" not in str(error):
        return EngineError(f"{url}: what answers does not speak proper HTTP: {error}", hint="check the port in the URL")
    # Many a server with TLS hangs up on whoever speaks plain HTTP.
    is_plain = url.lower().startswith("http:")
    return EngineError(
        f"{url}: the connection broke before an answer came: {error}",
        hint="look at the engine's own log: it may have died" + ("; does it want https://?" if is_plain else ""),
    )


def _broken_off(error: httpx2.HTTPError, url: str) -> EngineError:
    if isinstance(error, httpx2.DecodingError):
        return EngineError(
            f"{url}: the answer came compressed, though that was declined, and cannot be unpacked: {error}",
            hint="look at what stands between here and the engine",
        )
    return EngineError(
        f"{url}: the connection broke in the middle of the answer: {error}",
        hint="look at the engine's own log: it may have died",
    )


def _too_slow(url: str, limit_s: float) -> EngineError:
    return EngineError(
        f"{url}: the answer was not complete after {round(limit_s, 1):g} s", hint="look at the engine's own log"
    )


def _no_tls(error: httpx2.ConnectError, url: str) -> EngineError:
    """A handshake that failed. The words of OpenSSL are kept: administrators search for them."""
    said = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return EngineError(f"{url}: the certificate is not trusted: {said}", hint=_hint_for_certificate(said))
    hint = "does it speak plain HTTP? then give http://" if "WRONG_VERSION" in said or "record layer" in said else ""
    return EngineError(f"{url}: no TLS: {said}", hint=hint or "look at the server's TLS settings")


def _hint_for_certificate(said: str) -> str:
    if "expired" in said or "not yet valid" in said:
        return "renew the server's certificate, or set the clock of this machine"
    if "mismatch" in said:
        return "ask for it by a name that its certificate is made out to"
    return "name its authority's certificate: --cacert FILE"


def trust(base_url: str, cacert: str) -> ssl.SSLContext:
    """Whom to believe: the authorities in `cacert` (PEM), else those of the system. Raises UsageError."""
    if cacert:
        try:
            return ssl.create_default_context(cafile=cacert)
        except ssl.SSLError:
            raise UsageError(f"{cacert}: no certificate in it", hint="--cacert takes a PEM file") from None
        except OSError as error:
            raise UsageError(f"{cacert} cannot be read: {error.strerror}", hint="--cacert takes a PEM file") from None
    if base_url.startswith("https:"):
        return ssl.create_default_context()
    # Plain HTTP needs none, and loading them takes a tenth of a second. With these TLS would fail, not pass.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Deadline:
    """Ends a request that takes too long, even one whose headers come byte by byte: no read of those waits for long
    enough to time out, and httpx2 knows no limit for all of them together.
    """

    def __init__(self, limit_s: float) -> None:
        self.has_struck = False
        self._socket: socket.socket | None = None
        # A little later than the limit of a single read: that one knows whether anything was said at all.
        self._timer = threading.Timer(limit_s + SLACK_S, self._strike)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpx2 as the request goes on: the connection's socket is the one to close."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.has_struck:
                self._close()

    def _strike(self) -> None:
        self.has_struck = True
        self._close()

    def _close(self) -> None:
        if self._socket is not None:
            # It may be gone already, with the request.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
