"""The life of the simulated server: its start, HTTP at last, serving, and its end.

A failed start ends with exit code 0, as FastDeploy's does; an exception nobody catches with 1.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ernie_deploy.sim.fastdeploy.boot import Boot, StartError, bindable
from ernie_deploy.sim.fastdeploy.command_line import CommandLine
from ernie_deploy.sim.fastdeploy.dials import Dials
from ernie_deploy.sim.fastdeploy.era import Era
from ernie_deploy.sim.fastdeploy.faults import Faults
from ernie_deploy.sim.fastdeploy.logs import Logs
from ernie_deploy.sim.fastdeploy.service import Service
from ernie_deploy.sim.fastdeploy.setup import settle
from ernie_deploy.sim.fastdeploy.wire import MOST_HEAD_BYTES, signature, talk

# A heartbeat older than this makes no tokens; the worker beats twice a second.
BEAT_S = 3.0


class Server:
    """One run."""

    def __init__(
        self, line: CommandLine, era: Era, dials: Dials, faults: Faults, environ: Mapping[str, str], title: str
    ) -> None:
        self.logs = Logs(Path(environ.get("FD_LOG_DIR") or "log"), era)
        self.boot = Boot(line, era, dials, faults, environ, self.logs)
        self.era = era
        self.dials = dials
        self.faults = faults
        self.environ = environ
        self.title = title
        self._talks: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """The exit code."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self.boot.stopping.set)
        if any(one.fault.name == "server-ignores-term" for one in self.faults.armed):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        fates = asyncio.create_task(self._meet_fates())
        try:
            await self.boot.run()
            await self._serve()
            code = 0
        except StartError as error:
            self._say_end(error)
            code = error.code
        except OSError as error:
            # A log directory that cannot be written, a full disk, no shared memory.
            self._say_end(StartError(f"{type(error).__name__}: {error}", 1))
            code = 1
        finally:
            fates.cancel()
            self._end_sub_services()
        return code

    # Serving ----------------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        while self.faults.on("hang-ready"):
            await self._nap()
        service = self._service()
        host, port = str(self.boot.values["host"]), int(self.boot.values["port"])
        metrics_port = self.boot.values.get("metrics_port")
        if metrics_port not in (None, port):
            await self._open("metrics_port", self.boot.everywhere(), int(metrics_port), service, service.answer_metrics)
        if self.faults.on("die-http"):
            raise StartError(f"Exception: The parameter `port`:{port} is already in use.", 1)
        self.logs.console(f"Launching metrics service at http://{host}:{metrics_port or port}/metrics")
        self.logs.console(f"Launching chat completion service at http://{host}:{port}/v1/chat/completions")
        self.logs.console(f"Launching completion service at http://{host}:{port}/v1/completions")
        if not self._ignores_term():
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.boot.stopping.set)
        bound = "127.0.0.1" if self.dials.loopback_only else bindable(host)
        await self._open("port", bound, port, service, service.answer)
        self.faults.became_ready()
        self._say_listening(host, port)
        others = asyncio.create_task(service.keep_others_busy())
        try:
            await self._watch_worker()
        finally:
            others.cancel()
        await self._let_finish()

    def _ignores_term(self) -> bool:
        return any(one.fault.name == "server-ignores-term" for one in self.faults.armed)

    def _say_listening(self, host: str, port: int) -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime())
        for text in (f"Listening at: http://{host}:{port} ({os.getpid()})",
                     "Using worker: uvicorn.workers.UvicornWorker"):  # fmt: skip
            self.logs.raw(f"[{now}] [{os.getpid()}] [INFO] {text}\n")
        self.logs.raw(f"[{now}] [{os.getpid()}] [INFO] Application startup complete.\n")

    def _service(self) -> Service:
        setup = settle(
            self.boot.values, self.era, self.dials, self.environ, self.boot.blocks(), self._health, self._worker_beats
        )
        return Service(setup, self.faults, self.logs)

    async def _open(self, parameter: str, host: str, port: int, service: Service, handle: Any) -> None:
        headers = signature(self.era)

        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                self._talks.add(task)
                task.add_done_callback(self._talks.discard)
            with contextlib.suppress(asyncio.CancelledError):
                await talk(reader, writer, handle, headers, service.pace)

        try:
            opened = await asyncio.start_server(connect, host, port, limit=MOST_HEAD_BYTES, backlog=2048)
        except OSError as error:
            if error.errno == 98:
                raise StartError(f"Exception: The parameter `{parameter}`:{port} is already in use.", 1) from None
            raise StartError(f"[ERROR] Can't connect to ('{host}', {port})", 1) from None
        self.boot.servers.append(opened)

    def _health(self) -> tuple[int, str]:
        """Only the age of the worker's heartbeat counts, and a heartbeat of zero is a healthy one."""
        beat = self.boot.signal("worker_healthy_live_signal")
        limit_s = self.dials.alive_timeout_s
        given = self.environ.get("FD_WORKER_ALIVE_TIMEOUT", "")
        if self.era.reads_alive_timeout and given.isdigit():
            limit_s = float(given)
        if beat and time.time() - beat > limit_s:
            return 404, "Worker Service Not Healthy"
        return 200, ""

    def _worker_beats(self) -> bool:
        """Whether the worker would make a token now."""
        if self.boot.workers is None or self.boot.workers.ended() is not None:
            return False
        beat = self.boot.signal("worker_healthy_live_signal")
        return not beat or time.time() - beat < BEAT_S

    async def _watch_worker(self) -> None:
        """Every five seconds; a dead worker ends the server by a SIGINT to itself."""
        looked = time.monotonic()
        while not self.boot.stopping.is_set():
            await self._nap()
            if time.monotonic() - looked < self.dials.watchdog_s:
                continue
            looked = time.monotonic()
            code = self.boot.workers.ended() if self.boot.workers else None
            if code is not None:
                text = f"Worker process has died in the background (code={code}). API server is forced to stop."
                self.logs.console(text, level="ERROR")
                os.kill(os.getpid(), signal.SIGINT)
                await self.boot.stopping.wait()

    async def _nap(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.boot.stopping.wait(), 0.05)
        if self.boot.stopping.is_set() and self.faults.ready_s is None:
            raise StartError("", 0)

    async def _let_finish(self) -> None:
        """Stop accepting; what is being answered has timeout_graceful_shutdown seconds."""
        for opened in self.boot.servers:
            opened.close()
        end = time.monotonic() + float(self.boot.values.get("timeout_graceful_shutdown") or 0)
        while self._talks and time.monotonic() < end:
            await asyncio.sleep(0.02)
        for task in tuple(self._talks):
            task.cancel()

    # Ends -------------------------------------------------------------------------------------------------------------

    async def _meet_fates(self) -> None:
        """Act out what was scheduled for processes."""
        done: set[str] = set()
        is_stopped = False
        deaths: dict[str, Callable[[float], None]] = {
            "server-killed": lambda _: os.kill(os.getpid(), signal.SIGKILL),
            "worker-dies": lambda number: self._hurt_worker(int(number)),
            "zombie-worker": lambda _: self._hurt_worker(signal.SIGKILL),
        }
        while True:
            for name, act in deaths.items():
                armed = self.faults.on(name)
                # Without a time it is meant for a service that serves.
                if armed and name not in done and (armed.at_s is not None or self.faults.ready_s is not None):
                    done.add(name)
                    act(armed.number(signal.SIGKILL))
            armed = self.faults.on("worker-stops")
            stops = armed is not None and (armed.at_s is not None or self.faults.ready_s is not None)
            if stops != is_stopped:
                is_stopped = stops
                self._hurt_worker(signal.SIGSTOP if stops else signal.SIGCONT)
            await asyncio.sleep(0.02)

    def _hurt_worker(self, number: int) -> None:
        if self.boot.workers is not None:
            self.boot.workers.signal_worker(number)

    def _say_end(self, error: StartError) -> None:
        text = str(error)
        if text:
            self.logs.raw("Traceback (most recent call last):\n")
            self.logs.raw(f'  File "{self.title}", line 1, in <module>\n{text}\n')
            self.logs.write("http", text, level="ERROR")

    def _end_sub_services(self) -> None:
        """The finalizer: its group is told to end, and nobody waits for it."""
        if self.boot.thief is not None:
            self.boot.thief.kill()
            self.boot.thief.wait()
        if self.boot.workers is not None:
            self.logs.console("Engine shut down, exiting sub services...")
            if not self.boot.workers.end():
                self.logs.console("Error extracting sub services: [Errno 3] No such process", level="ERROR")
        if self.boot.shm is not None:
            self.boot.shm.remove()
