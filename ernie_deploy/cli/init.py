"""`ernie-deploy init`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import DryRun
from ernie_deploy.errors import UsageError


def init(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("deploy.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Write an annotated deploy.yaml.

    It has every key, what it means, and the value it has when left out.
    """
    from importlib.resources import files

    from ernie_deploy.files import write_atomically

    if file.exists() and not force:
        raise UsageError(f"{file} is there already", hint="--force replaces it")
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is not a directory", hint=f"mkdir -p {file.parent}")
    text = files("ernie_deploy.spec").joinpath("reference.yaml").read_text(encoding="utf-8")
    if dry_run:
        ui.out(text.rstrip())
        return
    try:
        write_atomically(file, text)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
    ui.say(f"wrote {file}; look at what it means with: ernie-deploy plan --explain")
