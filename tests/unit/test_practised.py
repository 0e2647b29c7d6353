"""What the rehearsal model has not learnt is not asked of it, and nothing else is left out for that."""

import json
from pathlib import Path

from ernie_deploy.rehearsal.learnt import abilities
from ernie_deploy.smoke.practised import NEEDED, why_not_learnt
from ernie_deploy.smoke.registry import PROBES

RECORD = json.loads((Path(__file__).parents[2] / "ernie_deploy/rehearsal/train.json").read_text(encoding="utf-8"))


def test_every_probe_that_needs_an_ability_exists() -> None:
    assert set(NEEDED) <= {probe.id for probe in PROBES}


def test_a_probe_is_left_out_only_for_what_was_not_learnt() -> None:
    assert why_not_learnt("zoom-loop", {"small_print"}) == "the rehearsal model has not learnt: small_print_read"
    assert why_not_learnt("zoom-loop", {"small_print", "small_print_read", "text"}) is None
    assert why_not_learnt("health", set()) is None


def test_what_the_shipped_model_has_learnt_is_what_its_record_says() -> None:
    assert RECORD["gate"] == "passed"
    assert abilities() == set(RECORD["abilities"])
