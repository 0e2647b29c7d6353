"""`ernie-deploy config`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked, DryRun, Json, spec_flags

if TYPE_CHECKING:
    from ernie_deploy.engines.base import Launch


@spec_flags
def config(
    asked: Asked,
    out: Annotated[Path, typer.Option("--out", "-o", help="The directory to write into; it is made.")],
    facts: Annotated[Path | None, typer.Option("--facts", help="Write for the host of this facts.json.")] = None,
    with_key: Annotated[bool, typer.Option("--with-key", help="Write the API key itself into engine.env.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write the engine's own launch config.

    Its YAML, an environment file and a start script, which runs without us.
    """
    from ernie_deploy.cli.stages import planned
    from ernie_deploy.engines.explain import assumption
    from ernie_deploy.engines.registry import ENGINES
    from ernie_deploy.errors import UsageError
    from ernie_deploy.files import absolute, write_atomically
    from ernie_deploy.plan.secrets import HIDDEN, shown

    made = planned(asked, facts_file=facts)
    if note := assumption(made.plan):
        ui.say(note)
    keys = _keys(made.launch) if with_key else {}
    place, engine = absolute(str(out)), ENGINES[made.launch.engine]
    if not dry_run:
        try:
            place.mkdir(parents=True, exist_ok=True)
            for file in engine.config_files(made.plan, keys):
                write_atomically(place / file.name, file.content, file.mode)
        except OSError as error:
            raise UsageError(f"{out}: cannot be written: {error.strerror}") from None
    files = engine.config_files(shown(made.plan), dict.fromkeys(keys, HIDDEN))
    if as_json:
        ui.json({"directory": str(place), "files": files, "written": not dry_run})
        return
    for file in files:
        ui.out(f"{'would write' if dry_run else 'wrote'} {out / file.name}")
    if not dry_run:
        ui.say(f"start it with: {place / 'start.sh'}")


def _keys(launch: "Launch") -> dict[str, str]:
    """The API key by its variable. Raises UsageError when there is none or its file cannot be used."""
    from ernie_deploy.errors import UsageError
    from ernie_deploy.serve.keys import secret

    if not launch.secret_env:
        raise UsageError("--with-key: no api_key_file is named", hint="--api-key-file FILE")
    return {variable: secret(Path(path)) for variable, path in launch.secret_env.items()}
