"""Real virtual environments and a real pip, offline, against wheels of a few hundred bytes."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ernie_deploy.environments import locate, pythons
from ernie_deploy.environments.install import install
from ernie_deploy.environments.locate import Environment
from ernie_deploy.environments.recipe import Recipe, parse
from ernie_deploy.errors import EngineError, PreflightError

THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
MACHINE = os.uname().machine
# A torch without native operators for torchvision, and a torchvision that dies without them, as the real ones do.
TORCH = """
class Tensor: pass
class Namespace: pass
class Library:
    def __init__(self, name, kind): self.space = getattr(ops, name)
    def define(self, signature): setattr(self.space, signature.partition("(")[0], signature)
class ops: torchvision, image = Namespace(), Namespace()
class library: Library = Library
"""
TORCHVISION = {
    "torchvision/__init__.py": "from torchvision import extension, checks, io",
    "torchvision/extension.py": "",
    "torchvision/checks.py": "import torch; torch.ops.torchvision.nms, torch.ops.torchvision.qnms",
    "torchvision/io/__init__.py": "from .image import decode_image",
    "torchvision/io/image.py": "def decode_image(): raise RuntimeError('no native operators')",
}
SLOW = "import os, time\nwhile os.path.exists(os.environ['TINY_GATE']): time.sleep(0.02)"
# An installer in a process of its own, so that it can be killed. Its arguments: the recipe as JSON, and the root.
INSTALLER = """
import json, sys
from pathlib import Path
from ernie_deploy.environments.install import install
from ernie_deploy.environments.recipe import parse
install(parse(json.loads(sys.argv[1]))["tiny-cpu"], root=Path(sys.argv[2]))
"""


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str], requires: tuple[str, ...] = ()) -> None:
    info = f"{name}-{version}.dist-info"
    head = "Metadata-Version: 2.1\n" + f"Name: {name}\nVersion: {version}\n"
    contents = {
        **files,
        f"{info}/METADATA": head + "".join(f"Requires-Dist: {one}\n" for one in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*contents, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, content in {**contents, f"{info}/RECORD": record}.items():
            wheel.writestr(path, content)


def pip_install(*offers: dict[str, Any]) -> dict[str, Any]:
    return {"do": "pip_install", "title": "install", "why": "It is needed.", "offers": offers}


def fields(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "engine": "vllm",
        "cpu": True,
        "evidence": "ran",
        "note": "",
        "machines": [MACHINE],
        "pythons": [THIS],
        "disk_gib": 0.05,
        "distribution": "tiny_engine",
        "version": "1.0",
        "imports": ["tiny_engine"],
        "steps": [pip_install({"packages": ["tiny_engine==1.0"]})],
    }
    return {**plain, **changes}


def tiny(**changes: Any) -> Recipe:
    return parse({"tiny-cpu": fields(**changes)})["tiny-cpu"]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    make_wheel(folder, "tiny_engine", "1.0", {"tiny_engine.py": "import tiny_needs"}, ("tiny_needs", "triton"))
    make_wheel(folder, "tiny_needs", "2.0", {"tiny_needs.py": ""})
    make_wheel(folder, "tiny_needs", "2.1", {"tiny_needs.py": "raise RuntimeError('the lock was not kept')"})
    make_wheel(folder, "triton", "3.0", {"triton.py": ""})
    make_wheel(folder, "torch", "2.13.0", {"torch.py": TORCH}, ("nvidia_foo",))
    make_wheel(folder, "torch", "2.13.0+cpu", {"torch.py": TORCH})
    make_wheel(folder, "nvidia_foo", "13.0", {"nvidia_foo.py": ""})
    make_wheel(folder, "torchvision", "0.28.0", TORCHVISION, ("torch==2.13.0",))
    make_wheel(folder, "tiny_slow", "1.0", {"tiny_slow.py": SLOW})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", folder.as_uri())
        yield folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place") / "mit Leerzeichen, Köln, 文心"


@pytest.fixture(scope="module")
def recipe(wheels: Path) -> Recipe:
    lock = wheels / "lock with a space.txt"
    lock.write_text("tiny_engine==1.0\ntiny_needs==2.0\ntorch==2.13.0+cpu\n")
    return tiny(
        lock=str(lock),
        forbids=["nvidia-", "triton"],
        keeps={"torch": "2.13.0+cpu", "vllm": "0.1+cpu"},
        imports=["tiny_engine", "torchvision"],
        steps=[
            pip_install({"packages": ["torch_of_nobody==2.13.0"]}, {"packages": ["torch==2.13.0+cpu"]}),
            pip_install({"locked": True}),
            pip_install({"packages": ["torchvision==0.28.0+cpu"]}, {"packages": ["torchvision==0.28.0"]}),
            {
                "do": "write_files",
                "title": "write",
                "why": "It would die.",
                "files": [
                    {"name": "ernie_deploy_torchvision.py", "shim": "ernie_deploy_torchvision.py"},
                    {"name": "shim.pth", "text": "import ernie_deploy_torchvision\n"},
                ],
            },
            {"do": "write_metadata", "title": "name", "why": "It asks.", "name": "vllm", "version": "0.1+cpu"},
        ],
    )


@pytest.fixture(scope="module")
def progress() -> list[tuple[int, int, str]]:
    return []


@pytest.fixture(scope="module")
def environment(recipe: Recipe, root: Path, progress: list[tuple[int, int, str]]) -> Environment:
    return install(recipe, root=root, report=lambda *told: progress.append(told))


def ask(environment: Environment, code: str) -> str:
    return subprocess.run(
        (environment.python, "-I", "-c", code), capture_output=True, text=True, check=True
    ).stdout.strip()


def installer(recipe_fields: dict[str, Any], root: Path) -> subprocess.Popen[bytes]:
    argv = (sys.executable, "-c", INSTALLER, json.dumps({"tiny-cpu": recipe_fields}), str(root))
    return subprocess.Popen(argv, stderr=subprocess.DEVNULL)


def wait_until_logged(log: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_whole_environment_has_a_marker_that_tells_what_is_in_it(environment: Environment, recipe: Recipe) -> None:
    marker = locate.read_marker(environment.directory)
    assert marker == environment.marker
    assert marker.recipe == "tiny-cpu"
    assert marker.recipe_sha256 == recipe.sha256
    assert marker.versions == {"tiny_engine": "1.0", "torch": "2.13.0+cpu", "vllm": "0.1+cpu"}
    assert marker.bytes_on_disk > 1_000_000


def test_an_environment_works_in_a_path_with_spaces_and_umlauts_and_chinese(environment: Environment) -> None:
    assert "文心" in str(environment.python)
    assert ask(environment, "import tiny_engine, sys; print(sys.prefix)") == str(environment.directory / "venv")


def test_a_lock_is_kept_and_nothing_comes_beside_it(environment: Environment) -> None:
    found = ask(
        environment, "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()), sep=',')"
    ).split(",")
    assert set(found) - {"pip", "setuptools"} == {"tiny_engine", "tiny_needs", "torch", "torchvision", "vllm"}


def test_a_distribution_can_be_named_without_being_there(environment: Environment) -> None:
    assert ask(environment, "import importlib.metadata as m; print(m.version('vllm'))") == "0.1+cpu"


def test_the_first_offer_that_pip_can_resolve_is_taken(environment: Environment) -> None:
    log = (environment.directory / "install.log").read_text()
    assert "No matching distribution found for torch_of_nobody==2.13.0" in log
    assert environment.marker.versions["torch"] == "2.13.0+cpu"


def test_torchvision_without_native_operators_is_let_work(environment: Environment) -> None:
    told = ask(environment, "import torchvision.io; print(torchvision.io.decode_image.__module__)")
    assert told == "ernie_deploy_torchvision"


def test_torchvision_with_native_operators_is_left_alone(environment: Environment) -> None:
    code = """
