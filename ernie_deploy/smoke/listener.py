"""A web server on this machine that serves one picture and remembers who came. It is the bait for an engine that
fetches what it is told to."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from typing import NamedTuple

START = "/start"
PICTURE = "/picture.png"
PATIENCE_S = 5.0


class Heard(NamedTuple):
    """`visits` are the paths that were asked for, in their order; it grows."""

    port: int
    visits: list[str]


@contextlib.contextmanager
def listener(picture: bytes) -> Iterator[Heard]:
    """Listens on the loopback alone. START leads on to PICTURE, so it shows too whether redirects are followed."""
    visits: list[str] = []

    class Bait(http.server.BaseHTTPRequestHandler):
        timeout = PATIENCE_S

        def do_GET(self) -> None:
            visits.append(self.path)
            if self.path == START:
                self.send_response(302)
                self.send_header("Location", PICTURE)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: stderr belongs to the command."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bait)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Heard(server.server_port, visits)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)
