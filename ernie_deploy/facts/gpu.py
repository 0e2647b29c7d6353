"""What NVML says, as values: cards, sizes, versions, and one sentence for each way it refuses.

The binding is a parameter: this module opens nothing by itself.
"""

import contextlib
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeVar

from ernie_deploy.facts.values import Gpu, GpuFacts, Tenant

T = TypeVar("T")

MIB: Final = 1024 * 1024

NOT_TOLD: Final = frozenset({3, 4, 13, 21, 25})
"""Codes by which NVML declines one value of a healthy card: not supported, no permission, no such function, no data."""

_SENTENCES: Final = MappingProxyType(
    {
        2: "NVML calls the request invalid: driver and library do not understand each other",
        3: "the card or its driver does not tell how much memory there is",
        4: "this user may not talk to the NVIDIA driver: look at the permissions of /dev/nvidia* and of the container",
        9: "the NVIDIA driver is not loaded (modprobe nvidia, or start the container with --gpus all)",
        10: "the NVIDIA driver did not answer in time",
        12: "there is no usable libnvidia-ml.so.1: no NVIDIA driver is installed, or not passed into this container",
        15: "the card has fallen off the bus: look for Xid lines in the kernel log and restart the machine",
        16: "the card needs a reset before it can be used again",
        17: "the operating system keeps this process from the NVIDIA driver (a cgroup or a sandbox)",
        18: "the loaded NVIDIA kernel module and its library are of different versions: restart the machine",
        999: "NVML reports an unknown error: look for NVRM lines in the kernel log",
    }
)


def read(nvml: Any, command: Callable[[int], str]) -> GpuFacts:
    """All that `nvml` (the pynvml module, which has no types) tells; `command` gives the command line of a pid."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return GpuFacts(problem=sentence(error.value))
    try:
        return _all_cards(nvml, command)
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def sentence(code: int) -> str:
    """What an NVML error code means to the person in front of the machine."""
    return _SENTENCES.get(code, f"NVML answers with error {code}")


def mib(size_bytes: int) -> int:
    """Whole MiB, as nvidia-smi shows them."""
    return size_bytes // MIB


def cuda_version(number: int) -> str:
    """`12040` → `12.4`: the newest CUDA that the driver can run."""
    return f"{number // 1000}.{number % 1000 // 10}"


def capability(major_minor: tuple[int, int]) -> str:
    """`(8, 9)` → `8.9`."""
    return f"{major_minor[0]}.{major_minor[1]}"


def _all_cards(nvml: Any, command: Callable[[int], str]) -> GpuFacts:
    problems: list[str] = []
    driver = _told(nvml, nvml.nvmlSystemGetDriverVersion, problems)
    cuda = _told(nvml, nvml.nvmlSystemGetCudaDriverVersion, problems)
    count = _count(nvml, problems)
    gpus = tuple(card for index in range(count) if (card := _card(nvml, index, command, problems)))
    return GpuFacts(
        gpus=gpus,
        driver_version=driver,
        cuda_version=None if cuda is None else cuda_version(cuda),
        problem="; ".join(dict.fromkeys(problems)),
    )


def _count(nvml: Any, problems: list[str]) -> int:
    """The number of cards; none at all is a problem too."""
    try:
        count: int = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        problems.append(sentence(error.value))
        return 0
    if count == 0:
        problems.append("the NVIDIA driver is loaded, but it sees no card")
    return count


def _card(nvml: Any, index: int, command: Callable[[int], str], problems: list[str]) -> Gpu | None:
    """One card, or None (and the reason in `problems`) when the driver does not even give its memory."""
    prefix = f"card {index}: "
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = _memory(nvml, handle)
    except nvml.NVMLError as error:
        problems.append(prefix + sentence(error.value))
        return None

    def told(function: Callable[[Any], T]) -> T | None:
        return _told(nvml, lambda: function(handle), problems, prefix)

    major_minor = told(nvml.nvmlDeviceGetCudaComputeCapability)
    mig = told(nvml.nvmlDeviceGetMigMode)
    return Gpu(
        index=index,
        name=told(nvml.nvmlDeviceGetName) or "NVIDIA card",
        uuid=told(nvml.nvmlDeviceGetUUID) or "",
        total_mib=mib(memory.total),
        used_mib=mib(memory.used),
        compute_capability=None if major_minor is None else capability(major_minor),
        mig_enabled=None if mig is None else mig[0] == nvml.NVML_DEVICE_MIG_ENABLE,
        tenants=_tenants(
            (
                *(told(nvml.nvmlDeviceGetComputeRunningProcesses) or ()),
                *(told(nvml.nvmlDeviceGetGraphicsRunningProcesses) or ()),
            ),
            command,
        ),
    )


def _memory(nvml: Any, handle: Any) -> Any:
    """The second version leaves the driver's own reserve out of `used`, as nvidia-smi does; older drivers lack it."""
    try:
        return nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    except nvml.NVMLError as error:
        if error.value not in NOT_TOLD:
            raise
        return nvml.nvmlDeviceGetMemoryInfo(handle)


def _tenants(processes: Sequence[Any], command: Callable[[int], str]) -> tuple[Tenant, ...]:
    """A process that computes and draws is listed twice by NVML, each time with all of its memory."""
    used = {process.pid: process.usedGpuMemory for process in processes}
    return tuple(Tenant(pid, None if size is None else mib(size), command(pid)) for pid, size in sorted(used.items()))


def _told(nvml: Any, function: Callable[[], T], problems: list[str], prefix: str = "") -> T | None:
    """A value, or None; a refusal that means more than "this card does not tell" goes to `problems`."""
    try:
        return function()
    except nvml.NVMLError as error:
        if error.value not in NOT_TOLD:
            problems.append(prefix + sentence(error.value))
        return None
