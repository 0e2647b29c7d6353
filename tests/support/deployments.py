"""A place to deploy in: the real command line as a process, with a home, a state directory, a card and engines of its
own. Nothing of ours is patched; what a test starts is found again by a mark in its environment and must be gone after.
"""

import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import sysconfig
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from ernie_deploy.files import write_atomically
from ernie_deploy.serve.places import token_prefix
from tests.support import nvml
from tests.support.engines import REPOSITORY, free_port

MARK = "ERNIE_TEST_PLACE"
PATIENCE_S = 60.0
# Runs what follows as a user without rights.
NOBODY: Final = (shutil.which("setpriv") or "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
# As in architectures.yaml, by the names of the hub's config.json.
DIMENSIONS: Final = {
    "hidden_size": 2560,
    "num_hidden_layers": 28,
    "num_attention_heads": 20,
    "num_key_value_heads": 4,
    "intermediate_size": 12288,
    "vocab_size": 103424,
    "max_position_embeddings": 131072,
    "moe_num_experts": [64, 64],
    "moe_intermediate_size": [1536, 512],
    "moe_k": 6,
    "moe_num_shared_experts": 2,
    "moe_layer_start_index": 1,
    "vision_config": {"depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4},
}


class Ended(NamedTuple):
    """A command that ran to its end. `at` is the time of day when it had ended."""

    code: int
    out: str
    err: str
    seconds: float
    at: float

    def json(self) -> Any:
        """stdout as JSON: all of it, or this fails."""
        return json.loads(self.out)


class Place:
    """One isolated place. `environ` is what every command in it gets; a test changes it."""

    def __init__(self, directory: Path, library: Path, engines: Path, *, cards: Sequence[nvml.Card] = (nvml.L20,)):
        self.directory = directory
        self.state = directory / "state"
        self.home = directory / "home"
        self.work = directory / "work"
        for made in (directory, self.home, self.work, directory / "bin"):
            made.mkdir(parents=True, exist_ok=True)
        self.mark = uuid.uuid4().hex
        self.port = free_port()
        self.engines = engines
        self.python = sys.executable
        self.model = make_model(directory / "model")
        self.nvml_state = directory / "nvml"
        self.show(*cards)
        self.environ: dict[str, str] = {
            "PATH": str(directory / "bin"),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(REPOSITORY),
            "ERNIE_DEPLOY_STATE": str(self.state),
            "ERNIE_DEPLOY_ENGINES": str(directory / "engines"),
            "FAKE_LOAD_S": "0.05",
            "FAKE_MAX_S": "120",
            MARK: self.mark,
            **nvml.environment(library, self.nvml_state),
        }

    # Asking ---------------------------------------------------------------------------------------------------------

    def flags(self, engine: str = "fastdeploy") -> tuple[str, ...]:
        """What names the fake engine, the model and a free port. On the card at hand every engine may start."""
        chosen = ("--engine-python", str(self.engines / engine / "bin" / "python"), "--model", str(self.model))
        demoted = () if engine == "fastdeploy" else ("--engine", engine, "--ignore", "memory-fit")
        return (*chosen, "--port", str(self.port), "--host", "127.0.0.1", *demoted)

    def start(
        self, *words: str, env: Mapping[str, str] | None = None, before: Sequence[str] = (), **kwargs: Any
    ) -> "subprocess.Popen[str]":
        """A command in the background; `before` runs it through other programs, such as setpriv."""
        return subprocess.Popen(
            [*before, self.python, "-m", "ernie_deploy", *words],
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "encoding": "utf-8",
                "errors": "surrogateescape",
                "cwd": self.work,
                "env": {**self.environ, **(env or {})},
                **kwargs,
            },
        )

    def run(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        timeout_s: float = PATIENCE_S,
        **kwargs: Any,
    ) -> Ended:
        """A command, to its end."""
        began = time.monotonic()
        process = self.start(*words, env=env, before=before, **kwargs)
        return finish(process, began, timeout_s=timeout_s)

    def up(self, *words: str, engine: str = "fastdeploy", faults: str = "", **kwargs: Any) -> Ended:
        """`up` with the fake engine."""
        return self.run("up", *self.flags(engine), *words, **_with_faults(faults, kwargs))

    def start_up(
        self, *words: str, engine: str = "fastdeploy", faults: str = "", **kwargs: Any
    ) -> "subprocess.Popen[str]":
        """`up` in the background."""
        return self.start("up", *self.flags(engine), *words, **_with_faults(faults, kwargs))

    def status(self, name: str = "ernie") -> dict[str, Any]:
        """What `status --json` says of one deployment."""
        found = self.run("status", "--json", "--name", name)
        assert found.code == 0, found.err
        (one,) = found.json()
        return dict(one)

    # Looking --------------------------------------------------------------------------------------------------------

    def show(self, *cards: nvml.Card, **state: Any) -> None:
        """Put these cards into the host."""
        write_atomically(self.nvml_state, nvml.state(cards, **state))

    def record(self, name: str = "ernie") -> Path:
        """The run.json of a deployment."""
        return self.state / name / "run.json"

    def run_on_record(self, name: str = "ernie") -> dict[str, Any] | None:
        """What run.json holds; None when there is none."""
        try:
            return dict(json.loads(self.record(name).read_bytes()))
        except FileNotFoundError:
            return None

    def leader(self, name: str = "ernie") -> int | None:
        """The pid of the server on record."""
        run = self.run_on_record(name)
        return int(run["leader"][0]) if run and run["leader"] else None

    def is_proven(self, name: str = "ernie") -> bool:
        """Whether it is on record that a token came out."""
        run = self.run_on_record(name)
        return run is not None and run["phase"] == "ready"

    def log(self, name: str = "ernie") -> str:
        """The engine's output so far."""
        path = self.state / name / "logs" / "engine.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def token(self, name: str = "ernie") -> str:
        """What marks the processes of a deployment."""
        return token_prefix(self.state / name)

    def engine_pids(self) -> list[int]:
        """Every process of an engine that was started here, whatever any record says."""
        return [pid for pid, environment in marked(self.mark) if b"\0ERNIE_DEPLOY_TOKEN=" in environment]

    def is_free(self) -> bool:
        """Whether nobody listens on the port, as far as the kernel's table says."""
        wanted = f":{self.port:04X}"
        tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
        rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
        return not any(row[1].endswith(wanted) and row[3] == "0A" for row in rows)

    def wait_for_engine(self, name: str = "ernie", *, line: str = "") -> int:
        """The pid of a server that was started meanwhile, once it has logged `line`."""
        eventually(lambda: self.leader(name) is not None and line in self.log(name))
        pid = self.leader(name)
        assert pid is not None
        return pid

    def leave(self) -> list[int]:
        """Kill everything that was started here and is still there; its pids. Quicker than `down`, and no proof."""
        left = [pid for pid, _ in marked(self.mark)]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not list(marked(self.mark)))
        return left


