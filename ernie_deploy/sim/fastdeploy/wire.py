"""HTTP/1.1 as far as an OpenAI-compatible server needs it, on asyncio streams."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from ernie_deploy.sim.fastdeploy.era import Era

MOST_HEAD_BYTES = 64 << 10
MOST_BODY_BYTES = 128 << 20


def encoded(document: Any) -> bytes:
    """As JSON. Half of a surrogate pair, which JSON can carry and UTF-8 cannot, goes back as it came."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


def signature(era: Era) -> Mapping[str, str]:
    """The headers by which every answer names itself."""
    return {"server": "ernie-deploy-simulator", "x-simulated": f"fastdeploy/{era.asked}"}


class Request(NamedTuple):
    """One request, its body whole. Names of headers are in small letters. HTTP/1.0 knows no chunks."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    is_1_0: bool = False

    @property
    def closes(self) -> bool:
        """Whether its answer is the last one of the connection."""
        wish = self.headers.get("connection", "").lower()
        return wish != "keep-alive" if self.is_1_0 else wish == "close"


class BadRequestError(Exception):
    """What came is not HTTP, or more of it than is taken."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class GoneError(Exception):
    """The client has hung up."""


class Reply:
    """The answer to one request: whole, or a stream of chunks. `pace` may slow every piece down."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        headers: Mapping[str, str],
        pace: Callable[[], float],
        request: Request | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._headers = headers
        self._pace = pace
        self._has_body = request is None or request.method != "HEAD"
        self._has_chunks = request is None or not request.is_1_0
        self.keeps_alive = request is not None and not request.closes
        self.status = 0

    @property
    def client_is_gone(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    async def send(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        # 304 has no body on the wire, whatever was meant.
        body = b"" if status == 304 else body
        await self._head(status, {"content-length": str(len(body)), "content-type": content_type})
        if self._has_body:
            await self._write(body)

    async def json(self, status: int, document: Any) -> None:
        await self.send(status, encoded(document))

    async def redirect(self, url: str) -> None:
        """Send the client to another place."""
        await self._head(307, {"content-length": "0", "location": url})

    async def begin_stream(self) -> None:
        """Who knows no chunks is told the end by closing."""
        self.keeps_alive = self.keeps_alive and self._has_chunks
        length = {"transfer-encoding": "chunked"} if self._has_chunks else {}
        await self._head(200, {"content-type": "text/event-stream; charset=utf-8", **length})

    async def chunk(self, data: bytes) -> None:
        await self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._has_chunks else data)

    async def end_stream(self) -> None:
        await self._write(b"0\r\n\r\n" if self._has_chunks else b"")

    def break_off(self) -> None:
        """Hang up without having come to an end."""
        self.keeps_alive = False
        self._writer.transport.abort()

    async def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        with contextlib.suppress(ValueError):
            reason = HTTPStatus(status).phrase
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        lines += [] if self.keeps_alive else ["connection: close"]
        await self._write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", errors="replace"))

    async def _write(self, data: bytes) -> None:
        rate = self._pace()
        try:
            if not rate:
                self._writer.write(data)
                await self._writer.drain()
                return
            for at in range(len(data)):
                self._writer.write(data[at : at + 1])
                await self._writer.drain()
                await asyncio.sleep(1 / rate)
        except (ConnectionError, OSError):
            raise GoneError from None


Handle = Callable[[Request, Reply], Awaitable[None]]


async def talk(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    handle: Handle,
    headers: Mapping[str, str],
    pace: Callable[[], float],
) -> None:
    """Answer the requests of one connection until it ends."""
    try:
        while True:
            request = await _read(reader, writer)
            if request is None:
                break
            reply = Reply(reader, writer, headers, pace, request)
            await handle(request, reply)
            if not reply.keeps_alive:
                break
    except BadRequestError as error:
        with contextlib.suppress(GoneError):
            await Reply(reader, writer, headers, pace).send(
                error.status, b"Invalid HTTP request received.", "text/plain"
            )
    except (GoneError, ConnectionError):
        pass
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request; None when the client has hung up between two."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise BadRequestError(400) from None
        return None
    except asyncio.LimitOverrunError:
        raise BadRequestError(431) from None
    first, *lines = head.decode("latin-1").strip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequestError(400)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("expect", "").lower() == "100-continue":
        # Who asks waits for this before it sends a large body; curl does.
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await _read_body(reader, headers)
    return Request(words[0], words[1].partition("?")[0], headers, body, words[2] == "HTTP/1.0")


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    try:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return await _read_chunks(reader)
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= MOST_BODY_BYTES:
            raise BadRequestError(413)
        return await reader.readexactly(length)
    except (ValueError, asyncio.IncompleteReadError):
        raise BadRequestError(400) from None


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        size = int((await reader.readline()).partition(b";")[0], 16)
        if size < 0 or len(body) + size > MOST_BODY_BYTES:
            raise BadRequestError(413)
        body += await reader.readexactly(size)
        await reader.readline()
        if size == 0:
            return bytes(body)
