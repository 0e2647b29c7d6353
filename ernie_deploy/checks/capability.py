"""Does the engine have kernels for the chosen cards?"""

from packaging.version import InvalidVersion, Version

from ernie_deploy.catalog.cards import Capability, cards
from ernie_deploy.checks import gpu
from ernie_deploy.checks.base import Result, Subject
from ernie_deploy.facts.values import Gpu

NAME = "compute-capability"


def judge(subject: Subject) -> Result:
    if why := gpu.why_skipped(subject):
        return Result(NAME, "skip", why)
    engine = subject.plan.engine.value
    needed = cards().compute_capability[engine]
    chosen = gpu.chosen(subject)
    unfit = [card for card in chosen if _is_told(card) and not suits(card.compute_capability or "", needed)]
    if unfit:
        names = ", ".join(f"card {card.index} ({card.name}) has {card.compute_capability}" for card in unfit)
        wanted = " or ".join(needed.supported) or f"{needed.at_least} or later"
        message = f"{names}; {engine} runs on {wanted}: {needed.why}"
        return Result(NAME, "fail", message, f"choose a card of compute capability {wanted} with --gpu")
    silent = [card for card in chosen if not _is_told(card)]
    if silent:
        message = f"card {silent[0].index} does not tell its compute capability"
        return Result(NAME, "warn", message, f"make sure that {silent[0].name} is one of those that {engine} supports")
    return _wheel(subject, needed, chosen)


def _wheel(subject: Subject, needed: Capability, chosen: tuple[Gpu, ...]) -> Result:
    """Older versions come as one wheel per architecture, which neither pip nor its metadata can tell apart."""
    versions = ", ".join(sorted({card.compute_capability or "" for card in chosen}))
    version = subject.plan.engine_version.value
    if not needed.wheels or not version or not _is_before(version, needed.wheels_until):
        return Result(NAME, "pass", f"compute capability {versions}")
    for wheel in needed.wheels:
        if all(card.compute_capability in wheel.supported for card in chosen):
            message = f"{version} has one wheel per architecture; for {versions} it must come from {wheel.name}"
            hint = f"install it from PaddlePaddle's index {wheel.name}, or take {needed.wheels_until} or later"
            return Result(NAME, "warn", message, hint)
    message = f"no wheel of {version} has kernels for all of {versions}"
    return Result(NAME, "fail", message, f"take version {needed.wheels_until} or later, or cards of one kind")


def _is_told(card: Gpu) -> bool:
    """Facts may come from another host's file, with anything in place of `8.9`."""
    try:
        return bool(Version(card.compute_capability or ""))
    except InvalidVersion:
        return False


def has_kernels(card: Gpu, engine: str) -> bool:
    """Whether the engine runs on this card, as far as the card tells."""
    return _is_told(card) and suits(card.compute_capability or "", cards().compute_capability[engine])


def suits(capability: str, needed: Capability) -> bool:
    """Whether there are kernels for this compute capability."""
    if needed.supported:
        return capability in needed.supported
    return Version(capability) >= Version(needed.at_least)


def _is_before(version: str, release: str) -> bool:
    """Pre-releases count as the release: what matters is how it was built."""
    try:
        return Version(version).release < Version(release).release
    except InvalidVersion:
        return False
