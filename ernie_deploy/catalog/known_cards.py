"""Cards that can be planned for without being here: the values in known_cards.yaml."""

import difflib
import re
from functools import cache
from typing import Literal

import msgspec

from ernie_deploy.catalog.load import read
from ernie_deploy.errors import UsageError

LONGEST_NAME = 60
LISTED_BY = "`ernie-deploy plan --cards` lists them"
NOT_PART_OF_A_NAME = re.compile(r"[\s_-]|nvidia|geforce|tesla")

Certainty = Literal["seen", "derived"]


class KnownCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One card. `name` is NVML's, `total_mib` its reading with ECC as shipped; the YAML file explains the rest."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    sold_gb: int
    total_mib: int
    ecc: Literal["shipped-on", "shipped-off", "free", "none"]
    other_ecc_mib: int | None = None
    other_ecc_certainty: Certainty | None = None
    earlier_mib: tuple[int, ...] = ()
    certainty: Certainty
    memory: str
    compute_capability: str
    driver: int
    driver_certainty: Literal["listed", "assumed"]
    source: str
    note: str = ""

    @property
    def readings_mib(self) -> tuple[int, ...]:
        """Everything that such a card is known to read."""
        return (self.total_mib, *((self.other_ecc_mib,) if self.other_ecc_mib else ()), *self.earlier_mib)

    @property
    def called(self) -> tuple[str, ...]:
        """All its names."""
        return (self.id, self.name, *self.aliases)


class KnownCards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    cards: tuple[KnownCard, ...]


@cache
def known_cards() -> tuple[KnownCard, ...]:
    """All of it, decoded strictly: a wrong catalog is a bug."""
    return msgspec.convert(read("known_cards.yaml"), KnownCards).cards


def card_named(text: str) -> KnownCard:
    """`l20`, `NVIDIA L20`, `rtx4090` → the card. Raises UsageError, with the nearest names, for any other word."""
    wanted = folded(text)
    if found := _by_name().get(wanted):
        return found
    if several := [card.id for card in known_cards() if wanted and folded(card.id).startswith(wanted)]:
        raise UsageError(f"{text!r} can be several cards", hint=f"say which: {', '.join(several)}")
    close = difflib.get_close_matches(wanted[:LONGEST_NAME], _by_name(), n=3, cutoff=0.6)
    ids = dict.fromkeys(_by_name()[name].id for name in close)
    hint = f"did you mean {' or '.join(ids)}? {LISTED_BY}" if ids else LISTED_BY
    raise UsageError(f"{text[:LONGEST_NAME]!r} is no card that is known by name", hint=hint)


def folded(text: str) -> str:
    """`NVIDIA A100-SXM4-80GB` → `a100sxm480g`: what counts of a name."""
    return NOT_PART_OF_A_NAME.sub("", text.lower()).replace("gb", "g")


@cache
def _by_name() -> dict[str, KnownCard]:
    return {folded(name): card for card in known_cards() for name in card.called}
