"""`ernie-deploy up`"""

from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked, DryRun, Json, Rehearse, spec_flags


@spec_flags
def up(
    asked: Asked,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until a token came out.")] = True,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay with the engine until it ends.")] = False,
    rehearse: Rehearse = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Start the service and prove that it answers. Does nothing when the same plan runs already."""
    from ernie_deploy.cli import stages
    from ernie_deploy.cli.foreground import follow
    from ernie_deploy.cli.rehearsal import as_rehearsal
    from ernie_deploy.cli.simulated import make_if_needed
    from ernie_deploy.cli.starting import bring_up, proven, show_launch, shown_stages, stopped_when_interrupted
    from ernie_deploy.engines.base import shown

    asked = as_rehearsal(asked) if rehearse else asked
    if not dry_run:
        make_if_needed(asked)
    made = stages.planned(asked)
    store = stages.store_of(made.plan.name)
    if dry_run:
        stages.preflight(made, store)
        show_launch(made, as_json=as_json)
        return
    with store.locked("up"):
        if store.leader() is None:
            stages.preflight(made, store)
        with stopped_when_interrupted(made.plan, store):
            made, standing, ended = bring_up(made, store, wait=wait)
            if foreground:
                follow(made.plan, store, standing)
                return
    state = "starting" if ended is None else "ready"
    after_s = round(ended.after_s, 2) if ended else None
    if as_json:
        ui.json({"name": made.plan.name, "state": state, "was_running": standing.engine is None,
                 "after_s": after_s, "url": made.launch.base_url, "model": made.launch.served_model,
                 "launch": shown(made.launch), **(shown_stages(ended) if ended else {})})  # fmt: skip
    elif ended is None:
        ui.out(f"started at {made.launch.base_url}; wait for it with: ernie-deploy wait{stages.name_flag(made.plan)}")
    elif standing.engine is None:
        ui.out(f"already running and ready at {made.launch.base_url}")
    else:
        ui.out(f"ready at {made.launch.base_url} after {after_s} s: {proven(made.plan, ended)}")
