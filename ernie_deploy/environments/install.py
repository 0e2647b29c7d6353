"""Make an environment, whole or not at all: the marker is written last, and what has none is made anew."""

import contextlib
import fcntl
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from ernie_deploy import files
from ernie_deploy.environments import locate, pip, pythons
from ernie_deploy.environments.locate import MARKER, Environment, Marker
from ernie_deploy.environments.recipe import Offer, PipInstall, Recipe, Step, WriteFiles, WriteMetadata
from ernie_deploy.errors import EngineError, PreflightError

LOG = "install.log"
LAST_WORDS = 25
VERSIONS = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
SITE_PACKAGES = "import os, sys, sysconfig; sys.stdout.buffer.write(os.fsencode(sysconfig.get_path('purelib')))"

Report = Callable[[int, int, str], None]


class Work(NamedTuple):
    """An installation under way. Its children inherit the lock: a pip that outlives us still holds it."""

    recipe: Recipe
    directory: Path
    log: Path
    lock: int

    @property
    def python(self) -> Path:
        return locate.python_in(self.directory)


def install(
    recipe: Recipe,
    *,
    report: Report = lambda _index, _total, _text: None,
    root: Path | None = None,
    python: Path | None = None,
) -> Environment:
    """The environment of `recipe`, made unless it is there, whole and of this very recipe.

    `report` is told the number of the step that begins, of how many, and what it is for; `python` is the interpreter to
    make it with. Ctrl-C and errors leave a directory without a marker and with its log, which the next call replaces.
    """
    root = root or locate.root()
    directory = root / recipe.name
    # Asked first without the lock: what is there may be used by those who cannot write there.
    marker = _current(recipe, directory)
    if marker is None:
        with _locked(root, recipe) as lock:
            work = Work(recipe, directory, directory / LOG, lock)
            marker = _current(recipe, directory) or _make_translated(work, report, python)
    return Environment(directory, recipe.engine, recipe.cpu, marker, is_current=True)


def _current(recipe: Recipe, directory: Path) -> Marker | None:
    marker = locate.read_marker(directory)
    return marker if marker and marker.recipe_sha256 == recipe.sha256 else None


def _make_translated(work: Work, report: Report, python: Path | None) -> Marker:
    try:
        return _make(work, report, python)
    except OSError as error:
        raise PreflightError(
            f"{error.filename or work.directory}: {error.strerror}",
            hint="see that the directory is yours and its disk has room, or name another with ERNIE_DEPLOY_ENGINES",
        ) from error


def _make(work: Work, report: Report, python: Path | None) -> Marker:
    recipe = work.recipe
    _refuse_machine(recipe)
    chosen = pythons.choose(recipe, python)
    _clear(work.directory)
    _refuse_full_disk(work)
    total = len(recipe.steps) + 2
    report(1, total, f"make a virtual environment with {chosen}")
    _run(work, (str(chosen), "-I", "-m", "venv", str(work.directory / "venv")), "making a virtual environment")
    for index, step in enumerate(recipe.steps, start=2):
        report(index, total, step.title)
        _take(work, step, f"step {index} of {total}")
    report(total, total, f"import {', '.join(recipe.imports)}")
    versions = _prove(work)
    marker = Marker(recipe.name, recipe.sha256, versions, _bytes_on_disk(work.directory))
    files.write_atomically(work.directory / MARKER, msgspec.json.format(msgspec.json.encode(marker)) + b"\n")
    return marker


def _take(work: Work, step: Step, place: str) -> None:
    match step:
        case PipInstall():
            _run(work, pip.install(work.python, work.recipe, _resolvable(work, step, place)), f"{place}: pip install")
            _refuse_unwanted(work, _versions(work), place)
        case WriteFiles():
            for file in step.files:
                files.write_atomically(_site_packages(work) / file.name, file.content())
        case WriteMetadata():
            _write_metadata(_site_packages(work), step)


def _resolvable(work: Work, step: PipInstall, place: str) -> Offer:
    """The first offer that pip can resolve, and that brings nothing which must not come along."""
    guarded = work.recipe.forbids or work.recipe.keeps
    only = step.offers[0]
    if len(step.offers) == 1 and (not guarded or only.locked or only.no_deps):
        return only
    failures = []
    answer = work.directory / "pip-report.json"
    for offer in step.offers:
        try:
            _run(work, pip.ask(pip.install(work.python, work.recipe, offer), answer), f"{place}: asking pip")
        except EngineError as error:
            failures.append(error.details)
            continue
        _refuse_unwanted(work, pip.parse_report(answer.read_bytes()), place)
        answer.unlink()
        return offer
    asked = " or ".join(dict.fromkeys(package for offer in step.offers for package in offer.packages))
    raise EngineError(
        f"{work.recipe.name}: {place}: pip finds no {asked}",
        hint=f"see {work.log}; behind a mirror, make it offer this build and name it with PIP_FIND_LINKS or pip.conf",
        details="\n".join(failures),
    )


