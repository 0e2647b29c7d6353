"""`ernie-deploy plan`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked, Json, spec_flags


@spec_flags
def plan(
    asked: Asked,
    explain: Annotated[bool, typer.Option("--explain", help="Every value with its reason and origin.")] = False,
    facts: Annotated[Path | None, typer.Option("--facts", help="Plan for the host of this facts.json.")] = None,
    presets: Annotated[bool, typer.Option("--presets", help="List the presets.")] = False,
    as_json: Json = False,
) -> None:
    """Show what `up` would run, and why.

    The values with their origin, and the exact command to paste into a shell. Nothing is started.
    """
    from ernie_deploy.cli.stages import planned
    from ernie_deploy.engines.acknowledge import shown_command
    from ernie_deploy.engines.base import shown
    from ernie_deploy.engines.explain import assumption
    from ernie_deploy.engines.start_script import pasteable
    from ernie_deploy.plan import secrets
    from ernie_deploy.plan.explain import lines

    if presets:
        _list_presets(as_json=as_json)
        return
    made = planned(asked, facts_file=facts)
    if note := assumption(made.plan):
        ui.say(note)
    if as_json:
        ui.json({"plan": secrets.shown(made.plan), "launch": shown(made.launch)})
        return
    if explain:
        rows = [(line.key, line.value, line.origin, line.why) for line in lines(made.plan)]
        ui.table(("setting", "value", "from", "why"), rows)
    else:
        ui.table(("setting", "value", "from"), [(line.key, line.value, line.origin) for line in lines(made.plan)])
    ui.out("")
    ui.out(shown_command(made.plan, pasteable(made.launch)))


def _list_presets(*, as_json: bool) -> None:
    from ernie_deploy.catalog.load import presets

    rows = [(name, preset.title) for name, preset in presets().items()]
    ui.listing(("preset", "title"), rows, as_json=as_json)
