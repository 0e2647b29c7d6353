"""All checks, in the order in which they are shown."""

from typing import Final

from ernie_deploy.checks import (
    arguments,
    capability,
    driver,
    engine,
    gpu,
    memory,
    mig,
    model,
    network,
    ports,
    resources,
)
from ernie_deploy.checks.base import Check

CHECKS: Final = (
    Check("gpu", "the chosen NVIDIA cards are here", gpu.judge),
    Check("memory-fit", "the settings fit into the memory of the chosen cards", memory.judge),
    Check("compute-capability", "the engine has kernels for the chosen cards", capability.judge),
    Check("mig", "no chosen card is split by MIG", mig.judge),
    Check("driver", "the NVIDIA driver is new enough", driver.judge),
    Check("engine", "the engine is installed, and is what its name says", engine.judge),
    Check("engine-args", "this version of the engine has the flags it is started with", arguments.judge),
    Check("model", "the model directory is whole", model.judge),
    Check("model-path", "no path that FastDeploy hands to a shell can be misread by it", model.judge_path),
    Check("ports", "every port of the service can be bound", ports.judge),
    Check("exposure", "a service that others can reach asks for an API key", network.judge_exposure),
    Check("proxy", "a proxy does not come between the engine and itself", network.judge_proxy),
    Check("disk", "there is room for the state and for weights to fetch", resources.judge_disk),
    Check("ram", "the host has memory enough to load the model", resources.judge_ram),
    Check("shm", "/dev/shm is large enough for the engine's processes", resources.judge_shm),
)
