"""What earlier starts say about the time left, and that bad records do no harm."""

from pathlib import Path

import pytest

from ernie_deploy.serve import boots
from ernie_deploy.serve.boots import BOOTS_FILE, MOST_BOOTS, MOST_PLANS, Boot, Left, left
from ernie_deploy.serve.readiness import Progress
from tests.support.plans import a_plan

# Ten seconds until the weights, a minute of weights, half a minute more.
EARLIER = Boot((("starting workers", 2.0), ("loading weights", 10.0), ("profiling memory", 70.0)), 100.0)


@pytest.mark.parametrize(
    ("progress", "seconds"),
    [
        (Progress("starting workers", 2.0), 98.0),
        (Progress("starting workers", 5.0, stage_s=3.0), 95.0),
        (Progress("loading weights", 10.0, percent=0), 90.0),
        (Progress("loading weights", 13.0, percent=5, stage_s=3.0), 87.0),
        # Twice as slow as then: what is left of the stage is told by its own pace.
        (Progress("loading weights", 70.0, percent=50, stage_s=60.0), 90.0),
        (Progress("loading weights", 130.0, percent=100, stage_s=120.0), 30.0),
        (Progress("profiling memory", 75.0, stage_s=5.0), 25.0),
        # Longer than ever before: nothing is left of the stage, by all that is known.
        (Progress("profiling memory", 170.0, stage_s=100.0), 0.0),
    ],
)
def test_the_time_left_is_that_of_the_stage_and_of_all_after_it(progress: Progress, seconds: float) -> None:
    assert left([EARLIER], progress) == Left(seconds, 1)


def test_the_median_of_several_starts_counts_and_those_that_had_no_such_stage_do_not() -> None:
    starts = [Boot((("loading weights", 0.0),), total) for total in (30.0, 40.0, 500.0)]
    other = Boot((("serving", 1.0),), 2.0)
    assert left([*starts, other], Progress("loading weights", 0.0)) == Left(40.0, 3)
    assert left([other], Progress("loading weights", 0.0)) is None
    assert left([], Progress("loading weights", 0.0)) is None


def test_plans_that_start_alike_have_one_key() -> None:
    key = boots.plan_key(a_plan())
    assert key == boots.plan_key(a_plan(port=9000, name="other", api_key_file="/k"))
    different = ({"quantization": "wint4"}, {"max_model_len": 4096}, {"engine_version": "2.3.0"}, {"gpus": (0, 1)})
    assert len({key, *(boots.plan_key(a_plan(**change)) for change in different)}) == 5


def test_starts_are_remembered_up_to_a_number(tmp_path: Path) -> None:
    for number in range(MOST_BOOTS + 3):
        boots.remember(tmp_path, "a", Boot((), float(number)))
    assert [boot.ready_after_s for boot in boots.read(tmp_path)["a"]] == [3.0, 4.0, 5.0, 6.0, 7.0]
    for number in range(MOST_PLANS):
        boots.remember(tmp_path, f"plan {number}", EARLIER)
    assert "a" not in boots.read(tmp_path)
    assert len(boots.read(tmp_path)) == MOST_PLANS


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": [{"stages": 1}]}', b"\xff\xfe", b"0" * (1 << 21),
                                     b'{"a": [{"stages": [], "ready_after_s": -1}]}',
                                     b'{"a": [{"stages": [], "ready_after_s": NaN}]}',
                                     b'{"a": [{"stages": [["x", 1e300]], "ready_after_s": 1}]}'])  # fmt: skip
def test_a_damaged_record_is_no_record_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / BOOTS_FILE).write_bytes(content)
    assert boots.read(tmp_path) == {}
    boots.remember(tmp_path, "a", EARLIER)
    assert boots.read(tmp_path) == {"a": (EARLIER,)}


def test_nothing_is_remembered_where_nothing_can_be_written(tmp_path: Path) -> None:
    boots.remember(tmp_path / "missing", "a", EARLIER)
    assert boots.read(tmp_path / "missing") == {}


def test_a_start_is_recorded_by_its_stages() -> None:
    stages = (Progress("loading weights", 1.234, percent=3), Progress("serving", 9.0))
    assert boots.boot_of(stages, 10.0) == Boot((("loading weights", 1.23), ("serving", 9.0)), 10.0)
