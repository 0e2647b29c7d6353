"""`ernie-deploy check`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked, Json, spec_flags
from ernie_deploy.errors import ExitCode


@spec_flags
def check(
    asked: Asked,
    only: Annotated[list[str] | None, typer.Option("--only", help="Run this check alone; repeat for several.")] = None,
    facts: Annotated[Path | None, typer.Option("--facts", help="Judge the host of this facts.json instead.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the checks.")] = False,
    as_json: Json = False,
) -> None:
    """Say whether it would work here.

    All checks run; each has a name, a result and a hint. Exit code 4 when one fails.
    """
    from ernie_deploy.checks.registry import CHECKS
    from ernie_deploy.cli import stages
    from ernie_deploy.plan.secrets import shown

    if list_them:
        ui.listing(("check", "title"), [(one.name, one.title) for one in CHECKS], as_json=as_json)
        return
    made = stages.planned(asked, facts_file=facts, import_engine=facts is None)
    if facts is None:
        made = stages.without_running(made, stages.store_of(made.plan.name))
    results = stages.check(made, only=only or ())
    failed = [result for result in results if result.status == "fail"]
    if as_json:
        ui.json({"results": results, "facts": made.facts, "plan": shown(made.plan)})
    else:
        for result in results:
            ui.finding(result.status, result.name, result.message, result.hint)
        counts = {status: sum(r.status == status for r in results) for status in ("pass", "warn", "fail", "skip")}
        ui.say(", ".join(f"{number} {status}" for status, number in counts.items() if number))
    if failed:
        raise typer.Exit(int(ExitCode.PREFLIGHT))
