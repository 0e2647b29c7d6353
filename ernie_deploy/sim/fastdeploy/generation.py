"""From an understood request to its tokens, one by one, at the pace of the dials and in the places there are."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

from ernie_deploy.sim.fastdeploy import answers, lapses, slips
from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest
from ernie_deploy.sim.fastdeploy.dials import Dials
from ernie_deploy.sim.fastdeploy.faults import Faults
from ernie_deploy.sim.fastdeploy.metrics import Counted
from ernie_deploy.sim.fastdeploy.pictures import Picture
from ernie_deploy.sim.fastdeploy.places import Places
from ernie_deploy.sim.fastdeploy.refusals import RefusedError

LOOK_S = 0.05
# Slow enough that answers which do not overlap can be told from answers that are merely quick.
SLOW_ITL_S = 0.04


class HungUpError(Exception):
    """The client is gone, and this version then stops generating."""


class Generator:
    """Makes tokens as long as the worker lives; counts what it does."""

    def __init__(
        self,
        dials: Dials,
        faults: Faults,
        counted: Counted,
        places: Places,
        *,
        worker_beats: Callable[[], bool],
        why_unhealthy: Callable[[], str],
    ) -> None:
        self._dials = dials
        self._faults = faults
        self._counted = counted
        self._places = places
        self._worker_beats = worker_beats
        self._why_unhealthy = why_unhealthy
        self._asked = 0
        self._before = ""
        self._pictures: dict[tuple[int, int], Picture] = {}

    def words(self, request: ChatRequest) -> tuple[list[str], str]:
        """All tokens of an answer, and its finish reason (a call's is decided by the parser)."""
        holding = self._faults.holding()
        if "empty-answers" in holding:
            return [], "stop"
        seen = lapses.perceived(request, holding)
        if "stale-pictures" in holding:
            seen = lapses.remembered(seen, self._pictures)
        raw = slips.misspoken(answers.write(seen), seen, holding)
        self._asked += 1
        if "unrepeatable" in holding and self._asked % 2:
            raw += " Or so it seems."
        if "mixes-answers" in holding and self._places.running and self._before:
            raw = self._before
        self._before = raw
        words, was_cut = answers.generated(raw, seen)
        kept = answers.stopped(words, seen.stops)
        is_short = was_cut and len(kept) == len(words) and "cut-in-silence" not in holding
        return kept, "length" if is_short else "stop"

    async def run(
        self, request: ChatRequest, words: list[str], is_gone: Callable[[], bool]
    ) -> AsyncGenerator[str, None]:
        """The tokens in time. Raises HungUpError, and RefusedError when the engine is found unhealthy meanwhile."""
        began = time.monotonic()
        self._begin(request)
        if self._faults.on("no-tokens-idle"):
            await self._stall("no-tokens-idle", is_gone)
        async with self._place(request.prompt_tokens + len(words)) as waited_s:
            self._counted.observe("request_queue_time_seconds", waited_s)
            placed = time.monotonic()
            await self._pause(self._dials.ttft_s, is_gone)
            await self._stall("no-tokens", is_gone)
            self._counted.observe("request_prefill_time_seconds", time.monotonic() - placed)
            first = last = time.monotonic()
            for number, word in enumerate(words):
                if number:
                    await self._pause(self._itl_s(), is_gone)
                stop = self._faults.on("tokens-stop")
                if stop and number >= stop.number(3):
                    await self._stall("tokens-stop", is_gone)
                now = time.monotonic()
                if number == 0:
                    first = now
                    self._counted.observe("time_to_first_token_seconds", now - began)
                else:
                    self._counted.observe("time_per_output_token_seconds", now - last)
                last = now
                self._counted.add("generation_tokens_total")
                yield word
            self._end(request, len(words), began, placed, first)

    @asynccontextmanager
    async def _place(self, tokens: int) -> AsyncIterator[float]:
        async with self._places.one(tokens) as waited_s:
            try:
                yield waited_s
            except (HungUpError, GeneratorExit, asyncio.CancelledError):
                # A fault: nobody uses the place any more, and nobody else gets it.
                self._places.running += bool(self._faults.on("slots-leak"))
                raise

    def _begin(self, request: ChatRequest) -> None:
        self._counted.add("requests_number")
        self._counted.add("prompt_tokens_total", request.prompt_tokens)
        self._counted.observe("request_prompt_tokens", request.prompt_tokens)
        self._counted.observe("request_params_max_tokens", request.max_tokens)

    def _end(self, request: ChatRequest, count: int, began: float, placed: float, first: float) -> None:
        now = time.monotonic()
        self._counted.add("request_success_total")
        self._counted.observe("request_generation_tokens", count)
        self._counted.observe("request_token_ratio", count / max(1, request.prompt_tokens))
        self._counted.observe("request_inference_time_seconds", now - placed)
        self._counted.observe("request_decode_time_seconds", now - first)
        self._counted.observe("e2e_request_latency_seconds", now - began)

    def _itl_s(self) -> float:
        return max(self._dials.itl_s, SLOW_ITL_S) if self._faults.on("one-at-a-time") else self._dials.itl_s

    async def _pause(self, seconds: float, is_gone: Callable[[], bool]) -> None:
        """The time of one step; without a worker it never ends."""
        await asyncio.sleep(seconds)
        if is_gone():
            raise HungUpError
        await self._wait_while(lambda: not self._worker_beats(), is_gone)

    async def _stall(self, fault: str, is_gone: Callable[[], bool]) -> None:
        await self._wait_while(lambda: self._faults.on(fault) is not None, is_gone)

    async def _wait_while(self, stuck: Callable[[], bool], is_gone: Callable[[], bool]) -> None:
        """FastDeploy asks whether its engine is healthy only after five minutes without a token."""
        since = time.monotonic()
        while stuck():
            if is_gone():
                raise HungUpError
            if time.monotonic() - since > self._dials.recheck_s:
                since = time.monotonic()
                why = self._why_unhealthy()
                if why:
                    raise RefusedError(f"Engine is not healthy: {why}", kind="internal", code="internal_error")
            await asyncio.sleep(LOOK_S)
