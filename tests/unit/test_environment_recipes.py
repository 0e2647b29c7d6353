import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ernie_deploy.environments import locate, pip
from ernie_deploy.environments.recipe import (
    LOCKS,
    Offer,
    PipInstall,
    Recipe,
    WriteFiles,
    for_engine,
    load,
    parse,
    recipes,
)
from ernie_deploy.errors import UsageError

PYTHON = Path("/engines/tiny cpu/venv/bin/python")
PIN = re.compile(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[A-Za-z0-9.+]+")
ALL = tuple(recipes().values())
LOCKED = tuple(one for one in ALL if one.lock)
CPU = tuple(one for one in ALL if one.cpu)


def lines(recipe: Recipe) -> tuple[str, ...]:
    assert recipe.lock_path
    text = recipe.lock_path.read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if not line.startswith("#"))


def locked_versions(recipe: Recipe) -> dict[str, str]:
    pairs = (line.split("==") for line in lines(recipe))
    return {pip.normal(name): version for name, version in pairs}


def offers(recipe: Recipe) -> tuple[Offer, ...]:
    return tuple(offer for step in recipe.steps if isinstance(step, PipInstall) for offer in step.offers)


def tiny(**changes: Any) -> Recipe:
    fields = {
        "engine": "vllm",
        "cpu": True,
        "evidence": "ran",
        "note": "",
        "machines": ["x86_64"],
        "pythons": ["3.11"],
        "disk_gib": 0.1,
        "distribution": "tiny",
        "version": "1.0",
        "imports": ["tiny"],
        "steps": [],
    }
    return parse({"tiny-cpu": {**fields, **changes}})["tiny-cpu"]


def test_every_engine_has_a_recipe_for_a_gpu_and_two_have_one_without() -> None:
    assert {one.engine for one in ALL if not one.cpu} == {"transformers", "vllm", "fastdeploy", "erniekit"}
    assert {one.engine for one in CPU} == {"transformers", "vllm"}


def test_an_engine_has_at_most_one_recipe_of_each_kind() -> None:
    kinds = [(one.engine, one.cpu) for one in ALL]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("recipe", ALL, ids=lambda one: one.name)
def test_every_step_says_what_it_does_and_why(recipe: Recipe) -> None:
    for step in recipe.steps:
        assert step.title
        assert step.why.endswith(".")


@pytest.mark.parametrize("recipe", ALL, ids=lambda one: one.name)
def test_every_package_that_is_asked_for_is_pinned(recipe: Recipe) -> None:
    asked = [package for offer in offers(recipe) for package in offer.packages]
    assert [package for package in asked if not PIN.fullmatch(package)] == []


@pytest.mark.parametrize("recipe", LOCKED, ids=lambda one: one.name)
def test_every_line_of_a_lock_is_a_pin_and_no_name_stands_twice(recipe: Recipe) -> None:
    assert [line for line in lines(recipe) if not PIN.fullmatch(line)] == []
    assert len(locked_versions(recipe)) == len(lines(recipe))


@pytest.mark.parametrize("recipe", LOCKED, ids=lambda one: one.name)
def test_a_lock_agrees_with_its_recipe(recipe: Recipe) -> None:
    locked = locked_versions(recipe)
    assert locked[pip.normal(recipe.distribution)] == recipe.version
    assert pip.unwanted(recipe, locked) == ()


def test_every_lock_belongs_to_a_recipe() -> None:
    assert {path.name for path in LOCKS.iterdir()} == {one.lock for one in LOCKED}


@pytest.mark.parametrize("recipe", CPU, ids=lambda one: one.name)
def test_a_cpu_environment_is_locked_and_insists_on_the_cpu_build_of_torch(recipe: Recipe) -> None:
    assert recipe.lock
    assert recipe.keeps["torch"].endswith("+cpu")
    assert {"nvidia-", "triton"} <= set(recipe.forbids)


@pytest.mark.parametrize("recipe", ALL, ids=lambda one: one.name)
def test_the_files_that_a_recipe_writes_are_there_and_not_empty(recipe: Recipe) -> None:
    contents = [file.content() for step in recipe.steps if isinstance(step, WriteFiles) for file in step.files]
    assert all(contents)


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as refusal:
        load("vllm-tpu")
    assert "vllm-cpu" in refusal.value.hint


def test_an_engine_that_cannot_run_on_a_cpu_is_answered_with_those_that_can() -> None:
    with pytest.raises(UsageError) as refusal:
        for_engine("fastdeploy", cpu=True)
    assert "no CPU environment for 'fastdeploy'" in refusal.value.message
    assert "transformers, vllm" in refusal.value.hint
    assert for_engine("vllm", cpu=True) is load("vllm-cpu")


def test_an_unknown_kind_of_step_is_refused_with_its_place() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"pip_pray.*\$\.steps\[0\]"):
        tiny(steps=[{"do": "pip_pray", "title": "hope", "why": "Hope."}])


