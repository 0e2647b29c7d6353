"""Are the cards here that the plan chose?"""

from typing import Final

from ernie_deploy.catalog.cards import sold_as_gb
from ernie_deploy.checks.base import Result, Subject
from ernie_deploy.facts.values import Gpu

NO_CARD_NEEDED: Final = "a rehearsal on the CPU needs no card"
NOT_SEEN: Final = "the chosen cards were not seen (see the check gpu)"


def why_skipped(subject: Subject) -> str:
    """Why there is no card to judge, `""` when there is one: for every check that is about cards."""
    if subject.plan.device.value == "cpu":
        return NO_CARD_NEEDED
    return "" if chosen(subject) else NOT_SEEN


def chosen(subject: Subject) -> tuple[Gpu, ...]:
    """The cards of the plan, as far as this host has them."""
    return tuple(gpu for gpu in subject.facts.gpu.gpus if gpu.index in subject.plan.gpus.value)


def describe(gpu: Gpu) -> str:
    """`card 0 (NVIDIA L20, 46068 MiB, sold as 48 GB)`."""
    sold = sold_as_gb(gpu.total_mib)
    return f"card {gpu.index} ({gpu.name}, {gpu.total_mib} MiB{f', sold as {sold} GB' if sold else ''})"


def judge(subject: Subject) -> Result:
    facts = subject.facts.gpu
    if subject.plan.device.value == "cpu":
        return Result("gpu", "skip", NO_CARD_NEEDED)
    if not facts.gpus:
        return Result(
            "gpu",
            "fail",
            f"no NVIDIA card is usable here{f': {facts.problem}' if facts.problem else ''}",
            "run it on a host with an NVIDIA card; without one, `ernie-deploy rehearse` proves the path on the CPU",
        )
    here = [gpu.index for gpu in facts.gpus]
    missing = [index for index in subject.plan.gpus.value if index not in here]
    if missing:
        return Result(
            "gpu",
            "fail",
            f"{_cards(missing)} not here; this host has {_cards(here)}{f' ({facts.problem})' if facts.problem else ''}",
            f"choose one that is here: --gpu {here[0]}",
        )
    names = ", ".join(describe(gpu) for gpu in chosen(subject))
    if facts.problem:
        return Result("gpu", "warn", f"{names}; but NVML says: {facts.problem}", "look at `nvidia-smi` and at dmesg")
    return Result("gpu", "pass", names)


def _cards(indices: list[int]) -> str:
    numbers = ", ".join(str(index) for index in indices)
    return f"card {numbers}" if len(indices) == 1 else f"cards {numbers}"
