"""`ernie-deploy logs`"""

from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Name


def logs(
    name: Name = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what is written.")] = False,
    worker: Annotated[int | None, typer.Option("--worker", help="The log of this worker (FastDeploy).")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines from the end.")] = 200,
) -> None:
    """Print the engine's log, or a worker's, also after it has ended."""
    import time
    from collections import deque

    from ernie_deploy.cli import stages
    from ernie_deploy.serve.journal import Tail, tail_lines, worker_log
    from ernie_deploy.serve.state import ENGINE_LOGS

    name = stages.named(name)
    store = stages.store_of(name)
    path = store.engine_log if worker is None else worker_log(store.logs / ENGINE_LOGS, worker)
    if not path.exists():
        from ernie_deploy.errors import UsageError

        raise UsageError(f"{path} does not exist", hint=f"has {name!r} been started?  ernie-deploy status")
    for line in deque(tail_lines(path), maxlen=lines):
        ui.out(line)
    tail = Tail(path, from_end=True)
    while follow:
        for line in tail.lines():
            ui.out(line)
        time.sleep(0.2)
