"""Places to deploy in, and the guard over them: nothing may be left running, and no real home may be touched."""

import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import nvml
from tests.support.deployments import Place, marked
from tests.support.engines import make_engine_env

ENGINES = ("fastdeploy", "vllm", "transformers")
# Where the program would write if it did not listen to its environment.
OURS_IN_A_HOME = (".local/state/ernie-deploy", ".local/share/ernie-deploy", ".cache/ernie-deploy", ".config/ernie-deploy")


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

    def make(directory: Path | None = None) -> Place:
        place = Place(directory or tmp_path / f"place-{len(places)}", nvml_library, engine_envs)
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


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, nvml_library: Path, engine_envs: Path
) -> Iterator[Place]:
    """A deployment that is up, for tests that only look at it."""
    place = Place(tmp_path_factory.mktemp("running"), nvml_library, engine_envs)
    try:
        ended = place.up()
        assert ended.code == 0, ended.err
        yield place
    finally:
        place.run("down")
        left = place.leave()
    assert not left, f"the module left processes running: {left}"
    assert not list(marked(place.mark))


def _traces_in_the_real_home() -> dict[Path, int]:
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    places = [home / name for name in OURS_IN_A_HOME]
    return {path: path.stat().st_mtime_ns for root in places for path in (root, *root.glob("*/*")) if path.exists()}
