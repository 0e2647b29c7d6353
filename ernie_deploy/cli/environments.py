"""What `engine install|list|remove` do."""

import shutil
from pathlib import Path

import psutil

from ernie_deploy.cli import ui
from ernie_deploy.environments import locate
from ernie_deploy.environments.install import install
from ernie_deploy.environments.recipe import Offer, PipInstall, Step, WriteFiles, for_engine, recipes
from ernie_deploy.errors import PreflightError, UsageError
from ernie_deploy.files import human_size


def install_engine(engine: str, *, cpu: bool, python: Path | None, force: bool, dry_run: bool, as_json: bool) -> None:
    """Make the environment, telling each step and its reason, and say where it is."""
    recipe = for_engine(engine, cpu=cpu)
    directory = locate.root() / recipe.name
    if dry_run:
        steps = [(step.title, step.why, _in_detail(step)) for step in recipe.steps]
        if as_json:
            shown = [{"title": title, "why": why, "commands": lines} for title, why, lines in steps]
            ui.json({"environment": recipe.name, "directory": str(directory), "steps": shown})
            return
        for number, (title, why, lines) in enumerate(steps, start=1):
            ui.out("\n     ".join((f"{number}. {title}: {why}", *lines)))
        ui.out(f"into {directory}")
        return
    if force:
        _delete(directory)
    made = install(recipe, python=python, report=lambda index, total, text: ui.say(f"[{index}/{total}] {text}"))
    if as_json:
        ui.json({"environment": recipe.name, "python": str(made.python), "versions": made.marker.versions,
                 "bytes_on_disk": made.marker.bytes_on_disk})  # fmt: skip
    else:
        ui.out(f"{recipe.name}: {human_size(made.marker.bytes_on_disk)} in {directory}")


def rows() -> list[dict[str, str]]:
    """All recipes, and how each stands here; then the simulators that take FastDeploy's place."""
    here = {one.directory.name: one for one in locate.installed()}
    found = []
    for name in recipes():
        one = here.get(name)
        state = "not installed" if one is None else "installed" if one.is_current else "installed, of an older recipe"
        size = human_size(one.marker.bytes_on_disk) if one else ""
        found.append({"name": name, "state": state, "size": size, "python": str(one.python) if one else ""})
    for one in locate.all_simulated():
        found.append({"name": one.directory.name, "state": "SIMULATED", "size": "", "python": str(one.python)})
    return found


def remove_engine(engine: str, *, cpu: bool, dry_run: bool) -> None:
    """Delete the environment of an engine, or a simulated one by its name; a half-made one too."""
    is_simulated = engine.startswith(f"{locate.SIMULATED}-") and "/" not in engine
    directory = locate.root() / (engine if is_simulated else for_engine(engine, cpu=cpu).name)
    if not directory.exists():
        raise UsageError(f"{directory} does not exist", hint="see what is there with: ernie-deploy engine list")
    if not dry_run:
        _delete(directory)
    ui.out(f"{'would remove' if dry_run else 'removed'} {directory}")


def _in_detail(step: Step) -> list[str]:
    """What a step would do; of several pip commands the first that can be served is taken."""
    if isinstance(step, PipInstall):
        return [" ".join(_pip_words(offer)) for offer in step.offers]
    return [f"write {file.name}" for file in step.files] if isinstance(step, WriteFiles) else []


def _pip_words(offer: Offer) -> list[str]:
    words = ["pip", "install", *(offer.packages or ("every pinned package",))]
    words += ["--index-url", offer.index_url] if offer.index_url else []
    return [*words, *(("--extra-index-url", offer.extra_index_url) if offer.extra_index_url else ())]


def _delete(directory: Path) -> None:
    """Raises PreflightError while something runs from it: it would be cut down in the middle of an answer."""
    users = [
        str(one.info["pid"])
        for one in psutil.process_iter(["pid", "cmdline"])
        if one.info["cmdline"] and one.info["cmdline"][0].startswith(f"{directory}/")
    ]
    if users:
        raise PreflightError(
            f"{directory} is in use by {', '.join(users)}", hint="stop it first: ernie-deploy status, then down"
        )
    if directory.exists():
        shutil.rmtree(directory)
