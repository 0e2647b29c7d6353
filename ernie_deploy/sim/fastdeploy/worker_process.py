"""The process that would hold the weights. It plays the scenario that the server wrote for it, then beats its heart.

A scenario is a list of steps, each due at a number of seconds after the start: a line for workerlog.0 and for the
server, a line for another log file, a signal in shared memory, or an end. Run as a file without the site module: it
must start in milliseconds. Standard library only.
"""

import json
import os
import resource
import signal
import struct
import sys
import time

LABEL = b"SIMULATED by ernie-deploy: no FastDeploy has written this file\n"
# How often it looks whether its server is there.
LOOK_S = 1.0


class Worker:
    def __init__(self, manners: dict[str, object]) -> None:
        self.log_dir = str(manners["log_dir"])
        self.shm_dir = str(manners["shm_dir"])
        self.suffix = str(manners["suffix"])
        self.server = f"/proc/{manners['server']}"
        self.most_s = float(str(manners["max_s"]))
        self.ends_at = time.monotonic() + self.most_s
        self.looked_at = time.monotonic()
        self.began = time.monotonic()
        self.has_ended = False

    def end(self, _signal: int, _frame: object) -> None:
        self.has_ended = True

    def wait(self, until: float) -> None:
        """Sleep, unless it is time to go: told so, or forgotten for too long by a server that is gone."""
        while not self.has_ended and time.monotonic() < until:
            now = time.monotonic()
            if now > self.looked_at + min(LOOK_S, self.most_s / 2) and os.access(self.server, os.F_OK):
                self.looked_at, self.ends_at = now, now + self.most_s
            if now > self.ends_at:
                self.has_ended = True
            time.sleep(max(0.0, min(0.05, until - time.monotonic())))
        if self.has_ended:
            sys.exit(0)

    def play(self, step: list[object]) -> None:
        kind, *words = step
        if kind == "at":
            self.wait(self.began + float(str(words[0])))
        elif kind == "say":
            self.write(f"{self.log_dir}/workerlog.0", str(words[0]))
            self.tell(str(words[0]))
        elif kind == "log":
            self.write(f"{self.log_dir}/{words[0]}", str(words[1]))
        elif kind == "signal":
            self.signal(str(words[0]), int(str(words[1])))
        elif kind == "hang":
            self.wait(float("inf"))
        elif kind == "end":
            code = int(str(words[0]))
            if code < 0:
                os.kill(os.getpid(), -code)
            sys.exit(code)

    def write(self, path: str, line: str) -> None:
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        if not os.fstat(log).st_size:
            os.write(log, LABEL)
        os.write(log, line.encode() + b"\n")
        os.close(log)

    def tell(self, line: str) -> None:
        try:
            os.write(1, line.encode() + b"\n")
        except BrokenPipeError:
            return

    def signal(self, name: str, value: int) -> None:
        """Into shared memory, if the server has made a place for it."""
        try:
            place = os.open(f"{self.shm_dir}/{name}.{self.suffix}", os.O_WRONLY)
        except OSError:
            return
        os.write(place, struct.pack("<i", value))
        os.close(place)


def main() -> None:
    manners = json.loads(os.environ["ERNIE_SIM_WORKER"])
    worker = Worker(manners)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "worker-ignores-term" in manners["faults"] else worker.end)
    for step in manners["scenario"]:
        worker.play(step)
    while True:
        worker.signal("worker_healthy_live_signal", int(time.time()))
        worker.wait(time.monotonic() + 0.5)


if __name__ == "__main__":
    main()
