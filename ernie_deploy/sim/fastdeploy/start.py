"""The way in: `python -m ernie_deploy.sim.fastdeploy ENGINE ARGS`, and what a simulated environment calls."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from ernie_deploy.sim.fastdeploy import command_line, dials, faults
from ernie_deploy.sim.fastdeploy.engine import Server
from ernie_deploy.sim.fastdeploy.era import era_of
from ernie_deploy.sim.fastdeploy.start_checks import knows_era

MODULE = "fastdeploy.entrypoints.openai.api_server"


def main(argv: Sequence[str], environ: Mapping[str, str] | None = None, **otherwise: str) -> int:
    """Run the simulator to its end; the exit code. `otherwise` are dials that no variable has set."""
    environ = os.environ if environ is None else environ
    try:
        chosen = dials.from_environment(environ, **otherwise)
        armed = faults.Faults(faults.parse(chosen.faults))
    except (dials.DialError, faults.FaultError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    era = era_of(chosen.version)
    sys.stderr.write(
        f"SIMULATED FastDeploy {era.asked} by ernie-deploy: no engine, no card and no model are behind it"
        f"{knows_era(era)}\n"
    )
    sys.stderr.flush()
    words = [*argv, "--this-fault-is-simulated"] if armed.on("die-arguments") else list(argv)
    try:
        line = command_line.parse(words, era.version)
    except command_line.YamlError as error:
        sys.stderr.write(f"Traceback (most recent call last):\n{error}\n")
        return 1
    if not chosen.loopback_only and line.values["host"] in ("0.0.0.0", "::"):
        sys.stderr.write("SIMULATED: everybody who reaches this host can use it, as with the engine's own default\n")
    try:
        return asyncio.run(Server(line, era, chosen, armed, environ, MODULE.replace(".", "/") + ".py").run())
    except KeyboardInterrupt:
        return 130


def serve(argv: Sequence[str]) -> int:
    """`fastdeploy serve …`: starts the module as a child, hands on one signal, and ends with 0 whatever happened."""
    if list(argv[:1]) != ["serve"]:
        sys.stderr.write("usage: fastdeploy serve [ARGS]; the simulator has no other command\n")
        return 2
    child = subprocess.Popen((sys.executable, "-m", MODULE, *argv[1:]))
    sys.stdout.write(f"Starting server (PID: {child.pid})\n")
    sys.stdout.flush()

    def hand_on(_signal: int, _frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()

    signal.signal(signal.SIGINT, hand_on)
    signal.signal(signal.SIGTERM, hand_on)
    child.wait()
    return 0
