"""`ernie-deploy down`"""

from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import DryRun, Json, Name, patience


def down(
    name: Name = None,
    grace: Annotated[float | None, typer.Option("--grace", help="Seconds answers in flight get.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Stop the service and everything it started.

    Shared memory that it leaves is removed, and it is verified that processes, ports and GPU memory are free.
    """
    from ernie_deploy.cli import stages
    from ernie_deploy.cli.stopping import report, stop, would_stop

    name = stages.named(name)
    store = stages.store_of(name)
    if dry_run:
        would_stop(store, as_json=as_json)
        return
    stopped = stop(store, patience("--grace", grace))
    if as_json:
        ui.json({"name": name, **stopped._asdict()})
    else:
        ui.out(report(name, stopped))
    stopped.require_clean()
