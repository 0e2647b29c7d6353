"""Which Python of this host an environment can be made with."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ernie_deploy.environments.recipe import Recipe
from ernie_deploy.errors import PreflightError

# Importing both proves that the interpreter starts, and that Debian's separate python3-venv is there.
PROBE = "import ensurepip, venv, sys; print('%d.%d' % sys.version_info[:2])"


def choose(recipe: Recipe, given: Path | None = None) -> Path:
    """The Python to make it with: `given`, or the first that works in the recipe's order of preference."""
    refusals = []
    for version, candidate in _candidates(recipe, given):
        refusal = why_not(candidate, (version,) if version else recipe.pythons)
        if refusal is None:
            return candidate
        refusals.append(f"{candidate}: {refusal}")
    raise PreflightError(
        f"{recipe.name} needs Python {' or '.join(recipe.pythons)}, and none was found that works",
        hint=f"install Python {recipe.pythons[0]} with its venv module, or name one with --python",
        details="\n".join(refusals),
    )


def why_not(python: Path, versions: tuple[str, ...]) -> str | None:
    """Why no environment of these versions can be made with `python`; None when one can."""
    try:
        done = subprocess.run((python, "-I", "-c", PROBE), capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        return str(error.strerror)
    except subprocess.TimeoutExpired:
        return "does not answer"
    if done.returncode:
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
    version = done.stdout.strip()
    return None if version in versions else f"is Python {version}"


def _candidates(recipe: Recipe, given: Path | None) -> Iterator[tuple[str, Path]]:
    """Pairs of a version to insist on (`""`: any of the recipe's) and a path to try."""
    if given:
        yield "", given
        return
    for version in recipe.pythons:
        if version == f"{sys.version_info.major}.{sys.version_info.minor}":
            yield version, Path(sys.executable)
        if found := shutil.which(f"python{version}"):
            yield version, Path(found)
