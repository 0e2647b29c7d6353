"""The launcher and its worker: processes in a session of their own, which nothing but a signal ends."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ernie_deploy.sim.fastdeploy.logs import LABEL, Logs

HERE = Path(__file__).parent
ENVIRONMENT = {"OMP_NUM_THREADS": "3", "NCCL_ALGO": "Ring", "FLAGS_max_partition_size": "1024"}


class Workers:
    """Started at once. `manners` is what the worker does; see worker_process.py.

    The real command goes through a shell. This one does not: what a shell would trip over is played, not tried.
    """

    def __init__(
        self, options: Mapping[str, object], manners: Mapping[str, object], logs: Logs, environ: Mapping[str, str]
    ) -> None:
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        argv = (sys.executable, "-I", "-S", "-u", str(HERE / "paddle_launch.py"), "--log_dir", str(logs.directory),
                "--devices", "0", str(HERE / "worker_process.py"), *words)  # fmt: skip
        shown = " ".join((*(f"{name}={value}" for name, value in ENVIRONMENT.items()), *argv))
        logs.write("engine", f"Launch worker service command: {shown}")
        environment = {**environ, **ENVIRONMENT, "ERNIE_SIM_WORKER": json.dumps(manners)}
        with (logs.directory / logs.place("launch")).open("ab") as errors:
            if not errors.tell():
                errors.write(f"{LABEL}\n".encode())
                errors.flush()
            self._launcher = subprocess.Popen(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """Hand on what the worker says, as long as it says anything."""
        pipe = self._launcher.stdout
        if pipe is None:
            return
        descriptor, loop = pipe.fileno(), asyncio.get_running_loop()
        os.set_blocking(descriptor, False)

        def read() -> None:
            with contextlib.suppress(BlockingIOError):
                data = os.read(descriptor, 65536)
                if not data:
                    loop.remove_reader(descriptor)
                hear(data)

        loop.add_reader(descriptor, read)

    def ended(self) -> int | None:
        """The exit code of the launcher; None while it lives."""
        return self._launcher.poll()

    def end(self) -> bool:
        """Tell the whole group to end, and wait for nobody; False when there is none."""
        try:
            os.killpg(self._launcher.pid, signal.SIGTERM)
        except ProcessLookupError:
            return False
        return True

    def signal_worker(self, number: int) -> None:
        """To the worker itself, not to its launcher."""
        launcher = self._launcher.pid
        with contextlib.suppress(OSError, ValueError):
            for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
                os.kill(int(child), number)
