"""`--gpu L20`: a plan for cards that are not here. A whole number is an index, anything else is a card's name."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ernie_deploy.errors import UsageError

if TYPE_CHECKING:
    from ernie_deploy.catalog.known_cards import KnownCard
    from ernie_deploy.facts.values import GpuFacts
    from ernie_deploy.plan.layers import Layer

# What only thinks can think of another host's cards; everything else needs those that are here.
THINKERS = ("plan", "config", "explain", "check")
INDEX = re.compile(r"[+-]?[0-9]{1,18}")
INDICES = re.compile(r"[0-9]+(\s*,\s*[0-9]+)+")
SEVERAL = re.compile(r"([0-9]{1,18})\s*[xX*×]\s*(.+)", re.DOTALL)
MOST_CARDS = 64
# No host has so many cards: `--gpu 4090` means the card.
NO_INDEX = 1000


class Split(NamedTuple):
    """What stood after `--gpu`, by kind."""

    indices: list[int]
    names: tuple[str, ...]


class Elsewhere(NamedTuple):
    """The cards in place of those of this host, the layer that says that all of them are used, and both in words."""

    gpu: "GpuFacts"
    layer: "Layer"
    told: str


def split(words: Sequence[str], command: str) -> Split:
    """Indices and names. Raises UsageError for both at once, and for names where cards that are here are needed."""
    indices = [int(word) for word in words if INDEX.fullmatch(word.strip())]
    names = tuple(word for word in words if not INDEX.fullmatch(word.strip()))
    for index in indices:
        if index >= NO_INDEX:
            _refuse_if_a_name(index)
    for name in names:
        if INDICES.fullmatch(name):
            hint = " ".join(f"--gpu {index}" for index in re.findall(r"[0-9]+", name))
            raise UsageError(f"--gpu {name[:60]}: one index each", hint=hint[:200])
    if not names:
        return Split(indices, ())
    kinds = [_counted(name)[1].id for name in names]
    if command not in THINKERS:
        message = f"--gpu {names[0]}: that is a card's name, and `{command}` needs the index of a card that is here"
        hint = f"`nvidia-smi -L` lists them; `ernie-deploy plan --gpu {kinds[0]}` answers for one that is not here"
        raise UsageError(message, hint=hint)
    if indices:
        message = f"--gpu: {names[0]} is a card's name and {indices[0]} an index of this host"
        raise UsageError(message, hint="give indices alone, or names alone")
    return Split([], names)


def elsewhere(names: Sequence[str], layers: "Sequence[Layer]") -> Elsewhere:
    """The cards that `names` stand for; one name alone is as many cards as the model is spread over."""
    from ernie_deploy.facts import elsewhere as facts
    from ernie_deploy.plan.layers import asked, find
    from ernie_deploy.spec.load import decode

    device, parallel = find(layers, "device"), find(layers, "tensor_parallel_size")
    if device and device.value == "cpu":
        raise UsageError(f"--gpu {names[0]}: the plan is for a CPU ({device.origin})", hint="leave one of them out")
    counted = [_counted(name) for name in names]
    spread = parallel.value if parallel and len(names) == 1 and isinstance(parallel.value, int) else 1
    numbers = [_sensible(spread if count is None else count) for count, _ in counted]
    total = _sensible(sum(numbers))
    kinds = [card for _, card in counted]
    cards = (
        facts.Card(kind.name, kind.total_mib, kind.compute_capability)
        for kind, number in zip(kinds, numbers, strict=True)
        for _ in range(number)
    )
    told = ", ".join(
        f"{f'{number} × ' if number > 1 else ''}{kind.name} with {kind.total_mib} MiB"
        for kind, number in zip(kinds, numbers, strict=True)
    )
    spec: dict[str, object] = {"gpus": list(range(total))}
    if total > 1 and not parallel and _can_spread(layers):
        spec["tensor_parallel_size"] = total
    whys = {
        "gpus": f"asked for by --gpu, and not here: {told}",
        "tensor_parallel_size": "all the cards that --gpu names",
    }
    return Elsewhere(facts.seen(cards), asked("flag", "--gpu", decode(spec, "--gpu"))._replace(whys=whys), told)


def _can_spread(layers: "Sequence[Layer]") -> bool:
    from ernie_deploy.catalog.load import engines
    from ernie_deploy.plan.layers import find

    engine = find(layers, "engine")
    return engine is not None and "tensor_parallel_size" in engines()[str(engine.value)].settings


def _counted(name: str) -> "tuple[int | None, KnownCard]":
    """`2xL20` → two of that card, `L20` → as many as fit the rest."""
    from ernie_deploy.catalog.known_cards import card_named

    several = SEVERAL.fullmatch(name.strip())
    count, word = (_sensible(int(several[1])), several[2]) if several else (None, name)
    try:
        return count, card_named(word)
    except UsageError as error:
        raise UsageError(f"--gpu {name[:60]}: {error.message}", hint=error.hint) from None


def _sensible(count: int) -> int:
    if 1 <= count <= MOST_CARDS:
        return count
    raise UsageError(f"--gpu: expected 1 to {MOST_CARDS} cards, got {count}")


def _refuse_if_a_name(index: int) -> None:
    from ernie_deploy.catalog.known_cards import card_named

    try:
        card = card_named(str(index))
    except UsageError:
        return
    raise UsageError(f"--gpu {index}: a number is an index on this host", hint=f"for the card: --gpu {card.id}")
