"""`ernie-deploy restart`"""

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked, DryRun, Json, Rehearse, spec_flags


@spec_flags
def restart(asked: Asked, rehearse: Rehearse = False, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Stop what runs and start the plan anew.

    What counts are the flags and files of now, not those of the earlier `up`.
    """
    from ernie_deploy.cli import stages
    from ernie_deploy.cli.rehearsal import as_rehearsal
    from ernie_deploy.cli.simulated import make_if_needed
    from ernie_deploy.cli.starting import bring_up, show_launch, stopped_when_interrupted
    from ernie_deploy.errors import UserInterruptError
    from ernie_deploy.serve.down import take_down
    from ernie_deploy.serve.keys import api_key

    asked = as_rehearsal(asked) if rehearse else asked
    if not dry_run:
        make_if_needed(asked)
    made = stages.planned(asked)
    store = stages.store_of(made.plan.name)
    if dry_run:
        stages.preflight(made, store)
        show_launch(made, as_json=as_json)
        return
    with store.locked("restart"):
        # What is about to be stopped stands in nobody's way; all else is judged while it still serves.
        stages.preflight(made, store)
        api_key(made.launch.secret_env, {})
        stopped = take_down(store, grace_s=made.plan.stop_grace_s.value)
        if stopped.removed:
            ui.say(f"removed {ui.objects(stopped.removed)} that it had left behind")
        if stopped.hurried:
            raise UserInterruptError(f"interrupted; stopped {ui.processes(stopped.found)}, and nothing was started")
        with stopped_when_interrupted(made.plan, store):
            made, _, ended = bring_up(made, store)
    if as_json:
        ui.json({"name": made.plan.name, "state": "ready", "after_s": ended and ended.after_s,
                 "url": made.launch.base_url})  # fmt: skip
    else:
        ui.out(f"ready at {made.launch.base_url}")
