"""Which cards hold the model, and what else a host needs: the values in cards.yaml."""

from functools import cache

import msgspec

from ernie_deploy.catalog.load import read


class SoldAs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card counts as sold with `gb` when NVML reports at least `from_mib`."""

    gb: int
    from_mib: int
    why: str


class Holds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published minimum: `cards` of `gb` each hold the model in this quantization."""

    quantization: str
    gb: int
    cards: int


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody has published about an engine; `source` is who."""

    source: str
    rows: tuple[Holds, ...]


class Wheel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of several builds of the same version, and the compute capabilities it has kernels for."""

    name: str
    supported: tuple[str, ...]


class Capability(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The compute capabilities an engine runs on: exactly `supported`, or `at_least` one."""

    why: str
    supported: tuple[str, ...] = ()
    at_least: str = ""
    wheels_until: str = ""
    wheels: tuple[Wheel, ...] = ()


class Driver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Major versions of the NVIDIA driver."""

    fail_below: int
    fail_why: str
    warn_below: int
    warn_why: str


class Needs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a host must have beside the card."""

    ram_total_fail_gib: float
    ram_total_warn_gib: float
    ram_available_fail_gib: float
    ram_why: str
    shm_fail_gib: float
    shm_warn_gib: float
    shm_why: str
    state_free_gib: float


class Cards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `holds` and `compute_capability` are by engine, `needs` by device."""

    sold_as: tuple[SoldAs, ...]
    holds: dict[str, Published]
    used_worth_a_word_mib: int
    compute_capability: dict[str, Capability]
    driver: Driver
    needs: dict[str, Needs]
    download_free_gb: float


@cache
def cards() -> Cards:
    """All of it, decoded strictly: a wrong catalog is a bug."""
    return msgspec.convert(read("cards.yaml"), Cards)


def sold_as_gb(total_mib: int) -> int:
    """`46068` → `48`: the size by which such a card is sold, 0 for one smaller than all that are known."""
    return max((size.gb for size in cards().sold_as if total_mib >= size.from_mib), default=0)
