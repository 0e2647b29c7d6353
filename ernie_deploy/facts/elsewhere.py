"""Cards that are not here, as if they were: what NVML would say of them when nobody uses them."""

from collections.abc import Iterable
from typing import NamedTuple

from ernie_deploy.facts.values import Gpu, GpuFacts


class Card(NamedTuple):
    """What is known beforehand of one."""

    name: str
    total_mib: int
    compute_capability: str


def seen(cards: Iterable[Card]) -> GpuFacts:
    """A host with these cards alone, counted from 0; its driver is not known."""
    return GpuFacts(
        gpus=tuple(
            Gpu(
                index=index,
                name=card.name,
                uuid="",
                total_mib=card.total_mib,
                used_mib=0,
                compute_capability=card.compute_capability,
                mig_enabled=False,
            )
            for index, card in enumerate(cards)
        )
    )
