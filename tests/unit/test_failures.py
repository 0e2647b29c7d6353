"""How often a plan failed of late."""

from pathlib import Path

from ernie_deploy.serve import failures

HOUR_S = 3600.0


def test_failures_of_this_plan_within_the_hour_are_counted(tmp_path: Path) -> None:
    for at, key in ((0.0, "a"), (1000.0, "a"), (2000.0, "b"), (3700.0, "a")):
        failures.note(tmp_path, key, now=at)
    assert failures.recent(tmp_path, "a", now=3800.0) == 2
    assert failures.recent(tmp_path, "b", now=3800.0) == 1
    assert failures.recent(tmp_path, "c", now=3800.0) == 0


def test_a_start_that_succeeds_ends_the_count_for_its_plan_only(tmp_path: Path) -> None:
    for key in "aab":
        failures.note(tmp_path, key, now=10.0)
    failures.forget(tmp_path, "a")
    assert (failures.recent(tmp_path, "a", now=10.0), failures.recent(tmp_path, "b", now=10.0)) == (0, 1)


def test_a_clock_that_was_put_back_counts_nothing(tmp_path: Path) -> None:
    failures.note(tmp_path, "a", now=HOUR_S)
    assert failures.recent(tmp_path, "a", now=0.0) == 0


def test_a_damaged_file_counts_for_nothing_and_only_so_many_are_kept(tmp_path: Path) -> None:
    (tmp_path / failures.FAILURES_FILE).write_bytes(b'[1, "a"]\n[2, ')
    assert failures.recent(tmp_path, "a", now=10.0) == 0
    for _ in range(failures.MOST + 5):
        failures.note(tmp_path, "a", now=10.0)
    assert failures.recent(tmp_path, "a", now=10.0) == failures.MOST


def test_where_nothing_can_be_written_nothing_is_said(tmp_path: Path) -> None:
    failures.note(tmp_path / "missing", "a", now=10.0)
    assert failures.recent(tmp_path / "missing", "a", now=10.0) == 0
