"""Questions to a service that may never be answered."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ernie_deploy.errors import DeployError

T = TypeVar("T")


class Question(Generic[T]):
    """One question, asked on a thread of its own: while it hangs we still see the process die.

    The thread is a daemon, so a request that never returns does not keep the command alive.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self.value: T | None = None
        self.error: DeployError | None = None
        self._ask = ask
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Until it is answered, at most that long."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self.value = self._ask()
        except DeployError as error:
            self.error = error
