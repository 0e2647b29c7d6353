"""What the thin modules named like the real ones call; each ends the process."""

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from . import options, server


def fastdeploy() -> NoReturn:
    server.run("fastdeploy", _version("fastdeploy-gpu", "2.5.0"), options.fastdeploy(sys.argv[1:]))


def fastdeploy_cli() -> NoReturn:
    """`fastdeploy serve` starts the server as a child and ends with 0, whatever became of it."""
    import subprocess

    if sys.argv[1:2] != ["serve"]:
        sys.exit("usage: fastdeploy serve …")
    module = ["-m", "fastdeploy.entrypoints.openai.api_server"]
    subprocess.run([sys.executable, *module, *sys.argv[2:]], check=False)
    sys.exit(0)


def vllm() -> NoReturn:
    """`vllm serve …`, or the server module itself."""
    arguments = sys.argv[2:] if sys.argv[1:2] == ["serve"] else sys.argv[1:]
    server.run("vllm", _version("vllm", "0.32.0"), options.vllm(arguments))


def transformers() -> NoReturn:
    """A model that is a directory must really be there: the spelling of its path is the name it is served under."""
    if sys.argv[1:2] != ["serve"]:
        sys.exit("usage: transformers serve …")
    chosen = options.transformers(sys.argv[2:])
    if chosen.model and os.environ.get("HF_HUB_OFFLINE") == "1" and not Path(chosen.model).is_dir():
        sys.exit(f"OSError: We couldn't connect to 'the hub' to load {chosen.model}, and it is not a local folder.")
    server.run("transformers", _version("transformers", "5.23.0"), chosen)


def _version(distribution: str, otherwise: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return otherwise
