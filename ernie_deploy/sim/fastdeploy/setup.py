"""What the routes need to know of a service, once it is loaded."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ernie_deploy.sim.fastdeploy import start_checks
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


def settle(
    values: Mapping[str, Any],
    era: Era,
    dials: Dials,
    environ: Mapping[str, str],
    blocks: int,
    health: Callable[[], tuple[int, str]],
    worker_beats: Callable[[], bool],
) -> Setup:
    """What follows from the values that hold once the start is over."""
    limits, _ = start_checks.picture_limits(values)
    served = Served(
        model=str(values.get("served_model_name") or values["model"]),
        checks_model=bool(values.get("served_model_name")),
        max_model_len=int(values["max_model_len"]),
        media_limits=dict(values["limit_mm_per_prompt"]),
        picture_limits=limits,
        has_logprobs=bool(values.get("enable_logprob")),
        has_guided_decoding=str(values.get("guided_decoding_backend") or "off") != "off",
    )
    keys = values.get("api_key") or [key for key in environ.get("FD_API_KEY", "").split(",") if key]
    parsers = Parsers(bool(values.get("reasoning_parser")), bool(values.get("tool_call_parser")))
    return Setup(era, dials, values, served, parsers, tuple(map(str, keys)), blocks, health, worker_beats)
