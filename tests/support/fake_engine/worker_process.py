"""The process that would hold the weights: it lives until someone ends it."""

import os
import signal
import sys
import time
from types import FrameType


def main() -> None:
    has_ended = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal has_ended
        has_ended = True

    if "orphan-worker" in os.environ.get("FAKE_FAULTS", "").split(","):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, end)
    print(f"worker_process pid {os.getpid()} {' '.join(sys.argv[1:])}", flush=True)
    # The server's own lines tell the rest, and when.
    print("Loading safetensors checkpoint shards:   0% Completed | 0/1", flush=True)
    until = time.monotonic() + float(os.environ.get("FAKE_WORKER_MAX_S", "120"))
    while not has_ended and time.monotonic() < until:
        time.sleep(0.02)


if __name__ == "__main__":
    main()
