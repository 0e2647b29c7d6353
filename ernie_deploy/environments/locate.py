"""Where environments live, and which of them are whole."""

import os
from pathlib import Path

import msgspec

from ernie_deploy.environments.recipe import recipes
from ernie_deploy.files import absolute

MARKER = "ernie-deploy.json"
# A directory that begins so, with a version after it, holds the simulator in place of FastDeploy.
SIMULATED = "fastdeploy-simulated"


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Written last: a directory without it is an installation that did not get to its end."""

    recipe: str
    recipe_sha256: str
    versions: dict[str, str]
    bytes_on_disk: int


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole environment. `is_current` is false when its recipe has changed since: it works, but as it did then."""

    directory: Path
    engine: str
    cpu: bool
    marker: Marker
    is_current: bool

    @property
    def python(self) -> Path:
        return python_in(self.directory)


def python_in(directory: Path) -> Path:
    return directory / "venv" / "bin" / "python"


def root() -> Path:
    """`$ERNIE_DEPLOY_ENGINES`, else `ernie-deploy/engines` in the user's data directory."""
    if chosen := os.environ.get("ERNIE_DEPLOY_ENGINES"):
        return absolute(chosen)
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    # The XDG specification says to ignore a relative path.
    return (data if data.is_absolute() else absolute("~/.local/share")) / "ernie-deploy" / "engines"


def read_marker(directory: Path) -> Marker | None:
    """None unless the environment is whole and its Python is still there (a system upgrade can take it away)."""
    try:
        marker = msgspec.json.decode((directory / MARKER).read_bytes(), type=Marker)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
    return marker if python_in(directory).exists() else None


def installed() -> tuple[Environment, ...]:
    """The whole environments that belong to recipes we know, in the order of the catalog."""
    found = []
    for name, recipe in recipes().items():
        directory = root() / name
        marker = read_marker(directory)
        if marker and marker.recipe == name:
            is_current = marker.recipe_sha256 == recipe.sha256
            found.append(Environment(directory, recipe.engine, recipe.cpu, marker, is_current))
    return tuple(found)


def find(engine: str, *, cpu: bool, version: str = "") -> Environment | None:
    """The whole environment of an engine, with or without a GPU.

    FastDeploy has no build for a CPU: there its simulator of that version takes its place.
    """
    if engine == "fastdeploy" and cpu:
        return simulated(version)
    return next((one for one in installed() if (one.engine, one.cpu) == (engine, cpu)), None)


def simulated(version: str) -> Environment | None:
    """The simulated FastDeploy of that version, when it has been made."""
    return _simulated_in(root() / f"{SIMULATED}-{version}")


def all_simulated() -> tuple[Environment, ...]:
    """Every simulated FastDeploy that has been made."""
    return tuple(found for one in sorted(root().glob(f"{SIMULATED}-*")) if (found := _simulated_in(one)))


def _simulated_in(directory: Path) -> Environment | None:
    marker = read_marker(directory)
    return Environment(directory, "fastdeploy", True, marker, is_current=True) if marker else None
