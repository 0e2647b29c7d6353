"""`ernie-deploy wait`"""

from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Json, Name, patience


def wait(
    name: Name = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds; the plan's own otherwise.")] = None,
    until: Annotated[
        str | None, typer.Option("--for", help="What it must show: text, image or thinking; the plan's own otherwise.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Wait until a started deployment has shown what it must: a token, one about a picture, thinking told apart.

    It is left running, whatever happens.
    """
    import msgspec

    from ernie_deploy.cli import stages
    from ernie_deploy.cli.starting import failure, level, ready_when, shown_stages, standing_of, wait_until_ready
    from ernie_deploy.errors import EngineError

    patience("--timeout", timeout)
    demanded = level("--for", until)
    name = stages.named(name)
    store = stages.store_of(name)
    standing = standing_of(store)
    if standing is None:
        raise EngineError(f"{name!r} is not running", hint="start it with: ernie-deploy up")
    plan = standing.run.plan
    if timeout is not None:
        plan = msgspec.structs.replace(
            plan, ready_timeout_s=msgspec.structs.replace(plan.ready_timeout_s, value=timeout)
        )
    if demanded:
        plan = ready_when(plan, demanded, "asked for by --for")
    ended = wait_until_ready(plan, store, standing)
    if ended.problem:
        raise failure(plan, standing.run.launch, store, ended.problem)
    if as_json:
        ui.json({"name": name, "state": "ready", "after_s": ended.after_s, "url": standing.run.launch.base_url,
                 **shown_stages(ended)})  # fmt: skip
    else:
        ui.out(f"ready at {standing.run.launch.base_url}")
