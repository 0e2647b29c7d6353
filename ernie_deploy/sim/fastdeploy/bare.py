"""A simulated service that is there at once: its HTTP side alone, without a start, a worker and their processes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ernie_deploy.sim.fastdeploy import command_line, scenario, start_checks
from ernie_deploy.sim.fastdeploy.dials import Dials
from ernie_deploy.sim.fastdeploy.era import era_of
from ernie_deploy.sim.fastdeploy.faults import Faults, parse
from ernie_deploy.sim.fastdeploy.logs import Logs
from ernie_deploy.sim.fastdeploy.service import Service
from ernie_deploy.sim.fastdeploy.setup import settle
from ernie_deploy.sim.fastdeploy.wire import MOST_HEAD_BYTES, signature, talk

LOOPBACK = "127.0.0.1"


async def serve(
    argv: Sequence[str],
    dials: Dials,
    environ: Mapping[str, str],
    logs_in: Path,
    opened: Callable[[int, int], None],
) -> None:
    """Serve on two free ports of the loopback, that of the API and that of the metrics, until it is cancelled.

    `opened` is told both. Faults of the start and of processes do not happen here.
    """
    era = era_of(dials.version)
    logs = Logs(logs_in, era)
    logs.make()
    values = dict(start_checks.settled(command_line.parse(argv, era.version).values, environ))
    armed = Faults(parse(dials.faults))
    # Port 0 for the metrics: any that is not the one of the API.
    setup = settle({**values, "workers": 1, "metrics_port": 0}, era, dials, environ, scenario.BLOCKS, _is_well, _beats)
    service = Service(setup, armed, logs)
    async with await _open(service, service.answer) as api, await _open(service, service.answer_metrics) as metrics:
        armed.became_ready()
        opened(*(one.sockets[0].getsockname()[1] for one in (api, metrics)))
        await asyncio.Event().wait()


async def _open(service: Service, handle: Any) -> asyncio.Server:
    headers = signature(service.setup.era)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(reader, writer, handle, headers, service.pace)

    return await asyncio.start_server(connect, LOOPBACK, 0, limit=MOST_HEAD_BYTES, backlog=2048)


def _is_well() -> tuple[int, str]:
    return 200, ""


def _beats() -> bool:
    return True
