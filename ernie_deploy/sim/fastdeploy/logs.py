"""The log files of FastDeploy under their own names: up to 2.5 many of them, in the newest layout few."""

import contextlib
import datetime
import os
import sys
from pathlib import Path

from ernie_deploy.sim.fastdeploy.era import Era

# What is written, and where: up to 2.5 and in the newest layout.
PLACES = {
    "console": ("console.log", "fastdeploy.log"),
    "engine": ("fastdeploy.log", "fastdeploy.log"),
    "http": ("api_server.log", "fastdeploy.log"),
    "requests": ("api_server.log", "request.log"),
    "memory": ("gpu_worker.log", "worker_process.log"),
    "loop": ("worker_process.log", "worker_process.log"),
    "graphs": ("gpu_model_runner.log", "worker_process.log"),
    "processor": ("data_processor.log", "request.log"),
    "cache": ("cache_manager.log", "cache_manager.log"),
    "launch": ("launch_worker.log", "launch_worker.log"),
}
SOURCES = {"console": "engine.py", "engine": "engine.py", "http": "api_server.py", "requests": "serving_chat.py",
           "processor": "ernie4_5_vl_processor.py", "cache": "prefix_cache_manager.py"}  # fmt: skip

LABEL = "SIMULATED by ernie-deploy: no FastDeploy has written this file"


class Logs:
    """FD_LOG_DIR. Files of the server are called `name.YYYY-MM-DD`, with a link at the plain name."""

    def __init__(self, directory: Path, era: Era) -> None:
        self.directory = directory
        self.era = era
        self._linked: set[str] = set()

    def make(self) -> None:
        (self.directory / "paddle" if self.era.has_new_logs else self.directory).mkdir(parents=True, exist_ok=True)

    @property
    def worker_dir(self) -> Path:
        """Where workerlog.0 is."""
        return self.directory / "paddle" if self.era.has_new_logs else self.directory

    def place(self, what: str) -> str:
        return PLACES[what][self.era.has_new_logs]

    def console(self, text: str, *, level: str = "INFO") -> None:
        """A line for people, and the same into the console's log."""
        line = _line(level, SOURCES["console"], text)
        self.raw(line)
        self._append("console.log" if not self.era.has_new_logs else "fastdeploy.log", line)
        if level == "ERROR":
            self._error(line)

    def write(self, what: str, text: str, *, level: str = "INFO") -> None:
        """A line into one of the files of `PLACES`."""
        line = _line(level, SOURCES.get(what, f"{what}.py"), text)
        self._append(self.place(what), line)
        if level == "ERROR":
            self._error(line)

    def raw(self, text: str) -> None:
        """What goes to the terminal and into no file: tracebacks and progress bars."""
        # Who read the terminal may be gone (`… | head`): that ends no server, and leaves no worker behind.
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()

    def _error(self, line: str) -> None:
        if self.era.has_new_logs:
            self._append("error.log", line)

    def _append(self, name: str, line: str) -> None:
        dated = f"{name}.{datetime.date.today():%Y-%m-%d}"
        try:
            with (self.directory / dated).open("a", encoding="utf-8", errors="backslashreplace") as log:
                if not log.tell():
                    log.write(_line("WARNING", "simulator.py", LABEL))
                log.write(line)
            if dated not in self._linked:
                self._linked.add(dated)
                link = self.directory / name
                link.unlink(missing_ok=True)
                link.symlink_to(dated)
        except OSError:
            # A full disk or a directory that was taken away: the real one's logging goes on without a word, too.
            return


def _line(level: str, source: str, text: str) -> str:
    now = datetime.datetime.now()
    at = f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d}"
    return f"{level:<8} {at} {os.getpid():<5} {source}[line:1] {text}\n"
