"""`ernie-deploy rehearse`"""

from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked, DryRun, Json, spec_flags


@spec_flags
def rehearse(
    asked: Asked,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the service running, to ask it things.")] = False,
    tier: Annotated[str, typer.Option("--tier", help="Which probes: fast, or full for all of them.")] = "fast",
    no_install: Annotated[bool, typer.Option("--no-install", help="Do not make the engine's environment.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Walk the whole path on the CPU with a tiny model.

    A real engine, a model that really sees: plan, checks, up, ready, smoke, a picture, down. Nothing is left behind.
    FastDeploy has no build for a CPU: with --engine fastdeploy its simulator takes its place, and says so.
    """
    from ernie_deploy.cli import rehearsal, stages
    from ernie_deploy.cli.starting import bring_up, show_launch

    asked = rehearsal.as_rehearsal(asked)
    made = stages.planned(asked)
    store = stages.store_of(made.plan.name)
    rehearsal.refuse_to_disturb(store)
    if not no_install and not dry_run and rehearsal.make_environment(asked):
        made = stages.planned(asked)
    ui.say_heading(f"Plan: {made.launch.served_model} under {made.launch.engine} at {made.launch.base_url}")
    if dry_run:
        show_launch(made, as_json=as_json)
        return
    stages.preflight(made, store)
    with store.locked("rehearse"):
        rehearsal.refuse_to_disturb(store)
        with rehearsal.taken_down(made, store, keep=keep):
            ui.say_heading("Up")
            bring_up(made, store)
            ui.say_heading("Smoke")
            report = rehearsal.smoke(made, tier, as_json=as_json)
            if not as_json:
                ui.say_heading("A picture")
                rehearsal.show_a_picture(made)
    rehearsal.conclude(made, store, report, keep=keep)
