"""Ctrl-C and SIGTERM: the first ends what is being done, and nothing cuts short the clean-up that this brings.

A signal raises KeyboardInterrupt wherever it strikes. While something is being stopped it does not: it only says that
the stop is in a hurry. Nor does a second one that comes on the heels of the first, for the first is then still on its
way to the clean-up, and what was started would stay behind.
"""

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

HEELS_S = 1.0


class Interrupts:
    """The signals of this process; there is one, `interrupts`."""

    def __init__(self) -> None:
        self.is_in_a_hurry = False
        self._is_held = False
        self._raised_at = float("-inf")

    def listen(self) -> None:
        """Hear SIGTERM, and Ctrl-C unless the caller's shell has switched it off, as for a job in the background."""
        signal.signal(signal.SIGTERM, self._hear)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._hear)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While something is being stopped: signals are not raised, only noted."""
        before, self._is_held = self._is_held, True
        # A signal that struck together with the first is forgotten by Python until something asks for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            yield
        finally:
            self._is_held = before

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._is_held or now - self._raised_at < HEELS_S:
            self.is_in_a_hurry = True
            return
        self._raised_at = now
        raise KeyboardInterrupt


interrupts = Interrupts()
