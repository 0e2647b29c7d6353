"""Several requests at the same moment. The threads are daemons, so that a run that is interrupted waits for none."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from ernie_deploy.errors import DeployError

Found = TypeVar("Found")


def at_once(jobs: Sequence[Callable[[], Found]]) -> tuple[Found | DeployError, ...]:
    """What each job returns, or the DeployError that it raised, in their order. All begin at once, each in a thread."""
    futures: list[Future[Found | DeployError]] = [Future() for _ in jobs]
    for job, future in zip(jobs, futures, strict=True):
        threading.Thread(target=_work, args=(job, future), daemon=True).start()
    return tuple(future.result() for future in futures)


def _work(job: Callable[[], Found], future: "Future[Found | DeployError]") -> None:
    try:
        future.set_result(job())
    except DeployError as error:
        future.set_result(error)
    finally:
        # Only a bug comes here without a result: whoever waits for it must not wait for ever.
        future.cancel()
