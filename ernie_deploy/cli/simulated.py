"""The simulated FastDeploy: run here, installed somewhere, or made when a deployment on a CPU asks for it."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked
from ernie_deploy.errors import UsageError


def become(engine_args: Sequence[str], asked: Mapping[str, object]) -> None:
    """Replace this process by the simulator; what was asked for becomes its variables. Does not return."""
    from ernie_deploy.sim.fastdeploy import dials

    given = {f"{dials.PREFIX}{name.upper()}": str(value) for name, value in asked.items() if value is not None}
    environ = {**os.environ, **given}
    refuse_wrong_dials(environ)
    argv = (sys.executable, "-m", "ernie_deploy.sim.fastdeploy", *engine_args)
    os.execve(sys.executable, argv, environ)


def refuse_wrong_dials(environ: Mapping[str, str]) -> None:
    """UsageError for a variable ERNIE_SIM_… or a fault that means nothing, before anything is started."""
    from ernie_deploy.sim.fastdeploy import dials, faults

    try:
        faults.parse(dials.from_environment(environ).faults)
    except (dials.DialError, faults.FaultError) as error:
        raise UsageError(str(error), hint="see `ernie-deploy sim faults` and docs/reference/simulator.md") from None


def install_simulated(directory: Path | None, version: str | None) -> tuple[str, Path]:
    """Make the environment; its version and its interpreter."""
    from ernie_deploy.environments.simulated import make, make_installed

    chosen = known_version(version)
    if directory is None:
        return chosen, make_installed(chosen).python
    return chosen, make(directory.absolute(), chosen)


def known_version(version: str | None) -> str:
    """The version asked for, else the catalog's. UsageError for what is no version at all."""
    from ernie_deploy.catalog.flags import DEVELOP, described, release
    from ernie_deploy.catalog.load import engines

    chosen = version or engines()["fastdeploy"].version
    if (chosen != DEVELOP and not release(chosen)) or "/" in chosen:
        raise UsageError(f"--engine-version {chosen}: this is no version", hint="2.3.0 … 2.5.0 or develop")
    known, is_assumed = described("fastdeploy", chosen)
    if is_assumed:
        ui.say(f"nobody has described FastDeploy {chosen}; the facts of {known} are assumed for it")
    return chosen


def fault_rows() -> list[tuple[str, str, str, str]]:
    from ernie_deploy.sim.fastdeploy.faults import known

    return [(fault.name, fault.kind, fault.argument, fault.says) for fault in known().values()]


def make_if_needed(asked: Asked) -> bool:
    """Make the simulated environment of the version that is asked for, and say plainly that it is one.

    Nothing happens, and False is returned, for any other engine, for a card, or when an interpreter was named.
    """
    from ernie_deploy.cli.stages import asked_layers
    from ernie_deploy.environments.locate import simulated
    from ernie_deploy.environments.simulated import make_installed
    from ernie_deploy.plan.layers import completed
    from ernie_deploy.plan.resolve import wanted

    need = wanted(completed(asked_layers(asked)))
    if need.engine != "fastdeploy" or need.device != "cpu" or need.engine_python:
        return False
    refuse_wrong_dials(os.environ)
    version = known_version(need.engine_version)
    was_there = simulated(version) is not None
    made = make_installed(version)
    if not was_there:
        ui.say(f"made a simulated FastDeploy {version} in {made.directory}")
    ui.say(f"FastDeploy {version} is SIMULATED: its processes, logs and answers, but no engine and no model")
    return True
