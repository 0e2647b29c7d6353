"""Misbehaving HTTP servers: what a client meets is written byte by byte."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

TLS = Path(__file__).with_name("tls")
AUTHORITY = TLS / "authority.pem"
"""Made for these tests; its key is thrown away, and that of the server is no secret."""

TLS_HANDSHAKE = b"\x16"

Behaviour = Callable[[socket.socket, bytes], None]
"""Gets the connection and the request that came over it; the connection is closed afterwards."""


class Misbehaving:
    """A running server: where it listens, and the requests it got."""

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.requests: list[bytes] = []


@contextlib.contextmanager
def misbehaving(behave: Behaviour, *, tls: bool = False) -> Iterator[Misbehaving]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Misbehaving(listener.getsockname()[1], "https" if tls else "http")

        def talk(accepted: socket.socket) -> None:
            accepted.settimeout(10)
            with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError), secured(accepted, tls) as connection:
                request = _read_request(connection)
                server.requests.append(request)
                behave(connection, request)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server
        # A blocked accept only wakes when the socket is shut down, not when it is closed.
        listener.shutdown(socket.SHUT_RDWR)


def secured(connection: socket.socket, tls: bool) -> socket.socket:
    """The connection, behind TLS with a certificate of `AUTHORITY` for 127.0.0.1 when that is wanted."""
    if not tls:
        return connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context.wrap_socket(connection, server_side=True)


def answering(
    status: str, body: bytes, content_type: str = "application/json", headers: tuple[str, ...] = ()
) -> Behaviour:
    """A server that always says the same."""

    def behave(connection: socket.socket, _request: bytes) -> None:
        lines = (f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers)
        connection.sendall("\r\n".join((*lines, "", "")).encode() + body)

    return behave


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
        if data.startswith(TLS_HANDSHAKE):
            return data
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
