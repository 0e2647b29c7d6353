"""Stands in for `paddle.distributed.launch`: starts the worker, waits for it, ends with its exit code.

Run as a file without the site module, like the worker: both must start in milliseconds. Standard library only.
"""

import json
import os
import signal
import sys


def main() -> None:
    manners = json.loads(os.environ["ERNIE_SIM_WORKER"])
    script = next(index for index, word in enumerate(sys.argv) if word.endswith("worker_process.py"))
    ignores_term = "worker-ignores-term" in manners["faults"]
    worker = os.fork()
    if worker == 0:
        os.execv(sys.executable, [sys.executable, "-I", "-S", "-u", *sys.argv[script:]])

    def end(_signal: int, _frame: object) -> None:
        try:
            os.kill(worker, signal.SIGTERM)
        except ProcessLookupError:
            return

    signal.signal(signal.SIGTERM, signal.SIG_IGN if ignores_term else end)
    if "zombie-worker" in manners["faults"]:
        # Nobody collects what has become of the worker.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while True:
            signal.pause()
    _, status = os.waitpid(worker, 0)
    sys.exit(os.waitstatus_to_exitcode(status) & 255)


if __name__ == "__main__":
    main()
