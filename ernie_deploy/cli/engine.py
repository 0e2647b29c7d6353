"""`ernie-deploy engine install|list|remove`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import DryRun, Json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Make, list and remove environments of engines.",
)

Engine = Annotated[str, typer.Argument(help="transformers, vllm, fastdeploy or erniekit.")]
Cpu = Annotated[bool, typer.Option("--cpu", help="The build for a machine without a GPU.")]


@app.command("install")
def install(
    engine: Engine,
    cpu: Cpu = False,
    python: Annotated[Path | None, typer.Option("--python", help="The interpreter to make it with.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Make it anew, even when it is whole.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make an environment for an engine, with pinned versions, from the index it must come from."""
    from ernie_deploy.cli.environments import install_engine

    install_engine(engine, cpu=cpu, python=python, force=force, dry_run=dry_run, as_json=as_json)


@app.command("list")
def list_them(as_json: Json = False) -> None:
    """What can be installed, and what is."""
    from ernie_deploy.cli.environments import rows

    found = rows()
    if as_json:
        ui.json(found)
    else:
        columns = ("environment", "state", "size", "interpreter")
        ui.table(columns, [(row["name"], row["state"], row["size"], row["python"]) for row in found])


@app.command("remove")
def remove(engine: Engine, cpu: Cpu = False, dry_run: DryRun = False) -> None:
    """Delete an environment."""
    from ernie_deploy.cli.environments import remove_engine

    remove_engine(engine, cpu=cpu, dry_run=dry_run)
