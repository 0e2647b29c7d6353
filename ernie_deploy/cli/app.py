"""The commands, and the one place where errors become exit codes."""

import gc
import inspect
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from ernie_deploy.cli import (
    ask,
    check,
    config,
    diagnose,
    down,
    engine,
    explain,
    facts,
    init,
    lint,
    logs,
    plan,
    rehearse,
    restart,
    sim,
    smoke,
    status,
    support_bundle,
    ui,
    up,
    version,
    wait,
    watch,
)
from ernie_deploy.errors import DeployError, UserInterruptError
from ernie_deploy.serve.interrupts import interrupts

# In the order of their use, which is the order of `--help`.
COMMANDS: dict[str, Callable[..., None] | typer.Typer] = {
    "init": init.init,
    "plan": plan.plan,
    "config": config.config,
    "explain": explain.explain,
    "lint": lint.lint,
    "check": check.check,
    "facts": facts.facts,
    "up": up.up,
    "wait": wait.wait,
    "watch": watch.watch,
    "status": status.status,
    "logs": logs.logs,
    "diagnose": diagnose.diagnose,
    "support-bundle": support_bundle.support_bundle,
    "ask": ask.ask,
    "smoke": smoke.smoke,
    "restart": restart.restart,
    "down": down.down,
    "rehearse": rehearse.rehearse,
    "engine": engine.app,
    "sim": sim.app,
    "version": version.version,
}


# Commands whose words are read in a way of their own.
CLASSES: dict[str, type[TyperCommand]] = {"explain": explain.NamesMayBeFlags}

GARBAGE_THRESHOLD = 50_000


class Commands(TyperGroup):
    """Builds only the command that is called: reading the flags of all of them would double the time of `--help`.

    Ctrl-C is an outcome with an exit code of its own, not an abort.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, command in COMMANDS.items():
            text = command.info.help if isinstance(command, typer.Typer) else inspect.getdoc(command)
            self.add_command(TyperCommand(name, help=str(text)))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, built(str(name)) if listed else None, rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise UserInterruptError("interrupted") from None


def built(name: str) -> Any:
    """The whole command, with its flags."""
    command = COMMANDS[name]
    if isinstance(command, typer.Typer):
        return get_command(command)
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=CLASSES.get(name, TyperCommand))(command)
    return get_command(alone)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="No GPU at hand? `ernie-deploy rehearse` walks the whole path with a tiny model on the CPU.",
)


@app.callback()
def ernie_deploy() -> None:
    """Deploy ERNIE-4.5-VL-28B-A3B-Thinking on your own GPU, and know that it answers."""


def main() -> None:
    """Run the command line. Every way out is an `errors.ExitCode`, except a bug's traceback (1)."""
    interrupts.listen()
    # A command loads its modules and keeps them: looking through all that for garbage takes a tenth of its time.
    gc.set_threshold(GARBAGE_THRESHOLD)
    ui.speak_any_locale()
    try:
        app(prog_name="ernie-deploy")
    except DeployError as error:
        ui.error(error)
        sys.exit(int(error.exit_code))
