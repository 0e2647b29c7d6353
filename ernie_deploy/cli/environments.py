"""What `engine install|list|remove` do."""

import shutil

import msgspec

from ernie_deploy.cli import ui
from ernie_deploy.environments import locate
from ernie_deploy.environments.install import install
from ernie_deploy.environments.recipe import for_engine, recipes
from ernie_deploy.errors import UsageError
from ernie_deploy.files import human_size


def install_engine(engine: str, *, cpu: bool, force: bool, dry_run: bool, as_json: bool) -> None:
    """Make the environment, telling each step and its reason, and say where it is."""
    recipe = for_engine(engine, cpu=cpu)
    directory = locate.root() / recipe.name
    if dry_run:
        for number, step in enumerate(recipe.steps, start=1):
            ui.out(f"{number}. {msgspec.to_builtins(step)['do']}: {step.why}")
        ui.out(f"into {directory}")
        return
    if force and directory.exists():
        shutil.rmtree(directory)
    made = install(recipe, report=lambda index, total, text: ui.say(f"[{index}/{total}] {text}"))
    if as_json:
        ui.json({"environment": recipe.name, "python": str(made.python), "versions": made.marker.versions,
                 "bytes_on_disk": made.marker.bytes_on_disk})  # fmt: skip
    else:
        ui.out(f"{recipe.name}: {human_size(made.marker.bytes_on_disk)} in {directory}")


def rows() -> list[dict[str, str]]:
    """All recipes, and how each stands here."""
    here = {one.directory.name: one for one in locate.installed()}
    found = []
    for name in recipes():
        one = here.get(name)
        state = "not installed" if one is None else "installed" if one.is_current else "installed, of an older recipe"
        size = human_size(one.marker.bytes_on_disk) if one else ""
        found.append({"name": name, "state": state, "size": size, "python": str(one.python) if one else ""})
    return found


def remove_engine(engine: str, *, cpu: bool, dry_run: bool) -> None:
    """Delete the environment of an engine; a half-made one too."""
    directory = locate.root() / for_engine(engine, cpu=cpu).name
    if not directory.exists():
        raise UsageError(f"{directory} does not exist", hint="see what is there with: ernie-deploy engine list")
    if not dry_run:
        shutil.rmtree(directory)
    ui.out(f"{'would remove' if dry_run else 'removed'} {directory}")
