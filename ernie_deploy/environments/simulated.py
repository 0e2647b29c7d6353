"""An environment in which the simulator takes FastDeploy's place: made in a moment, without pip and without a network.

Its interpreter is ours. `python -m fastdeploy.entrypoints.openai.api_server` and `bin/fastdeploy` start the simulator,
and its metadata names a version that ends in `+simulated`, so that nobody takes it for the real one.
"""

import hashlib
import shutil
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path

import msgspec

from ernie_deploy import files
from ernie_deploy.catalog.flags import DEVELOP, DEVELOP_AS_RELEASE
from ernie_deploy.environments.locate import MARKER, SIMULATED, Environment, Marker, read_marker, root
from ernie_deploy.errors import PreflightError

PADDLE = {"2.3": "3.2.1", "2.4": "3.2.2"}
NEWEST_PADDLE = "3.3.1"
# What the simulator imports; where each lies is written into the environment.
NEEDS = ("ernie_deploy", "msgspec", "yaml")

SERVER = '''\
"""SIMULATED: ernie-deploy's simulator of FastDeploy {version}."""

import sys

for place in {places!r}:
    if place not in sys.path:
        sys.path.append(place)

if __name__ == "__main__":
    try:
        from ernie_deploy.sim.fastdeploy.start import main
    except ImportError as error:
        sys.exit(f"the ernie-deploy that made this is gone ({{error}}); make it anew: ernie-deploy sim install")
    sys.exit(main(sys.argv[1:], version={version!r}))
'''
WRAPPER = '''\
#!{python}
"""SIMULATED: the command `fastdeploy` of ernie-deploy's simulator."""

import sys

sys.path += {places!r}

from ernie_deploy.sim.fastdeploy.start import serve

sys.exit(serve(sys.argv[1:]))
'''


def make_installed(version: str) -> Environment:
    """The simulated environment of that version among the engines, made unless it is there and current."""
    directory = root() / f"{SIMULATED}-{version}"
    marker = Marker(directory.name, _identity(version), {"fastdeploy-gpu": _version(version)}, 0)
    if read_marker(directory) != marker:
        (directory / MARKER).unlink(missing_ok=True)
        make(directory / "venv", version)
        files.write_atomically(directory / MARKER, msgspec.json.format(msgspec.json.encode(marker)) + b"\n")
    return Environment(directory, "fastdeploy", True, marker, is_current=True)


def make(directory: Path, version: str) -> Path:
    """Make it at `directory`, and return its `bin/python`. What is there already must be one of ours."""
    packages = directory / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    if directory.exists():
        if any(directory.iterdir()) and not (packages / SIMULATED).exists():
            raise PreflightError(
                f"{directory} is there and is no simulated environment", hint="name a directory that does not exist yet"
            )
        shutil.rmtree(directory)
    try:
        venv.EnvBuilder(with_pip=False, symlinks=True).create(directory)
        _fill(directory, packages, version)
    except OSError as error:
        place = error.filename or directory
        raise PreflightError(f"{place}: {error.strerror}", hint="name a directory that you can write to") from None
    return directory / "bin" / "python"


def _fill(directory: Path, packages: Path, version: str) -> None:
    places = _places()
    (packages / SIMULATED).write_text(_identity(version) + "\n")
    server = packages / "fastdeploy" / "entrypoints" / "openai" / "api_server.py"
    server.parent.mkdir(parents=True)
    for package in (server.parent, server.parent.parent, server.parent.parent.parent):
        (package / "__init__.py").write_text('"""SIMULATED: not FastDeploy."""\n')
    server.write_text(SERVER.format(version=version, places=places))
    paddle = PADDLE.get(version[:3], NEWEST_PADDLE)
    text = f"SIMULATED by ernie-deploy\nPaddle version: {paddle}\nfastdeploy version: {_version(version)}\n"
    (packages / "fastdeploy" / "version.txt").write_text(text)
    (packages / "paddle").mkdir()
    (packages / "paddle" / "__init__.py").write_text(f'"""SIMULATED: not Paddle."""\n\n__version__ = "{paddle}"\n')
    for name, number in (("fastdeploy-gpu", _version(version)), ("paddlepaddle-gpu", f"{paddle}+simulated")):
        metadata = packages / f"{name.replace('-', '_')}-{number}.dist-info"
        metadata.mkdir()
        summary = "Summary: SIMULATED by ernie-deploy; nothing of the real package is here\n"
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n{summary}")
        (metadata / "INSTALLER").write_text("ernie-deploy\n")
    script = directory / "bin" / "fastdeploy"
    script.write_text(WRAPPER.format(python=directory / "bin" / "python", places=places))
    script.chmod(0o755)


def _version(version: str) -> str:
    """As PEP 440 wants it: `develop` is a development version of the next release, which nobody can take for one."""
    return f"{DEVELOP_AS_RELEASE if version == DEVELOP else version}+simulated"


def _places() -> list[str]:
    """The directories from which the simulator's imports come, ours first."""
    found = [find_spec(name) for name in NEEDS]
    origins = [Path(spec.origin).parents[1] for spec in found if spec and spec.origin]
    return list(dict.fromkeys(str(place) for place in origins))


def _identity(version: str) -> str:
    """Changes with anything that would be written differently now."""
    parts = (version, SERVER, WRAPPER, *_places(), sys.base_prefix, sysconfig.get_python_version())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
