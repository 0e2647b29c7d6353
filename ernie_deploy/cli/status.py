"""`ernie-deploy status`"""

import os
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Json


def status(
    name: Annotated[str | None, typer.Option("--name", help="Only this deployment; all of them otherwise.")] = None,
    as_json: Json = False,
) -> None:
    """What runs: name, state, address, pid, uptime. Quick, and asks the service nothing but its health."""
    from ernie_deploy.serve.glance import glance, names

    if name is not None:
        from ernie_deploy.cli.stages import named

        named(name)
    seen = [glance(one, os.environ) for one in ([name] if name else names(os.environ))]
    if as_json:
        ui.json([one._asdict() for one in seen])
        return
    for one in seen:
        ui.out(one.in_words())
    if not seen:
        ui.out("nothing is deployed")
