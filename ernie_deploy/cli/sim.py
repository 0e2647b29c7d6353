"""`ernie-deploy sim fastdeploy|install|faults`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Run a simulated FastDeploy: no card, no model, faults on demand.",
)

EngineVersion = Annotated[str | None, typer.Option("--engine-version", help="Which FastDeploy: 2.3.0 … or develop.")]


@app.command("fastdeploy")
def fastdeploy(
    engine_args: Annotated[list[str] | None, typer.Argument(help="After `--`: the engine's own arguments.")] = None,
    engine_version: EngineVersion = None,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", help="NAME[@[ready+]SECONDS][:ARGUMENT]; see `sim faults`. Repeat.")
    ] = None,
    load_time: Annotated[float | None, typer.Option("--load-time", help="Seconds of loading.")] = None,
    ttft: Annotated[float | None, typer.Option("--ttft", help="Seconds until the first token.")] = None,
    itl: Annotated[float | None, typer.Option("--itl", help="Seconds between two tokens.")] = None,
    capacity: Annotated[int | None, typer.Option("--capacity", help="Requests answered at once.")] = None,
    shm_dir: Annotated[Path | None, typer.Option("--shm-dir", help="Instead of /dev/shm.")] = None,
    loopback_only: Annotated[bool, typer.Option("--loopback-only", help="Keep every port on 127.0.0.1.")] = False,
) -> None:
    """Run the simulator in the foreground, started with the engine's own arguments."""
    from ernie_deploy.cli.simulated import become

    dials = {"version": engine_version, "faults": ",".join(fault or []) or None, "load_s": load_time, "ttft_s": ttft,
             "itl_s": itl, "capacity": capacity, "shm_dir": shm_dir,
             "loopback_only": loopback_only or None}  # fmt: skip
    become(engine_args or [], dials)


@app.command("install")
def install(
    directory: Annotated[Path | None, typer.Argument(help="Where to; among the other engines when left out.")] = None,
    engine_version: EngineVersion = None,
    as_json: Json = False,
) -> None:
    """Make an environment in which the simulator takes FastDeploy's place, for --engine-python and PATH."""
    from ernie_deploy.cli.simulated import install_simulated

    version, python = install_simulated(directory, engine_version)
    if as_json:
        ui.json({"engine": "fastdeploy", "version": version, "is_simulated": True, "python": str(python)})
    else:
        ui.out(f"simulated FastDeploy {version}: {python}")


@app.command("faults")
def faults(as_json: Json = False) -> None:
    """What can be made to go wrong."""
    from ernie_deploy.cli.simulated import fault_rows

    ui.listing(("fault", "kind", "argument", "what happens"), fault_rows(), as_json=as_json)