class Ahead:
    """Deployments that are brought up while other tests run: most of that time is waiting."""

    COUNT = 2

    def __init__(self, make: Callable[[], Place]) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._coming: deque[Future[Place]] = deque()

    def take(self) -> Place:
        """One that is ready."""
        while len(self._coming) <= self.COUNT:
            self._coming.append(self._pool.submit(self._bring_up))
        return self._coming.popleft().result()

    def close(self) -> None:
        """End those that nobody took."""
        self._pool.shutdown()
        for coming in self._coming:
            coming.result().leave()

    def _bring_up(self) -> Place:
        place = self._make()
        place.environ |= {"FAKE_MAX_S": "900", "FAKE_WORKER_MAX_S": "900"}
        ended = place.up()
        assert ended.code == 0, ended.err
        return place


def finish(process: "subprocess.Popen[str]", began: float | None = None, *, timeout_s: float = PATIENCE_S) -> Ended:
    """Wait for a command; one that does not end is killed and fails the test."""
    began = time.monotonic() if began is None else began
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"{process.args!r} did not end within {timeout_s:.0f} s\n{out}\n{err}") from None
    return Ended(process.returncode, out or "", err or "", time.monotonic() - began, time.time())


def side_by_side(jobs: Mapping[str, Callable[[], Ended]]) -> dict[str, Ended]:
    """Run several commands at once, each in a place of its own: most of their time is waiting."""
    with ThreadPoolExecutor(max_workers=5) as pool:
        futures = {name: pool.submit(job) for name, job in jobs.items()}
        return {name: future.result() for name, future in futures.items()}


def eventually(condition: Callable[[], object], *, timeout_s: float = 30.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def argv_of(pid: int) -> list[str]:
    """A running process's arguments."""
    return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).removesuffix("\0").split("\0")


def environment_of(pid: int) -> dict[str, str]:
    """A running process's environment, as it was started with."""
    raw = os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes())
    return dict(entry.split("=", 1) for entry in raw.split("\0") if "=" in entry)


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that only waits to be reaped does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def start_ticks_of(pid: int) -> int:
    """Field 22 of /proc/PID/stat."""
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])


def marked(mark: str) -> Iterator[tuple[int, bytes]]:
    """Processes with the mark of a place in their environment, and that environment."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = b"\0" + (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"\0{MARK}={mark}\0".encode() in environment:
                yield int(entry.name), environment


@contextlib.contextmanager
def stranger(*, environ: Mapping[str, str] | None = None) -> Iterator[int]:
    """A process that has nothing to do with any of this; its pid."""
    process = subprocess.Popen(["/bin/sleep", "60"], env=dict(environ or {"STRANGER": "1"}))
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def python_for_nobody() -> str:
    """An interpreter of this version that the user NOBODY may run, with our packages; "" when there is none."""
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(here, path="/usr/local/bin:/usr/bin")):
        # Through a shell: the first program after setpriv may still be read with the rights of before.
        command = [*NOBODY, "/bin/sh", "-c", '"$0" -c "import ernie_deploy.cli.app"', python or ""]
        if python and subprocess.run(command, env=packages(), capture_output=True, check=False).returncode == 0:
            return python
    return ""


def packages() -> dict[str, str]:
    """What lets any interpreter of this version find our packages."""
    return {"PYTHONPATH": os.pathsep.join((str(REPOSITORY), sysconfig.get_paths()["purelib"]))}


def make_model(directory: Path) -> Path:
    """A small model directory, whole in the eyes of `check`, in two shards; by its config.json it is the 28B model."""
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "ernie4_5_moe_vl",
        "torch_dtype": "bfloat16",
        "rope_scaling": {"type": "default", "mrope_section": [22, 22, 20]},
        **DIMENSIONS,
    }
    documents = {
        "config.json": config,
        "tokenizer_config.json": {"chat_template": "{{ messages }}"},
        "tokenizer.json": {},
        "preprocessor_config.json": {},
        "model.safetensors.index.json": {"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}},
    }
    for name, document in documents.items():
        (directory / name).write_text(json.dumps(document))
    for name, tensor in zip(SHARDS, "ab", strict=True):
        header = json.dumps({tensor: {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}}).encode()
        (directory / name).write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    return directory


def _with_faults(faults: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**kwargs, "env": {**(kwargs.get("env") or {}), "FAKE_FAULTS": faults}} if faults else kwargs
