"""Write docs/reference/cards.md from ernie_deploy/catalog/known_cards.yaml.

python scripts/cards_reference.py            write it
python scripts/cards_reference.py --check    only say whether it is up to date; exit code 1 when it is not
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from page_writer import publish

from ernie_deploy.catalog.known_cards import KnownCard, known_cards

INTRODUCTION = """\
# Cards

This page is written by `scripts/cards_reference.py` from
[known_cards.yaml](../../ernie_deploy/catalog/known_cards.yaml). Edit that file, not this page.

These {count} cards can be planned for without being here:

```
ernie-deploy plan --gpu L20
ernie-deploy plan --gpu L20 --tensor-parallel-size 2
ernie-deploy check --gpu 2xA30
ernie-deploy plan --cards
```

After `--gpu` a whole number is the NVML index of a card of this host, also `4090`. Anything else is the name of a card
of this page: its id, what NVML calls it, or another name. Case, spaces, `-`, `_`, `NVIDIA`, `GeForce` and `Tesla` do
not count, and `GB` is `G`. `plan`, `config`, `explain` and `check` take names. Commands that start or look at something
refuse them, and so do deploy.yaml and `ERNIE_DEPLOY_GPUS`: what is written down is for a host. Names and indices do not
go together, and neither do names and `--facts`, whose host has cards of its own.

`--gpu 2xL20` or `--gpu L20 --gpu L20` is two cards, and the model is spread over both unless `tensor_parallel_size`
says otherwise; one name alone is as many cards as `tensor_parallel_size` says. Nobody else uses a card that is not
here, and its driver is not known. All that is not about cards (memory, disk, ports, interpreters, the model) is still
that of this host; to ask about another host altogether, take its facts: `--facts FILE`.

`MiB` is the total that NVML reports with ECC as the card is shipped, `MiB, ECC switched` the one in the other state:
ECC takes a sixteenth of GDDR6, and nothing of HBM or GDDR7. Drivers before 510 report a little less. A `*` marks what
was worked out; all other readings were found in published output of `nvidia-smi`, and none was made by us. `SM` is the
compute capability. `driver` is the first branch that runs the card, with a `?` where no list of NVIDIA's was read;
FastDeploy asks for more in any case ([checks](checks.md#driver)). That a card is on this page says nothing about
whether the model fits it or the engine supports it: ask `check`."""
COLUMNS = (
    "card",
    "NVML calls it",
    "other names",
    "sold as",
    "MiB",
    "MiB, ECC switched",
    "memory",
    "SM",
    "driver",
    "source",
)


def page() -> str:
    """The whole page."""
    rows = (COLUMNS, tuple("---" for _ in COLUMNS), *(_row(card) for card in known_cards()))
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"{INTRODUCTION.format(count=len(known_cards()))}\n\n{table}\n"


def _row(card: KnownCard) -> tuple[str, ...]:
    switched = "" if card.other_ecc_mib is None else f"{card.other_ecc_mib}{_mark(card.other_ecc_certainty)}"
    return (
        f"`{card.id}`",
        card.name,
        ", ".join(f"`{alias}`" for alias in card.aliases),
        f"{card.sold_gb} GB",
        f"{card.total_mib}{_mark(card.certainty)}",
        switched,
        card.memory,
        card.compute_capability,
        f"{card.driver}{'' if card.driver_certainty == 'listed' else '?'}",
        f"{card.source}{f'; {card.note}' if card.note else ''}",
    )


def _mark(certainty: str | None) -> str:
    return "*" if certainty == "derived" else ""


if __name__ == "__main__":
    sys.exit(publish("cards.md", page()))
