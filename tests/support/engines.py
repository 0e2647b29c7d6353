"""Engine environments for tests: real virtual environments in which the fake engine takes a real engine's place."""

import contextlib
import http.client
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FAKE = Path(__file__).parent / "fake_engine"
GRAMMAR = REPOSITORY / "ernie_deploy" / "rehearsal" / "grammar.py"

SERVER = "from fake_engine.start import {name} as main\n\nif __name__ == '__main__':\n    main()\n"
WORKER = "from fake_engine.worker_process import main\n\nif __name__ == '__main__':\n    main()\n"

MODULES = {
    "fastdeploy": {
        "fastdeploy/entrypoints/openai/api_server.py": SERVER.format(name="fastdeploy"),
        "fastdeploy/entrypoints/cli/main.py": SERVER.format(name="fastdeploy_cli"),
        "fastdeploy/worker/worker_process.py": WORKER,
    },
    "vllm": {
        "vllm/entrypoints/cli/main.py": SERVER.format(name="vllm"),
        "vllm/entrypoints/openai/api_server.py": SERVER.format(name="vllm"),
    },
    "transformers": {"transformers/cli/transformers.py": SERVER.format(name="transformers")},
}
SCRIPTS = {
    "fastdeploy": "fastdeploy.entrypoints.cli.main",
    "vllm": "vllm.entrypoints.cli.main",
    "transformers": "transformers.cli.transformers",
}
DISTRIBUTIONS = {
    "fastdeploy": {"fastdeploy-gpu": "2.5.0", "paddlepaddle-gpu": "3.3.1"},
    "vllm": {"vllm": "0.32.0+cpu", "torch": "2.13.0+cpu"},
    "transformers": {"transformers": "5.23.0", "torch": "2.13.0+cpu", "fastapi": "0.140.0", "uvicorn": "0.48.0"},
}


