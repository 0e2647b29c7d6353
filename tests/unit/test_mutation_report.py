"""The report on faults and probes: it cannot be pleased by nothing, and its page names every fault and every probe."""

import re
import runpy
from pathlib import Path
from typing import Any

from ernie_deploy.sim.fastdeploy.faults import known
from ernie_deploy.smoke.registry import PROBES

ROOT = Path(__file__).parents[2]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "mutation_report.py"))
PAGE = ROOT / "docs" / "reference" / "smoke-mutation.md"
FIRST, SECOND = PROBES[0].id, PROBES[1].id


def found(fault: str, **verdicts: str) -> Any:
    named = {name.replace("_", "-"): verdict for name, verdict in verdicts.items()}
    return SCRIPT["Run"](fault, named, dict.fromkeys(named, "said"), 1.0)


def test_only_a_failure_counts_as_having_noticed() -> None:
    run = found("blind", a="fail", b="unsupported", c="skip", d="pass")
    assert run.fired == ("a",)


def test_a_failure_where_nothing_is_wrong_is_a_false_alarm() -> None:
    assert SCRIPT["alarms"]([found("", a="pass"), found("", a="fail")]) == ["a (seed 1): said"]


def test_a_verdict_that_changes_is_told() -> None:
    assert SCRIPT["changed"]([found("", a="pass", b="skip"), found("", a="pass", b="pass")]) == ["b"]


def test_a_probe_that_no_fault_makes_fail_is_told() -> None:
    never = SCRIPT["idle"]([found("blind", **{FIRST.replace("-", "_"): "fail", SECOND.replace("-", "_"): "pass"})])
    assert FIRST not in never
    assert SECOND in never


def test_every_fault_of_a_service_that_serves_is_a_mutant_or_is_left_out_with_a_reason() -> None:
    mutants = {fault.name for fault in SCRIPT["serving_faults"]()}
    assert len(mutants) >= 100
    of_the_start = {fault.name for fault in known().values() if fault.kind in ("worker", "server", "process")}
    assert set(known()) - mutants - of_the_start == set(SCRIPT["NO_MUTANTS"])


def test_the_page_is_of_these_faults_and_these_probes_and_each_fault_is_caught() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*?) \| (\d+) \| (.*) \|$", text, re.MULTILINE)
    assert [(name, says) for name, says, _, _ in rows] == [(one.name, one.says) for one in SCRIPT["serving_faults"]()]
    assert all(int(count) > 0 for _, _, count, _ in rows)
    assert f"asked all {len(PROBES)} probes" in text
    assert {name for *_, cell in rows for name in re.findall(r"`([a-z0-9-]+)`", cell)} <= {one.id for one in PROBES}