import torch
torch.ops.torchvision.nms = torch.ops.torchvision.qnms = torch.ops.image.decode_image = "native"
import torchvision.io
print(torch.ops.torchvision.nms, torchvision.io.decode_image.__module__)
"""
    assert ask(environment, code) == "native torchvision.io.image"


def test_nothing_is_imported_before_torchvision_is(environment: Environment) -> None:
    assert ask(environment, "import sys; print('torch' in sys.modules, 'io' in sys.modules)") == "False True"


def test_every_step_is_told_as_it_begins(environment: Environment, progress: list[tuple[int, int, str]]) -> None:
    assert environment.is_current
    assert [(index, total) for index, total, _ in progress] == [(number, 7) for number in range(1, 8)]
    assert [text for _, _, text in progress][1:] == [
        "install",
        "install",
        "install",
        "write",
        "name",
        "import tiny_engine, torchvision",
    ]


def test_what_is_there_is_not_made_again(environment: Environment, recipe: Recipe, root: Path) -> None:
    told: list[int] = []
    log = environment.directory / "install.log"
    before = log.stat()
    again = install(recipe, root=root, report=lambda index, _total, _text: told.append(index))
    assert (again, told, log.stat().st_mtime_ns) == (environment, [], before.st_mtime_ns)


def test_an_environment_of_an_older_recipe_is_replaced(wheels: Path, tmp_path: Path) -> None:
    assert wheels.is_dir()
    old = tmp_path / "tiny-cpu"
    locate.python_in(old).parent.mkdir(parents=True)
    locate.python_in(old).touch()
    (old / locate.MARKER).write_bytes(msgspec.json.encode(locate.Marker("tiny-cpu", "of an older release", {}, 0)))
    assert locate.read_marker(old)
    needs = pip_install({"packages": ["tiny_needs==2.0"]})
    new = install(tiny(distribution="tiny_needs", version="2.0", imports=["tiny_needs"], steps=[needs]), root=tmp_path)
    assert new.directory == old
    assert new.marker.versions == {"tiny_needs": "2.0"}


def test_a_torch_for_cuda_is_refused_before_it_is_installed(wheels: Path, tmp_path: Path) -> None:
    assert wheels.is_dir()
    cuda = tiny(forbids=["nvidia-"], steps=[pip_install({"packages": ["torch===2.13.0"]})])
    with pytest.raises(PreflightError) as refusal:
        install(cuda, root=tmp_path)
    assert refusal.value.message == "tiny-cpu: step 2 of 3: nvidia-foo must not come along"
    assert "PIP_FIND_LINKS" in refusal.value.hint
    assert locate.read_marker(tmp_path / "tiny-cpu") is None
    python = locate.python_in(tmp_path / "tiny-cpu")
    assert subprocess.run((python, "-c", "import torch"), capture_output=True, check=False).returncode == 1


def test_a_torch_of_another_build_is_refused_even_when_nothing_comes_along(wheels: Path, tmp_path: Path) -> None:
    assert wheels.is_dir()
    alone = pip_install({"packages": ["torch===2.13.0"], "no_deps": True})
    with pytest.raises(PreflightError, match=r"torch would be 2\.13\.0 and not 2\.13\.0\+cpu"):
        install(tiny(keeps={"torch": "2.13.0+cpu"}, steps=[alone]), root=tmp_path)


def test_a_failing_pip_is_told_with_its_step_its_log_and_its_last_words(wheels: Path, tmp_path: Path) -> None:
    assert wheels.is_dir()
    with pytest.raises(EngineError) as failure:
        install(tiny(steps=[pip_install({"packages": ["not_there==1.0"]})]), root=tmp_path)
    assert failure.value.message == "tiny-cpu: step 2 of 3: pip install failed with exit code 1"
    assert str(tmp_path / "tiny-cpu" / "install.log") in failure.value.hint
    assert "No matching distribution found for not_there==1.0" in failure.value.details


def test_a_killed_installation_holds_its_lock_while_children_live_and_is_then_made_anew(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = wheels / "gate"
    gate.touch()
    monkeypatch.setenv("TINY_GATE", str(gate))
    slow = fields(
        distribution="tiny_slow", imports=["tiny_slow"], steps=[pip_install({"packages": ["tiny_slow==1.0"]})]
    )
    killed = installer(slow, tmp_path)
    wait_until_logged(tmp_path / "tiny-cpu" / "install.log", "-c import tiny_slow")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    recipe = parse({"tiny-cpu": slow})["tiny-cpu"]
    with pytest.raises(PreflightError, match="being installed by another process"):
        install(recipe, root=tmp_path)
    assert locate.read_marker(tmp_path / "tiny-cpu") is None
    (tmp_path / "tiny-cpu" / "venv" / "half of a file").touch()
    gate.unlink()
    whole = install_once_unlocked(recipe, tmp_path)
    assert whole.marker.versions == {"tiny_slow": "1.0"}
    assert not (whole.directory / "venv" / "half of a file").exists()


def install_once_unlocked(recipe: Recipe, root: Path) -> Environment:
    deadline = time.monotonic() + 20
    while True:
        try:
            return install(recipe, root=root)
        except PreflightError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_ctrl_c_leaves_no_marker_and_no_child(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = wheels / "gate"
    gate.touch()
    monkeypatch.setenv("TINY_GATE", str(gate))
    slow = fields(
        distribution="tiny_slow", imports=["tiny_slow"], steps=[pip_install({"packages": ["tiny_slow==1.0"]})]
    )
    interrupted = installer(slow, tmp_path)
    wait_until_logged(tmp_path / "tiny-cpu" / "install.log", "-c import tiny_slow")
    interrupted.send_signal(signal.SIGINT)
    interrupted.wait(timeout=10)
    assert interrupted.returncode == -signal.SIGINT
    assert locate.read_marker(tmp_path / "tiny-cpu") is None
    # Nobody holds the lock any more, so this gets as far as the disk.
    with pytest.raises(PreflightError, match="GiB"):
        install(tiny(disk_gib=1e9), root=tmp_path)


def test_a_full_disk_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(PreflightError) as refusal:
        install(tiny(disk_gib=1e9), root=tmp_path)
    assert f"needs 1000000000.0 GiB in {tmp_path}, and" in refusal.value.message
    assert "ERNIE_DEPLOY_ENGINES" in refusal.value.hint
    assert not (tmp_path / "tiny-cpu" / "venv").exists()


def test_a_directory_that_somebody_else_made_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "tiny-cpu").mkdir()
    (tmp_path / "tiny-cpu" / "thesis.tex").touch()
    with pytest.raises(PreflightError, match="was not made by ernie-deploy"):
        install(tiny(), root=tmp_path)
    assert (tmp_path / "tiny-cpu" / "thesis.tex").exists()


def test_a_file_in_the_place_of_an_environment_is_told(tmp_path: Path) -> None:
    (tmp_path / "tiny-cpu").touch()
    with pytest.raises(PreflightError) as refusal:
        install(tiny(), root=tmp_path)
    assert refusal.value.message == f"{tmp_path / 'tiny-cpu'}: Not a directory"


def test_another_kind_of_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=f"is for riscv128, and this is {MACHINE}"):
        install(tiny(machines=["riscv128"]), root=tmp_path)


def test_a_place_that_cannot_be_made_is_told_with_the_variable_that_names_another(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PreflightError) as refusal:
        install(tiny(), root=tmp_path / "file" / "engines")
    assert "Not a directory" in refusal.value.message
    assert "ERNIE_DEPLOY_ENGINES" in refusal.value.hint


def test_pythons_that_do_not_work_are_told_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python3.9"
    broken.write_text("#!/bin/sh\necho 'pyenv: python3.9: command not found' >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(PreflightError) as refusal:
        pythons.choose(tiny(pythons=["3.9"]))
    assert "needs Python 3.9" in refusal.value.message
    assert refusal.value.details == f"{broken}: pyenv: python3.9: command not found"


def test_a_given_python_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreflightError) as refusal:
        install(tiny(pythons=["3.9"]), root=tmp_path, python=Path(sys.executable))
    assert f"is Python {THIS}" in refusal.value.details
    assert pythons.why_not(Path(sys.executable), (THIS,)) is None
    assert pythons.why_not(tmp_path / "none", (THIS,)) == "No such file or directory"
