"""`ernie-deploy diagnose`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Json, Name


def diagnose(
    logs: Annotated[list[Path] | None, typer.Argument(help="Logs of one run, also .gz; - is stdin.")] = None,
    run: Annotated[
        str, typer.Option("--run", help="Which run of the deployment: last, or how many starts earlier (1 to 5).")
    ] = "last",
    name: Name = None,
    engine: Annotated[
        str | None, typer.Option("--engine", help="Whose logs they are, if they do not show it themselves.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Name the cause of a failed start, and what cures it; or say that it is not known.

    Without LOG the last run of the deployment is looked at. A cause, a service that came up and an unknown failure are
    results all three: exit code 0. Exit code 2 when a log cannot be read.
    """
    from ernie_deploy.cli.diagnosing import logs_of_run, read, show

    found = read(logs, engine) if logs else logs_of_run(name, run)
    if as_json:
        ui.json(found)
    else:
        show(found)
