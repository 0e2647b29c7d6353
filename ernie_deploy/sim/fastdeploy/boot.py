"""The start of the simulated server, up to the moment when its worker is ready: checks, ports, workers, loading."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ernie_deploy.sim.fastdeploy import scenario, start_checks
from ernie_deploy.sim.fastdeploy.command_line import CommandLine
from ernie_deploy.sim.fastdeploy.dials import Dials
from ernie_deploy.sim.fastdeploy.era import Era
from ernie_deploy.sim.fastdeploy.faults import Faults
from ernie_deploy.sim.fastdeploy.logs import Logs
from ernie_deploy.sim.fastdeploy.progress import Progress
from ernie_deploy.sim.fastdeploy.shared_memory import SharedMemory
from ernie_deploy.sim.fastdeploy.workers import Workers

LOOK_S = 0.01
EVERYWHERE = "0.0.0.0"
ABOUT_ENGINES = ("FD_", "FLAGS_", "ENABLE_", "CUDA_", "NCCL_", "OMP_", "PADDLE_", "DO_NOT_TRACK", "ERNIE_SIM_")


class StartError(Exception):
    """The start ends: `text` is what a traceback ends with, empty when the server has said it already."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Boot:
    """One start. Afterwards `values` are those that hold, and `workers` and `shm` are there."""

    def __init__(
        self, line: CommandLine, era: Era, dials: Dials, faults: Faults, environ: Mapping[str, str], logs: Logs
    ) -> None:
        self.values = start_checks.settled(line.values, environ)
        self.line = line
        self.era = era
        self.dials = dials
        self.faults = faults
        self.environ = environ
        self.logs = logs
        slow = next((one for one in faults.armed if one.fault.name == "slow-load"), None)
        self.load_s = slow.number(30) if slow else dials.load_s
        self.progress = Progress(logs.raw, scenario.LAYERS)
        self.stopping = asyncio.Event()
        self.shm: SharedMemory | None = None
        self.workers: Workers | None = None
        self.servers: list[asyncio.Server] = []
        self.thief: subprocess.Popen[bytes] | None = None

    async def run(self) -> None:
        """Until the worker is ready. Raises StartError when it does not come to that."""
        self.logs.make()
        self._say_arguments()
        workers = self.values.get("workers") or max(min(int(self.values["max_num_seqs"]) // 32, 8), 1)
        self.values["workers"] = workers
        self.logs.console(f"Number of api-server workers: {workers}.")
        self._check()
        queue_port = await self._open_queues()
        self.shm = SharedMemory(Path(self.dials.shm_dir), queue_port, int(self.values["port"]))
        self.shm.create()
        for name in self.shm.replaced:
            self.logs.write("engine", f"ShareMemory: {name} already exists, delete it", level="WARNING")
        if any(one.fault.name == "port-stolen" for one in self.faults.armed):
            host = "127.0.0.1" if self.dials.loopback_only else bindable(str(self.values["host"]))
            self.thief = _steal(host, int(self.values["port"]))
        self._say_configuration()
        self._launch_worker(queue_port)
        self.logs.console("Waiting for worker processes to be ready...")
        await self._load()

    def _say_arguments(self) -> None:
        shown = json.dumps(self.line.values, default=str)
        # With every api_key in it, as the real one does.
        self.logs.write("http", f"args: {shown}")
        # The real one writes all of it. What is about an engine is enough to show the leak of its key.
        told = {name: value for name, value in self.environ.items() if name.startswith(ABOUT_ENGINES)}
        environment = json.dumps({"SIMULATED": "by ernie-deploy", **told}, indent=1)
        (self.logs.worker_dir / f"backup_env.{os.getpid()}.json").write_text(environment, encoding="utf-8")
        for text in self.line.logged:
            self.logs.write("engine", text, level="ERROR")
        if self.values.get("enable_mm"):
            self.logs.console("The parameter `enable_mm` is deprecated", level="WARNING")

    def _check(self) -> None:
        """What ends a start before anything is opened. The model comes first, as nothing works without."""
        for name in ("port", "max_num_seqs", "max_model_len", "max_concurrency"):
            # What the YAML could not convert was kept as it is.
            if not isinstance(self.values[name], int):
                raise StartError(f"TypeError: {name}: an integer is required, got {self.values[name]!r}", 1)
        self._check_model()
        self._meet_exit_1()
        for text in start_checks.broken_assertions(self.values, self.environ, self.era.version):
            raise StartError(f"AssertionError: {text}", 1)
        _, warning = start_checks.picture_limits(self.values)
        if warning:
            self.logs.write("processor", warning, level="WARNING")
        unknown = start_checks.unknown_parser(self.values, "tool_call_parser", self.era.version)
        if unknown:
            raise StartError(f"KeyError: \"tool parser: '{unknown}' not found in tool_parsers\"", 1)

    def _check_model(self) -> None:
        model = str(self.values["model"])
        path = Path(model)
        if not path.exists():
            if model.startswith((".", "/", "~")):
                text = f"The master of {model} is not exist. Please check the model name or revision."
                raise StartError(f"Exception: {text}", 1)
            self.logs.console(f"SIMULATED: {model} is taken for downloaded; nothing was fetched")
            return
        name = str(self.values.get("model_config_name") or "config.json")
        try:
            config = json.loads((path / name).read_bytes())
        except OSError:
            raise StartError(f"FileNotFoundError: [Errno 2] No such file or directory: '{path / name}'", 1) from None
        except ValueError as error:
            raise StartError(f"json.decoder.JSONDecodeError: {error}", 1) from None
        if problem := start_checks.wrong_model_config(config if isinstance(config, dict) else {}):
            raise StartError(problem, 1)

    async def _open_queues(self) -> int:
        """The queue of the engine and that of the cache manager; a port that nobody chose is a free one."""
        numbers = []
        for name in ("engine_worker_queue_port", "cache_queue_port"):
            asked = _first_port(self.values.get(name))
            is_taken = self.faults.on("die-ports") is not None and name == "engine_worker_queue_port"
            number = None if is_taken else await self._listen_silently(asked)
            if number is None:
                if not self.era.asserts_free_queue_ports:
                    # No word about it, and no end.
                    await self._wait_for_ever()
                raise StartError(f"AssertionError: Parameter `{name}`:{asked} is already in use.", 1)
            if not asked and self.era.asserts_free_queue_ports:
                text = f"Parameter `{name}` is not specified, found available ports for possible use: [{number}]"
                self.logs.console(text)
            self.values[name] = number
            numbers.append(number)
        return numbers[0]

    async def _listen_silently(self, port: int) -> int | None:
        """The port that is listened on; None when it is taken."""

        async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        try:
            opened = await asyncio.start_server(swallow, self.everywhere(), port)
        except OSError:
            return None
        self.servers.append(opened)
        return int(opened.sockets[0].getsockname()[1])

    def everywhere(self) -> str:
        return "127.0.0.1" if self.dials.loopback_only else EVERYWHERE

    def _say_configuration(self) -> None:
        ruler = "=================== Configuration Information ==============="
        shown = [f"{name:<40}: {value}" for name, value in self.values.items() if name != "api_key"]
        for text in (ruler, *shown, "=" * len(ruler)):
            self.logs.write("engine", text)

    def _launch_worker(self, queue_port: int) -> None:
        armed = [one for one in self.faults.of("worker") if not self._is_cured(one.fault.name, one.number(2))]
        steps = scenario.play(self.load_s, armed, elapsed_s=self.faults.elapsed_s, has_new_logs=self.era.has_new_logs)
        unknown = start_checks.unknown_parser(self.values, "reasoning_parser", self.era.version)
        broken = start_checks.breaks_a_shell((str(self.values["model"]), str(self.logs.directory)))
        if unknown:
            steps = scenario.last_words(f"KeyError: \"reasoning parser: '{unknown}' not found in reasoning_parsers\"")
        elif broken:
            steps = scenario.last_words(f"worker_process.py: error: unrecognized arguments: {broken}")
        manners = {
            "scenario": steps, "faults": [one.fault.name for one in self.faults.of("process")],
            "log_dir": str(self.logs.worker_dir.absolute()), "shm_dir": self.dials.shm_dir, "suffix": str(queue_port),
            "max_s": self.dials.max_s, "server": os.getpid(),
        }  # fmt: skip
        options = {"model": self.values["model"], "engine_worker_queue_port": queue_port,
                   "max_model_len": self.values["max_model_len"]}  # fmt: skip
        self.workers = Workers(options, manners, self.logs, self.environ)
        self.workers.listen(self.progress.feed)

    def _is_cured(self, name: str, share: float) -> bool:
        """kv-none does not happen when enough of the card may be used."""
        return name == "kv-none" and float(self.values.get("gpu_memory_utilization") or 0.9) >= share

    async def _load(self) -> None:
        """Until the worker is ready. Who dies while measuring memory ends the server with a traceback."""
        began = time.monotonic()
        while not self.signal("worker_ready_signal"):
            if self.workers is not None and self.workers.ended() is not None:
                await asyncio.sleep(2 * LOOK_S)
                self.progress.end()
                self._fail_start()
            if self.faults.on("exit-0"):
                self.progress.end()
                self._fail_start()
            self._meet_exit_1()
            if self.stopping.is_set():
                raise StartError("", 0)
            await asyncio.sleep(LOOK_S)
        self.progress.end()
        self.logs.console(f"Worker processes are launched with {int(time.monotonic() - began)} seconds.")
        blocks, size = self.blocks(), int(self.values.get("block_size") or 64)
        self.logs.console(f"Detected {blocks} gpu blocks and 0 cpu blocks in cache (block size: {size}).")
        self.logs.write("engine", f"Reset block num, the total_block_num:{blocks}, prefill_kvcache_block_num:{blocks}")
        if self.era.says_capacity:
            length = int(self.values["max_model_len"])
            most = f"{min(blocks * size // max(1, length), int(self.values['max_num_seqs']))} running requests"
            self.logs.console(
                f"FastDeploy will be serving {most} if each sequence reaches its maximum length: {length}"
            )
        if self.values.get("enable_prefix_caching"):
            self.logs.write("engine", "Multi-modal models do not support prefix caching when using CUDAGraph!")
        self.logs.write("http", "FastDeploy LLM engine initialized!")

    def _meet_exit_1(self) -> None:
        if self.faults.on("exit-1"):
            raise StartError("RuntimeError: the simulated server was told to end", 1)

    def _fail_start(self) -> None:
        """Loaded but not measured yet means that memory was being measured: then an exception ends it all."""
        if self.signal("loaded_model_signal") and not self.signal("get_profile_block_num"):
            raise StartError(
                "RuntimeError: Worker process failed to start.Please check log/workerlog.* for details.", 1
            )
        self.logs.console("Failed to launch worker processes, check log/workerlog.* for more details.", level="ERROR")
        self.logs.write("http", "Failed to initialize FastDeploy LLM engine, service exit now!", level="ERROR")
        raise StartError("", 0)

    def blocks(self) -> int:
        override = self.values.get("num_gpu_blocks_override")
        return int(override or self.signal("get_profile_block_num") or scenario.BLOCKS)

    def signal(self, name: str) -> int:
        return self.shm.read(name) if self.shm else 0

    async def _wait_for_ever(self) -> None:
        await self.stopping.wait()
        raise StartError("", 0)


def _first_port(value: Any) -> int:
    """The first of a comma list; 0, which means any free one, when nothing was asked for."""
    first = value[0] if isinstance(value, list) and value else value
    return int(str(first)) if str(first).isdigit() else 0


def bindable(host: str) -> str:
    """An IPv6 address without its brackets."""
    return host.strip("[]")


def _steal(host: str, port: int) -> "subprocess.Popen[bytes]":
    """Somebody else, who takes the port and answers everything with 200, as long as this process lives."""
    family = "AF_INET6" if ":" in host else "AF_INET"
    program = (
        "import os,socket,sys\n"
        f"s=socket.create_server((sys.argv[1],int(sys.argv[2])),family=socket.{family})\n"
        "s.settimeout(0.5)\n"
        "while os.getppid()==int(sys.argv[3]):\n"
        " try: c,_=s.accept()\n"
        " except TimeoutError: continue\n"
        " c.settimeout(5)\n"
        " try:\n"
        "  c.recv(65536)\n"
        "  c.sendall(b'HTTP/1.1 200 OK\\r\\nX-Simulated: a stranger\\r\\n'\n"
        "            b'Content-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok')\n"
        " except OSError: pass\n"
        " c.close()\n"
    )
    return subprocess.Popen((sys.executable, "-I", "-S", "-c", program, host, str(port), str(os.getpid())))
