"""Places to deploy in, and the guard over them: nothing may be left running, and no real home may be touched."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import nvml
from tests.support.deployments import NOBODY, Ahead, Place, packages, python_for_nobody
from tests.support.engines import make_engine_env

ENGINES = ("fastdeploy", "vllm", "transformers")
# Where the program would write if it did not listen to its environment.
OURS_IN_A_HOME = tuple(f"{root}/ernie-deploy" for root in (".local/state", ".local/share", ".cache", ".config"))


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the fake libnvidia-ml.so.1."""
    return nvml.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def engine_envs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one environment per fake engine."""
    directory = tmp_path_factory.mktemp("engines")
    for engine in ENGINES:
        make_engine_env(directory / engine, engine)
    return directory


@pytest.fixture
def make_place(tmp_path: Path, nvml_library: Path, engine_envs: Path) -> Iterator[Callable[..., Place]]:
    """Makes places; the first is `place`, more are for tests that need several."""
    places: list[Place] = []

    def make(directory: Path | None = None, *, library: Path | None = None, engines: Path | None = None) -> Place:
        place = Place(directory or tmp_path / f"place-{len(places)}", library or nvml_library, engines or engine_envs)
        places.append(place)
        return place

    before = _traces_in_the_real_home()
    yield make
    engines = {pid: place for place in places for pid in place.engine_pids()}
    for place in places:
        place.leave()
    assert not engines, f"the test left engines running: {sorted(engines)}"
    assert _traces_in_the_real_home() == before, "the test touched the real home directory"


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    """An isolated place with a 48 GB card and all three fake engines."""
    return make_place()


@pytest.fixture(scope="session")
def ahead(tmp_path_factory: pytest.TempPathFactory, nvml_library: Path, engine_envs: Path) -> Iterator[Ahead]:
    """Brings deployments up before they are needed."""
    ahead = Ahead(lambda: Place(tmp_path_factory.mktemp("deployed"), nvml_library, engine_envs))
    yield ahead
    ahead.close()


@pytest.fixture
def deployed(ahead: Ahead) -> Iterator[Place]:
    """A place of its own in which FastDeploy is up and ready."""
    place = ahead.take()
    yield place
    engines = place.engine_pids()
    place.leave()
    assert not engines, f"the test left engines running: {engines}"


@pytest.fixture(scope="session")
def running(ahead: Ahead) -> Iterator[Place]:
    """A deployment that is up, for all tests that only look at it."""
    place = ahead.take()
    yield place
    place.run("down")
    left = place.leave()
    assert not left, f"after down processes were still running: {left}"


@pytest.fixture
def public_place(make_place: Callable[..., Place], nvml_library: Path) -> Iterator[Place]:
    """A place that belongs to the user nobody, for commands run through `NOBODY`."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if shutil.which(NOBODY[0]) is None:
        pytest.skip(f"{NOBODY[0]} is not here")
    python = python_for_nobody()
    if not python:
        pytest.skip("the user nobody may run no interpreter of this version")
    # pytest's own directories are closed to others.
    with tempfile.TemporaryDirectory(prefix="ernie-nobody-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        shutil.copy(nvml_library / "libnvidia-ml.so.1", directory)
        engine = make_engine_env(directory / "envs" / "fastdeploy")
        engine.unlink()
        engine.symlink_to(python)
        (engine.parents[1] / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")
        place = make_place(directory / "place", library=directory, engines=directory / "envs")
        place.python = python
        place.environ |= packages()
        for path in (directory / "place", *(directory / "place").rglob("*")):
            os.chown(path, 65534, 65534)
        yield place
        place.leave()


def _traces_in_the_real_home() -> dict[Path, int]:
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    places = [home / name for name in OURS_IN_A_HOME]
    return {path: path.stat().st_mtime_ns for root in places for path in (root, *root.glob("*/*")) if path.exists()}
