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
    print("Loading safetensors checkpoint shards: 100% Completed | 1/1", flush=True)
    print("Before running the profile, the memory usage info is as follows:", flush=True)
    print("------- available_kv_cache_memory:12.5 GB --------", flush=True)
    print("------- num_blocks_global: 1024 --------", flush=True)
    until = time.monotonic() + float(os.environ.get("FAKE_WORKER_MAX_S", "120"))
    while not has_ended and time.monotonic() < until:
        time.sleep(0.02)


if __name__ == "__main__":
    main()
