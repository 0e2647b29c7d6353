"""`ernie-deploy smoke`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Json, Name


def smoke(
    name: Name = None,
    url: Annotated[str | None, typer.Option("--url", help="Another service than the deployed one.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="The name the service is asked for.")] = None,
    expect: Annotated[
        str | None,
        typer.Option("--expect", help="contract (shapes), rehearsal (exact words) or model (right answers)."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Run this probe or tier; repeatable.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", help="Leave this one out; repeatable.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Draw the same pictures again.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write the results as JUnit XML.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write the results as Markdown.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the probes.")] = False,
    as_json: Json = False,
) -> None:
    """Prove what the service can do.

    A few requests whose answers are right or wrong. Exit code 7 when one is wrong.
    """
    from ernie_deploy.cli import smoking
    from ernie_deploy.cli.asking import address
    from ernie_deploy.smoke.registry import PROBES

    if list_them:
        ui.listing(("probe", "tier", "title"), [(one.id, one.tier, one.title) for one in PROBES], as_json=as_json)
        return
    report = smoking.probe(address(name, url, model), smoking.profile(expect), seed, only=only or (), skip=skip or ())
    smoking.show(report, as_json=as_json)
    smoking.write(report, junit=junit, markdown=markdown)
    smoking.require_success(report)