def _refuse_unwanted(work: Work, versions: dict[str, str], place: str) -> None:
    if wrong := pip.unwanted(work.recipe, versions):
        raise PreflightError(
            f"{work.recipe.name}: {place}: {'; '.join(wrong)}",
            hint="look for a source in PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS or pip.conf that offers"
            " another build under this name",
            details=_last_words(work.log, 0),
        )


def _prove(work: Work) -> dict[str, str]:
    """Import what must import; the versions worth telling."""
    code = "\n".join(f"import {name}" for name in work.recipe.imports)
    _run(work, (str(work.python), "-I", "-c", code), f"importing {', '.join(work.recipe.imports)}")
    found = _versions(work)
    versions = {name: found.get(pip.normal(name), "missing") for name in work.recipe.pinned}
    if versions != work.recipe.pinned:
        raise EngineError(f"{work.recipe.name}: installed are {versions}, and not {work.recipe.pinned}")
    return versions


def _run(work: Work, argv: tuple[str, ...], what: str) -> None:
    """Run to the end with everything it says in the log; EngineError with its last words."""
    with work.log.open("ab") as log:
        begin = log.tell()
        log.write(f"\n$ {' '.join(argv)}\n".encode(errors="surrogateescape"))
        log.flush()
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, pass_fds=(work.lock,), check=False
        )
    if done.returncode:
        raise EngineError(
            f"{work.recipe.name}: {what} failed with exit code {done.returncode}",
            hint=f"read {work.log}, then run the same command again: it begins anew",
            details=_last_words(work.log, begin),
        )


def _ask_python(work: Work, code: str) -> bytes:
    argv = (str(work.python), "-I", "-c", code)
    return subprocess.run(argv, capture_output=True, pass_fds=(work.lock,), check=True).stdout


def _versions(work: Work) -> dict[str, str]:
    return {pip.normal(name): version for name, version in json.loads(_ask_python(work, VERSIONS)).items()}


def _site_packages(work: Work) -> Path:
    return Path(os.fsdecode(_ask_python(work, SITE_PACKAGES)))


def _write_metadata(site_packages: Path, step: WriteMetadata) -> None:
    directory = f"{step.name}-{step.version}.dist-info"
    content = {
        "METADATA": f"Metadata-Version: 2.1\nName: {step.name}\nVersion: {step.version}\n",
        "INSTALLER": "ernie-deploy\n",
    }
    (site_packages / directory).mkdir(exist_ok=True)
    for name, text in content.items():
        files.write_atomically(site_packages / directory / name, text)
    record = "".join(f"{directory}/{name},,\n" for name in (*content, "RECORD"))
    files.write_atomically(site_packages / directory / "RECORD", record)


@contextlib.contextmanager
def _locked(root: Path, recipe: Recipe) -> Iterator[int]:
    """Alone with this environment until the end; PreflightError at once when somebody else is at it."""
    path = root / f".{recipe.name}.lock"
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise PreflightError(
            f"cannot write to {root}: {error.strerror}", hint="name another directory with ERNIE_DEPLOY_ENGINES"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PreflightError(
                f"{recipe.name} is being installed by another process",
                hint=f"wait for it; `fuser {path}` shows which it is",
            ) from None
        yield descriptor
    finally:
        os.close(descriptor)


def _clear(directory: Path) -> None:
    """Make it new and empty; never delete what this module did not make."""
    ours = not directory.is_symlink() and any((directory / name).exists() for name in (LOG, MARKER))
    if directory.exists() and not ours and (directory.is_symlink() or any(directory.iterdir())):
        raise PreflightError(
            f"{directory} is there and was not made by ernie-deploy",
            hint="move it away, or name another directory with ERNIE_DEPLOY_ENGINES",
        )
    if ours:
        # The marker goes first: a half-deleted environment must not seem whole.
        (directory / MARKER).unlink(missing_ok=True)
        shutil.rmtree(directory)
    directory.mkdir(exist_ok=True)
    (directory / LOG).touch()


def _refuse_machine(recipe: Recipe) -> None:
    if platform.machine() not in recipe.machines:
        raise PreflightError(f"{recipe.name} is for {' or '.join(recipe.machines)}, and this is {platform.machine()}")


def _refuse_full_disk(work: Work) -> None:
    free = shutil.disk_usage(work.directory).free
    if free < work.recipe.disk_gib * 1024**3:
        raise PreflightError(
            f"{work.recipe.name} needs {work.recipe.disk_gib:.1f} GiB in {work.directory.parent},"
            f" and {files.human_size(free)} are free",
            hint="make room, or name a directory on another disk with ERNIE_DEPLOY_ENGINES",
        )


def _bytes_on_disk(directory: Path) -> int:
    return sum((Path(base) / name).lstat().st_blocks * 512 for base, _, names in os.walk(directory) for name in names)


def _last_words(log: Path, begin: int) -> str:
    text = log.read_bytes()[begin:].decode(errors="replace")
    return "\n".join(text.strip().splitlines()[-LAST_WORDS:])
