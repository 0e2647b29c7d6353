"""What the routes need to know of a service, once it is loaded."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ernie_deploy.sim.fastdeploy.dials import Dials
from ernie_deploy.sim.fastdeploy.era import Era
from ernie_deploy.sim.fastdeploy.parsers import Parsers
from ernie_deploy.sim.fastdeploy.request_types import Served


class Setup(NamedTuple):
    """`health` is a status and its text; `worker_beats` tells whether a token would be made now."""

    era: Era
    dials: Dials
    values: Mapping[str, Any]
    served: Served
    parsers: Parsers
    keys: tuple[str, ...]
    blocks: int
    health: Callable[[], tuple[int, str]]
    worker_beats: Callable[[], bool]
