"""Facts to start from: a host on which `plans.a_plan()` passes every check."""

from pathlib import Path
from typing import Any

from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.checks.base import Subject
from ernie_deploy.engines.base import Launch
from ernie_deploy.facts.values import EnvironmentFacts, Facts, GpuFacts, HostFacts, ModelFacts, Mount
from ernie_deploy.plan.values import Plan
from tests.support import nvml, plans

GIB = 1024**3
STATE_ROOT = Path("/var/lib")


def a_host(**changes: Any) -> HostFacts:
    """64 GiB of memory, 16 GiB of /dev/shm, one large disk, nothing listening, no proxy, not root."""
    fields: dict[str, Any] = {
        "hostname": "gpu-1",
        "kernel": "6.1.0",
        "architecture": "x86_64",
        "cpu_count": 16,
        "ram_total_bytes": 64 * GIB,
        "ram_available_bytes": 60 * GIB,
        "shm_total_bytes": 16 * GIB,
        "shm_free_bytes": 16 * GIB,
        "uid": 1000,
        "mounts": (Mount("/", 1000 * GIB, 500 * GIB),),
        "addresses": ("127.0.0.1", "192.0.2.7", "::1"),
        "home": "/home/ernie",
    }
    return HostFacts(**(fields | changes))


def gpus(*cards: nvml.Card, driver: str | None = "550.54.15", problem: str = "") -> GpuFacts:
    """What NVML would say of these cards."""
    return GpuFacts(
        gpus=tuple(card.fact(index) for index, card in enumerate(cards)),
        driver_version=driver,
        cuda_version="12.4",
        problem=problem,
    )


def an_environment(**changes: Any) -> EnvironmentFacts:
    """An interpreter with FastDeploy 2.5.0."""
    fields: dict[str, Any] = {
        "python": plans.PYTHON,
        "origin": "asked",
        "python_version": "3.10.13",
        "engine": "fastdeploy",
        "engine_version": "2.5.0",
        "distributions": {"fastdeploy-gpu": "2.5.0", "paddlepaddle-gpu": "3.3.1"},
    }
    return EnvironmentFacts(**(fields | changes))


def a_model(**changes: Any) -> ModelFacts:
    """The 28B model, whole, in the directory of the plan; of its headers nothing is known."""
    fields: dict[str, Any] = {
        "path": plans.MODEL_PATH,
        "size_bytes": 58_800_000_000,
        "model_type": "ernie4_5_moe_vl",
        "dtype": "bfloat16",
        "architecture": architectures()[plans.MODEL],
    }
    return ModelFacts(**(fields | changes))


def some_facts(**changes: Any) -> Facts:
    """One L20 in that host, FastDeploy, and a whole model."""
    fields: dict[str, Any] = {
        "host": a_host(),
        "gpu": gpus(nvml.L20),
        "environments": (an_environment(),),
        "models": (a_model(),),
    }
    return Facts(**(fields | changes))


def a_subject(*, plan: Plan | None = None, launch: Launch | None = None, **facts: Any) -> Subject:
    """What a check looks at; keywords are fields of Facts."""
    return Subject(plan or plans.a_plan(), launch or plans.a_launch(), some_facts(**facts))
