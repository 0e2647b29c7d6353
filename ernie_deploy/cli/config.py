"""`ernie-deploy config`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked, DryRun, Json, spec_flags


@spec_flags
def config(
    asked: Asked,
    out: Annotated[Path, typer.Option("--out", "-o", help="The directory to write into; it is made.")],
    facts: Annotated[Path | None, typer.Option("--facts", help="Write for the host of this facts.json.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write the engine's own launch config.

    Its YAML, an environment file and a start script, which runs without us.
    """
    from ernie_deploy.cli.stages import planned
    from ernie_deploy.engines.registry import ENGINES
    from ernie_deploy.errors import UsageError
    from ernie_deploy.files import write_atomically

    made = planned(asked, facts_file=facts)
    files = ENGINES[made.launch.engine].config_files(made.plan)
    if not dry_run:
        try:
            out.mkdir(parents=True, exist_ok=True)
            for file in files:
                write_atomically(out / file.name, file.content, file.mode)
        except OSError as error:
            raise UsageError(f"{out}: cannot be written: {error.strerror}") from None
    if as_json:
        ui.json({"directory": str(out), "files": files, "written": not dry_run})
        return
    for file in files:
        ui.out(f"{'would write' if dry_run else 'wrote'} {out / file.name}")
    if not dry_run:
        ui.say(f"start it with: {out / 'start.sh'}")
