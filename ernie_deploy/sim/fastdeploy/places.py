"""The places in the running batch: at most so many requests are answered at once, the others wait in their order."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    """`tokens_held` are the tokens of the running requests, which the KV cache holds."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.running = 0
        self.tokens_held = 0
        self.is_taken_by_others = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def one(self, tokens: int) -> AsyncIterator[float]:
        """A place, as long as it is needed; gives the seconds that were waited for it."""
        began = time.monotonic()
        await self._enter()
        self.tokens_held += tokens
        try:
            yield time.monotonic() - began
        finally:
            self.tokens_held -= tokens
            self.running -= 1
            self.let_in()

    async def _enter(self) -> None:
        if self.running < self.count and not self._waiting and not self.is_taken_by_others:
            self.running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It had its turn just when it gave up.
                self.running -= 1
                self.let_in()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def let_in(self) -> None:
        """Give free places to those who wait."""
        while self._waiting and self.running < self.count and not self.is_taken_by_others:
            turn = self._waiting.popleft()
            if not turn.done():
                self.running += 1
                turn.set_result(None)
