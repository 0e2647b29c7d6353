"""The catalog of cards that are not here: what it says agrees with itself and with `sold_as`."""

import subprocess
import sys
from pathlib import Path

import pytest

from ernie_deploy.catalog.cards import cards, sold_as_gb
from ernie_deploy.catalog.known_cards import KnownCard, card_named, folded, known_cards
from ernie_deploy.errors import UsageError
from tests.support import nvml

ROOT = Path(__file__).parents[2]
EACH = pytest.mark.parametrize("card", known_cards(), ids=lambda card: card.id)


@EACH
def test_every_reading_of_a_card_counts_as_the_size_it_is_sold_by(card: KnownCard) -> None:
    assert {sold_as_gb(reading) for reading in card.readings_mib} == {card.sold_gb}


@EACH
def test_ecc_takes_a_sixteenth_or_nothing(card: KnownCard) -> None:
    if card.ecc in ("free", "none"):
        assert card.other_ecc_mib is None
    elif card.other_ecc_mib:
        on, off = sorted((card.total_mib, card.other_ecc_mib))
        assert card.total_mib == (on if card.ecc == "shipped-on" else off)
        assert abs(off * 15 / 16 - on) < 1
    assert (card.other_ecc_mib is None) == (card.other_ecc_certainty is None)


@EACH
def test_earlier_drivers_reported_a_little_less(card: KnownCard) -> None:
    now = [reading for reading in (card.total_mib, card.other_ecc_mib) if reading]
    for earlier in card.earlier_mib:
        assert any(0.98 * reading < earlier < reading for reading in now)


@EACH
def test_a_card_is_found_by_each_of_its_names(card: KnownCard) -> None:
    for name in card.called:
        assert card_named(name) is card
        assert card_named(f" {name.upper().replace('-', '_')} ") is card


@EACH
def test_what_is_worked_out_says_how(card: KnownCard) -> None:
    if card.certainty == "derived":
        assert "as the" in card.source
    if card.other_ecc_certainty == "derived":
        assert ("by 16/15" if card.ecc == "shipped-on" else "by 15/16") in card.source


@EACH
def test_what_a_list_says_of_the_driver_is_within_that_list(card: KnownCard) -> None:
    assert (card.driver_certainty == "listed") == (card.driver >= 515)


def test_the_cards_of_the_fake_nvml_are_the_same_cards() -> None:
    faked = [card for card in vars(nvml).values() if isinstance(card, nvml.Card)]
    assert len(faked) >= 10
    for fake in faked:
        known = card_named(fake.name)
        assert (fake.name, fake.total_mib, fake.compute_capability) == (
            known.name,
            known.total_mib,
            known.compute_capability,
        )


def test_no_name_means_two_cards() -> None:
    owners = {(folded(name), card.id) for card in known_cards() for name in card.called}
    assert len(owners) == len({name for name, _ in owners})
    assert len({card.id for card in known_cards()}) == len(known_cards()) >= 30


def test_there_is_a_card_of_every_size_that_is_sold() -> None:
    assert {card.sold_gb for card in known_cards()} == {size.gb for size in cards().sold_as}


def test_the_cards_of_the_published_table_are_known() -> None:
    asked = ("A30", "L20", "H20", "A100-80G", "H800")
    assert [(card_named(name).sold_gb, card_named(name).compute_capability) for name in asked] == [
        (24, "8.0"),
        (48, "8.9"),
        (96, "9.0"),
        (80, "8.0"),
        (80, "9.0"),
    ]


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("l20", "L20"),
        ("NVIDIA L20", "L20"),
        ("rtx4090", "RTX-4090"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("tesla_t4", "T4"),
        ("A100 80GB", "A100-80G"),
        ("a100-80gb-pcie", "A100-80G-PCIe"),
        ("H20-3e", "H20-141G"),
        ("RTX 6000 Ada", "RTX-6000-Ada"),
    ],
)
def test_a_name_may_be_written_as_people_write_it(text: str, card: str) -> None:
    assert card_named(text).id == card


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("L21", "'L21' is no card that is known by name", "did you mean L2 or L20? `ernie-deploy plan --cards` lists"),
        (
            "A100",
            "'A100' can be several cards",
            "say which: A100-40G, A100-40G-PCIe, A100-64G, A100-80G, A100-80G-PCIe",
        ),
        ("V100", "'V100' can be several cards", "say which: V100-16G, V100-32G"),
        ("abacus", "'abacus' is no card that is known by name", "`ernie-deploy plan --cards` lists them"),
        ("", "'' is no card that is known by name", "`ernie-deploy plan --cards` lists them"),
        ("NVIDIA", "'NVIDIA' is no card that is known by name", "`ernie-deploy plan --cards` lists them"),
        ("x" * 100_000, f"'{'x' * 60}' is no card that is known by name", "`ernie-deploy plan --cards` lists them"),
    ],
)
def test_another_word_is_refused_with_the_nearest_names(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        card_named(text)
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


def test_the_page_of_cards_is_up_to_date() -> None:
    script = ROOT / "scripts" / "cards_reference.py"
    done = subprocess.run((sys.executable, str(script), "--check"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