def test_an_unknown_field_of_an_offer_is_refused_with_its_place() -> None:
    step = {"do": "pip_install", "title": "try", "why": "It must be there.", "offers": [{"package": "tiny==1.0"}]}
    with pytest.raises(msgspec.ValidationError, match=r"package.*\$\.steps\[0\]\.offers\[0\]"):
        tiny(steps=[step])


def test_the_hash_changes_with_the_recipe_and_with_its_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("tiny==1.0\n")
    recipe = tiny(lock=str(lock))
    hashes = {recipe.sha256, tiny(lock=str(lock), imports=["tiny", "tiny.more"]).sha256}
    lock.write_text("tiny==1.1\n")
    assert len(hashes | {recipe.sha256}) == 3


def test_the_hash_does_not_change_with_the_words_of_the_reasons() -> None:
    steps: list[dict[str, Any]] = [
        {"do": "pip_install", "title": title, "why": title, "offers": []} for title in ("one", "another")
    ]
    assert tiny(note="one", steps=steps[:1]).sha256 == tiny(note="another", steps=steps[1:]).sha256


def test_pip_is_told_where_to_look_and_is_bound_to_the_lock() -> None:
    recipe = tiny(lock="/locks/with space.txt")
    offer = Offer(packages=("torch==2.13.0+cpu",), extra_index_url="https://index.example/cpu")
    assert pip.install(PYTHON, recipe, offer) == (
        "/engines/tiny cpu/venv/bin/python",
        "-I",
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar=off",
        "--constraint=/locks/with space.txt",
        "--extra-index-url=https://index.example/cpu",
        "torch==2.13.0+cpu",
    )


def test_a_locked_offer_installs_the_lock_and_nothing_beside_it() -> None:
    command = pip.install(PYTHON, tiny(lock="/lock.txt"), Offer(locked=True))
    assert command[-3:] == ("--requirement=/lock.txt", "--no-deps", "--only-binary=:all:")


def test_what_comes_along_with_torch_is_read_from_the_report_of_pip() -> None:
    report = b'{"version": "1", "install": [{"metadata": {"name": "nvidia_Foo.cu13", "version": "13.1"}, "x": 1}]}'
    versions = pip.parse_report(report)
    assert versions == {"nvidia-foo-cu13": "13.1"}
    assert pip.unwanted(tiny(forbids=["nvidia-"]), versions) == ("nvidia-foo-cu13 must not come along",)


def test_another_build_of_a_kept_version_is_unwanted() -> None:
    recipe = tiny(keeps={"torch": "2.13.0+cpu"})
    assert pip.unwanted(recipe, {"torch": "2.13.0"}) == ("torch would be 2.13.0 and not 2.13.0+cpu",)
    assert pip.unwanted(recipe, {"torch": "2.13.0+cpu"}) == ()
    assert pip.unwanted(recipe, {}) == ()


def test_environments_live_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("ERNIE_DEPLOY_ENGINES", "/big disk/engines")
    assert locate.root() == Path("/big disk/engines")
    monkeypatch.delenv("ERNIE_DEPLOY_ENGINES")
    assert locate.root() == Path("/data/ernie-deploy/engines")
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", "/home/ada")
    assert locate.root() == Path("/home/ada/.local/share/ernie-deploy/engines")


def write_environment(root: Path, name: str, marker: bytes) -> None:
    python = locate.python_in(root / name)
    python.parent.mkdir(parents=True)
    python.touch()
    (root / name / locate.MARKER).write_bytes(marker)


def marker(recipe: str, sha256: str) -> bytes:
    return msgspec.json.encode(locate.Marker(recipe, sha256, {"torch": "2.13.0+cpu"}, 5))


def test_a_whole_environment_is_found_by_its_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERNIE_DEPLOY_ENGINES", str(tmp_path))
    write_environment(tmp_path, "vllm-cpu", marker("vllm-cpu", load("vllm-cpu").sha256))
    write_environment(tmp_path, "transformers-cpu", marker("transformers-cpu", "of an older release"))
    found = locate.find("vllm", cpu=True)
    assert found
    assert found.python == tmp_path / "vllm-cpu/venv/bin/python"
    assert found.is_current
    assert locate.find("vllm", cpu=False) is None
    assert [(one.engine, one.is_current) for one in locate.installed()] == [("transformers", False), ("vllm", True)]


@pytest.mark.parametrize("content", [b"", b'{"recipe": "vllm-cpu"', b"[]", marker("transformers-cpu", "0")])
def test_an_environment_without_a_valid_marker_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("ERNIE_DEPLOY_ENGINES", str(tmp_path))
    write_environment(tmp_path, "vllm-cpu", content)
    assert locate.installed() == ()


def test_an_environment_whose_python_was_taken_away_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERNIE_DEPLOY_ENGINES", str(tmp_path))
    write_environment(tmp_path, "vllm-cpu", marker("vllm-cpu", load("vllm-cpu").sha256))
    python = locate.python_in(tmp_path / "vllm-cpu")
    python.unlink()
    python.symlink_to(tmp_path / "python-that-an-upgrade-removed")
    assert locate.find("vllm", cpu=True) is None
