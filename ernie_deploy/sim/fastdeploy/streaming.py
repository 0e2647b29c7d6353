"""One streamed answer: its events, its quirks, and the faults that strike in the middle of it."""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ernie_deploy.sim.fastdeploy import refusals, replies
from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest
from ernie_deploy.sim.fastdeploy.disorder import COLLECTED, Disorder
from ernie_deploy.sim.fastdeploy.faults import Faults
from ernie_deploy.sim.fastdeploy.misparsing import finish_after
from ernie_deploy.sim.fastdeploy.parsers import Parsers, StreamParser
from ernie_deploy.sim.fastdeploy.refusals import RefusedError
from ernie_deploy.sim.fastdeploy.wire import GoneError, Reply

Json = dict[str, Any]


class Answering(Protocol):
    """What a stream needs of the service it belongs to."""

    faults: Faults

    @property
    def stops_with_its_client(self) -> bool:
        """Whether generating ends when nobody listens any more."""

    def parsers_now(self, *, is_stream: bool) -> Parsers:
        """The parsers that are at work."""

    def tokens(
        self, asked: ChatRequest, words: list[str], is_gone: Callable[[], bool]
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """The tokens in time."""


class Stream:
    """One streamed answer. When its client is gone, versions that do not notice go on generating, for nobody."""

    def __init__(self, service: Answering, asked: ChatRequest, reply: Reply, head: Json, is_chat: bool) -> None:
        self._service = service
        self._asked = asked
        self._reply = reply
        self._head = head
        self._is_chat = is_chat
        self._began = time.monotonic()
        self._is_heard = True

    async def run(self, words: list[str], finish: str, counted: Json | None, is_gone: Callable[[], bool]) -> None:
        """An error after the first event comes as an event, with HTTP 200. counted: None when usage is not told."""
        holding = self._service.faults.holding()
        parser = StreamParser(self._service.parsers_now(is_stream=True))
        await self._reply.begin_stream()
        if self._is_chat:
            await self._write(replies.first_event(self._head, counted if self._asked.continuous_usage else None))
        held: list[Json] = []
        disorder = Disorder(holding)
        try:
            async with self._service.tokens(self._asked, words, is_gone) as generated:
                async for word in generated:
                    if await self._break(disorder.words):
                        return
                    held += disorder.disturbed(parser.feed(word)) if self._is_chat else ({"text": word},)
                    if not COLLECTED & holding:
                        # The last one waits: it carries the finish reason.
                        for delta in held[:-1]:
                            await self._send(delta, None, counted)
                        held = held[-1:]
        except RefusedError as error:
            await self._fail(error)
            return
        finish = finish_after(finish, has_called=parser.has_called, faults=holding)
        for delta in disorder.ordered(held)[:-1]:
            await self._send(delta, None, counted)
        if "usage-early" in holding and counted:
            await self._write(replies.usage_event(self._head, counted))
        last = [] if "stream-loses-last" in holding else disorder.ordered(held)[-1:]
        last = last or [{"content": ""}]
        await self._send(last[0], None if "no-finish" in holding else finish, counted)
        await self._end(counted, holding)

    async def _end(self, counted: Json | None, holding: Collection[str]) -> None:
        """What comes after the last token."""
        if self._asked.include_usage and counted and "usage-early" not in holding:
            await self._write(replies.usage_event(self._head, counted))
        if "no-done" not in holding:
            await self._write(replies.DONE)
        if "data-after-done" in holding:
            await self._send({"content": " And so on."}, None, counted)
        await self._reply.end_stream()

    async def _break(self, number: int) -> bool:
        """Whether a fault has ended the stream before this token."""
        faults = self._service.faults
        error, close = faults.on("stream-error"), faults.on("stream-close")
        if error and number >= error.number(3):
            text = "Engine is not healthy: Worker Service Not Healthy"
            await self._fail(RefusedError(text, kind="internal", code="internal_error"))
        elif close and number >= close.number(3):
            self._reply.break_off()
        else:
            return False
        return True

    async def _fail(self, error: RefusedError) -> None:
        await self._write(replies.event({"error": refusals.body_of(error)}))
        await self._reply.end_stream()

    async def _send(self, delta: Json, finish: str | None, counted: Json | None) -> None:
        if self._service.faults.on("ids-change"):
            self._head = {**self._head, "id": f"chatcmpl-{uuid.uuid4()}"}
        if self._is_chat:
            now = counted if self._asked.continuous_usage else None
            await self._write(replies.delta_event(self._head, delta, self._began, finish, now))
        else:
            choice = {"index": 0, "text": delta.get("text", ""), "logprobs": None, "finish_reason": finish}
            await self._write(replies.event({**self._head, "choices": [choice]}))

    async def _write(self, data: bytes) -> None:
        if not self._is_heard:
            return
        try:
            await self._reply.chunk(data)
        except GoneError:
            if self._service.stops_with_its_client:
                raise
            self._is_heard = False