def make_engine_env(directory: Path, engine: str = "fastdeploy", version: str | None = None) -> Path:
    """Create an environment with a fake engine at `directory`, and return its `bin/python`. Takes about 0.1 s."""
    python, packages = _make_env(directory)
    shutil.copytree(FAKE, packages / "fake_engine", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(GRAMMAR, packages / "fake_engine" / "grammar.py")
    for name, text in MODULES[engine].items():
        _write_module(packages, name, text)
    distributions = dict(DISTRIBUTIONS[engine])
    main = next(iter(distributions))
    distributions[main] = version or distributions[main]
    for distribution, number in distributions.items():
        _write_distribution(packages, distribution, number)
    for name in set(distributions) & {"fastapi", "uvicorn", "torch"}:
        _write_module(packages, f"{name}/__init__.py", f'__version__ = "{distributions[name]}"\n')
    if engine == "fastdeploy":
        number = distributions[main]
        (packages / "fastdeploy" / "version.txt").write_text(_version_text(number, distributions["paddlepaddle-gpu"]))
        _write_module(packages, "paddle/__init__.py", f'__version__ = "{distributions["paddlepaddle-gpu"]}"\n')
    script = python.parent / engine
    script.write_text(f"#!{python}\nfrom {SCRIPTS[engine]} import main\n\nmain()\n")
    script.chmod(0o755)
    return python


def make_impostor_env(directory: Path) -> Path:
    """An environment with the unrelated package that is called `fastdeploy` too, and return its `bin/python`."""
    python, packages = _make_env(directory)
    _write_module(packages, "fastdeploy/__init__.py", "")
    _write_module(packages, "fastdeploy/_loop.py", "")
    _write_distribution(
        packages, "fastdeploy", "3.1.1", summary="Deploy DL/ ML inference pipelines with minimal extra code."
    )
    return python


def make_empty_env(directory: Path) -> Path:
    """An environment without any engine, and return its `bin/python`."""
    return _make_env(directory)[0]


PARSERS = {
    "fastdeploy": ("--reasoning-parser=ernie-45-vl-thinking", "--tool-call-parser=ernie-45-vl-thinking"),
    "vllm": ("--reasoning-parser=ernie45", "--tool-call-parser=ernie45", "--enable-auto-tool-choice"),
    "transformers": (),
}
STARTS = {
    "fastdeploy": ("-m", "fastdeploy.entrypoints.openai.api_server", "--model=rehearsal"),
    "vllm": ("-m", "vllm.entrypoints.cli.main", "serve", "rehearsal"),
    "transformers": ("-m", "transformers.cli.transformers", "serve", "rehearsal"),
}


@contextlib.contextmanager
def running_engine(
    python: Path, engine: str, *arguments: str, faults: str = "", parsers: bool = True, wait: bool = True
) -> Iterator[str]:
    """Run a fake engine that serves the model `rehearsal`, and give its base URL once it answers."""
    port = free_port()
    directory = python.parents[1]
    command = [str(python), *STARTS[engine], "--host=127.0.0.1", f"--port={port}", *arguments]
    environment = {
        **os.environ,
        "FAKE_FAULTS": faults,
        "FAKE_LOAD_S": "0",
        "FD_LOG_DIR": str(directory / f"log-{port}"),
    }
    with (directory / f"console-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *(PARSERS[engine] if parsers else ())],
            cwd=directory,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        if wait:
            _wait_until_it_answers(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
        except OSError:
            if process.poll() is not None:
                raise AssertionError(f"the fake engine ended with {process.returncode}") from None
            time.sleep(0.02)
        else:
            return
        finally:
            connection.close()
    raise AssertionError("the fake engine did not open its port")


def free_port() -> int:
    """A TCP port that nobody listens on at this moment, nor on the three after it: FastDeploy opens ports beside."""
    while True:
        first = next(CANDIDATES)
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            probes.enter_context(socket.socket()).bind(("127.0.0.1", first))
            for beside in range(first + 1, first + STEP):
                probes.enter_context(socket.socket()).bind(("", beside))
            return first


def _candidates() -> Iterator[int]:
    """Each number once, then again. Below those that the system gives to connections, and each worker of a run that
    tests side by side has its own: what one of them found free, another could take before its engine does.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    places = BLOCK // STEP
    begin, first = 10_000 + worker % WORKERS * BLOCK, random.randrange(places)
    yield from (begin + STEP * ((first + at) % places) for at in itertools.count())


STEP, BLOCK, WORKERS = 4, 4_000, 5
CANDIDATES = _candidates()


def _make_env(directory: Path) -> tuple[Path, Path]:
    venv.EnvBuilder(with_pip=False, symlinks=True).create(directory)
    library = directory / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return directory / "bin" / "python", library / "site-packages"


def _write_module(packages: Path, name: str, text: str) -> None:
    """Write a module, and an `__init__.py` into every package above it that has none."""
    target = packages / name
    target.parent.mkdir(parents=True, exist_ok=True)
    for parent in target.relative_to(packages).parents:
        if parent != Path() and not (packages / parent / "__init__.py").exists():
            (packages / parent / "__init__.py").write_text("")
    target.write_text(text)


def _write_distribution(packages: Path, name: str, version: str, summary: str = "") -> None:
    directory = packages / f"{name.replace('-', '_')}-{version}.dist-info"
    directory.mkdir()
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *([f"Summary: {summary}"] if summary else []),
    ]
    (directory / "METADATA").write_text("\n".join(lines) + "\n")
    (directory / "INSTALLER").write_text("pip\n")
    (directory / "top_level.txt").write_text(name.partition("-")[0] + "\n")


def _version_text(fastdeploy: str, paddle: str) -> str:
    """`fastdeploy/version.txt` as the project's build script writes it."""
    return (
        "fastdeploy GIT COMMIT ID: 0000000000000000000000000000000000000000\n"
        f"Paddle version: {paddle}\n"
        "Paddle GIT COMMIT ID: 0000000000000000000000000000000000000000\n"
        "CUDA version: 12.6\n"
        "CXX compiler version: 11.2.1\n"
        f"fastdeploy version: {fastdeploy}\n"
    )
