"""From a request for tokens to its answer: how many are let in, what is refused, and the bodies of answers."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

from ernie_deploy.sim.fastdeploy import chat_request, misreadings, refusals, replies
from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest
from ernie_deploy.sim.fastdeploy.faults import Faults
from ernie_deploy.sim.fastdeploy.generation import Generator, HungUpError
from ernie_deploy.sim.fastdeploy.logs import Logs
from ernie_deploy.sim.fastdeploy.message_parts import DownloadError
from ernie_deploy.sim.fastdeploy.miscounting import miscounted
from ernie_deploy.sim.fastdeploy.misparsing import finish_after, misparsed
from ernie_deploy.sim.fastdeploy.parsers import BEGIN_CALL, Parsers, parse
from ernie_deploy.sim.fastdeploy.refusals import RefusedError
from ernie_deploy.sim.fastdeploy.setup import Setup
from ernie_deploy.sim.fastdeploy.streaming import Stream
from ernie_deploy.sim.fastdeploy.views import CHAT, COMPLETIONS, Views
from ernie_deploy.sim.fastdeploy.wire import Reply, Request

Json = dict[str, Any]
CANNED = {"messages": [{"role": "user", "content": "Say hello."}]}
# The real one logs whole requests, pictures and all, up to 2.5. A disk that is full of them proves nothing.
MOST_LOGGED_BYTES = 64 << 10
# Between two requests that are answered one after the other.
PAUSE_S = 0.3


class Completions:
    """Chat and completions. They share everything but their bodies."""

    def __init__(self, setup: Setup, faults: Faults, logs: Logs, views: Views, generator: Generator) -> None:
        self.setup = setup
        self.faults = faults
        self.logs = logs
        self._views = views
        self._generator = generator
        self._in_flight = 0
        self._fetching = asyncio.Lock()
        self._one_at_a_time = asyncio.Lock()

    @property
    def stops_with_its_client(self) -> bool:
        """Whether generating ends when nobody listens any more."""
        return self.setup.era.stops_with_its_client

    async def wait_for_downloads(self) -> None:
        """The only HTTP worker stands still while it fetches a picture."""
        if int(self.setup.values.get("workers") or 1) == 1:
            async with self._fetching:
                pass

    async def answer(self, request: Request, reply: Reply) -> None:
        if request.method != "POST":
            takes_any = self.faults.on("any-method")
            await reply.json(*((200, {}) if takes_any else (405, {"detail": "Method Not Allowed"})))
            return
        limit = int(self.setup.values["max_concurrency"])
        if self._in_flight >= limit or self.faults.on("too-many-requests"):
            await reply.json(*refusals.too_many(limit))
            return
        if self._in_flight and await self._is_overwhelmed(reply):
            return
        self._in_flight += 1
        try:
            self._log(request.body)
            try:
                asked = await self._understood(request)
            except RefusedError as error:
                if self.faults.on("die-on-malformed"):
                    os._exit(1)
                self.logs.write("http", error.message, level="ERROR")
                await self._refuse(error, reply)
                return
            except refusals.WordlessError:
                await reply.send(*refusals.WORDLESS)
                return
            if not self.faults.on("one-at-a-time"):
                await self._answer(asked, reply, is_chat=request.path == CHAT)
                return
            async with self._one_at_a_time:
                await self._answer(asked, reply, is_chat=request.path == CHAT)
                await asyncio.sleep(PAUSE_S)
        finally:
            self._in_flight -= 1

    async def _is_overwhelmed(self, reply: Reply) -> bool:
        """Faults that strike when somebody else is being answered."""
        if self.faults.on("drops-when-busy"):
            reply.break_off()
        elif self.faults.on("hangs-when-busy"):
            while not reply.client_is_gone:
                await asyncio.sleep(0.1)
        elif self.faults.on("fails-when-busy"):
            await reply.send(*refusals.WORDLESS)
        else:
            return False
        return True

    async def _refuse(self, error: RefusedError, reply: Reply) -> None:
        """As the era does it, unless a fault has another way."""
        status, body = refusals.refusal(self.setup.era, error)
        if self.faults.on("wordless-refusals"):
            await reply.send(*refusals.WORDLESS)
        elif self.faults.on("mixed-refusals") and error.kind == "request":
            await reply.json(status, error.message)
        else:
            await reply.json(200 if self.faults.on("refuses-with-200") else status, body)

    def _log(self, body: bytes) -> None:
        """The real one logs what users write; so does this."""
        if self.setup.era.has_new_logs and os.environ.get("FD_LOG_REQUESTS", "1") == "0":
            return
        given = os.environ.get("FD_LOG_MAX_LEN", "2048") if self.setup.era.has_new_logs else ""
        most = min(int(given), MOST_LOGGED_BYTES) if given.isdigit() else MOST_LOGGED_BYTES
        more = f" … and {len(body) - most} bytes more" if len(body) > most else ""
        self.logs.write("requests", f"Chat Received request: {body[:most].decode(errors='replace')}{more}")

    async def _understood(self, request: Request) -> ChatRequest:
        try:
            # Large bodies and pictures are unpacked here: that takes long enough to keep everybody else waiting.
            return await asyncio.to_thread(self._read, request)
        except DownloadError as error:
            return await self._fail_to_download(str(error))
        except RefusedError:
            if self.faults.on("accept-malformed"):
                return chat_request.understand(CANNED, self.setup.served)
            raise

    def _read(self, request: Request) -> ChatRequest:
        body = chat_request.decoded(request.body)
        asked = _as_chat(body) if request.path == COMPLETIONS else body
        return misreadings.understood(asked, self.setup.served, self.faults.holding())

    async def _fail_to_download(self, url: str) -> ChatRequest:
        """No network is ever asked. The real one tries three times, and stands still meanwhile."""
        async with self._fetching:
            await asyncio.sleep(self.setup.dials.fetch_s)
        raise RefusedError(f"HTTPConnectionPool: Max retries exceeded with url: {url} (simulated)", param="messages")

    async def _answer(self, asked: ChatRequest, reply: Reply, *, is_chat: bool) -> None:
        words, finish = self._generator.words(asked)
        counted = miscounted(replies.usage(asked, words), self.faults.holding(), is_stream=asked.stream)
        kind = "chat.completion" if is_chat else "text_completion"
        name = replies.answer_id(asked, "chatcmpl" if is_chat else "cmpl")
        chunk_kind = "chat.completion.chunk" if is_chat and asked.stream else kind
        head = replies.envelope(name, self._views.model_name(), chunk_kind)

        def is_gone() -> bool:
            return self.stops_with_its_client and reply.client_is_gone

        try:
            if asked.stream and not self.faults.on("not-a-stream"):
                await Stream(self, asked, reply, head, is_chat).run(words, finish, counted, is_gone)
                return
            async with self.tokens(asked, words, is_gone) as generated:
                async for _ in generated:
                    pass
        except HungUpError:
            self.logs.write("http", "request was aborted: its client is gone")
            reply.break_off()
            return
        except RefusedError as error:
            await self._refuse(error, reply)
            return
        await reply.json(200, self._body(asked, head, words, finish, counted, is_chat=is_chat))

    def _body(
        self, asked: ChatRequest, head: Json, words: list[str], finish: str, counted: Json | None, *, is_chat: bool
    ) -> Json:
        text = "".join(words)
        if not is_chat:
            choice = {"text": text, "logprobs": None, "finish_reason": finish}
            told = {"usage": counted} if counted else {}
            return {**head, "choices": [{"index": index, **choice} for index in range(asked.choices)], **told}
        parsed = parse(text, self.parsers_now(is_stream=False))
        if self.faults.on("malformed-tool-json") and BEGIN_CALL in text:
            parsed = parsed._replace(calls=_spoilt(text, parsed.calls), content="")
        parsed = parsed._replace(calls=misparsed(parsed.calls, self.faults.holding()))
        finish = finish_after(finish, has_called=parsed.has_called, faults=self.faults.holding())
        return replies.completion(head, parsed, finish, counted, asked.choices)

    def parsers_now(self, *, is_stream: bool) -> Parsers:
        """The parsers of the start, as far as no fault takes one away."""
        given, holding = self.setup.parsers, self.faults.holding()
        leaks = "leaky-think" in holding or (is_stream and "leaky-stream" in holding)
        return Parsers(given.reasoning and not leaks, given.tools and "no-tool-calls" not in holding)

    def tokens(
        self, asked: ChatRequest, words: list[str], is_gone: Callable[[], bool]
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """The tokens in time; the place is given back when the context ends, however it ends."""
        return aclosing(self._generator.run(asked, words, is_gone))


def _spoilt(text: str, calls: tuple[Json, ...]) -> tuple[Json, ...]:
    """A call whose arguments are not JSON."""
    found = text.partition('"arguments": ')[2].partition("}\n")[0]
    if not found:
        return calls
    name = text.partition('"name": "')[2].partition('"')[0]
    function = {"name": name, "arguments": found}
    return ({"id": f"chatcmpl-tool-{uuid.uuid4().hex}", "type": "function", "function": function},)


def _as_chat(body: Mapping[str, Any]) -> Json:
    """/v1/completions takes a prompt; the rehearsal model knows one kind of question anyway."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt and all(isinstance(one, str) for one in prompt):
        prompt = prompt[0]
    if not isinstance(prompt, str):
        kind = "missing_required_parameter" if prompt is None else "invalid_value"
        raise RefusedError("Input should be a valid string", kind="schema", param="prompt", code=kind)
    return {**body, "messages": [{"role": "user", "content": prompt}]}
