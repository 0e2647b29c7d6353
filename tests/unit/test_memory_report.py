"""What engines report about memory is read from their logs, and what is no size is not known."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_deploy.engines.memory_report import GIB, MemoryReport, parse
from ernie_deploy.sim.fastdeploy.scenario import ALLOCATED_GIB, BLOCK_GIB, BLOCKS, KV_GIB, RESERVED_GIB, USED_GIB, play
from tests.support.engines import REPOSITORY

CAPTURED = REPOSITORY / "tests" / "captured" / "memory"
AFTER = "After running the profile, the memory usage info is as follows:"


def lines(name: str) -> list[str]:
    return (CAPTURED / name).read_text(encoding="utf-8").splitlines()


def gib(size: float) -> int:
    return round(size * GIB)


def test_of_two_cards_the_one_with_the_least_room_counts_across_the_logs_of_fastdeploy() -> None:
    names = ("gpu_worker", "worker_process", "console")
    assert parse("fastdeploy", *(lines(f"fastdeploy-two-cards-{name}.log") for name in names)) == MemoryReport(
        "fastdeploy",
        total_bytes=gib(44.98828125),
        used_bytes=gib(17.1),
        reserved_peak_bytes=gib(18.5),
        allocated_peak_bytes=gib(18.1),
        kv_bytes=gib(20.189453125),
        kv_tokens=11813 * 64,
        blocks=11813,
        block_size=64,
        block_bytes=gib(0.001708984375),
        max_concurrency=5.0,
    )


def test_of_several_boots_in_one_log_the_last_counts() -> None:
    found = parse("fastdeploy", lines("fastdeploy-twice-worker_process.log"))
    assert (found.total_bytes, found.used_bytes, found.blocks) == (gib(139.81), gib(29.9), 27004)
    assert found.kv_bytes == gib(92.3)
    twice = lines("vllm-two-cards.log") + lines("vllm-cpu-share.log")
    assert parse("vllm", twice) == parse("vllm", lines("vllm-cpu-share.log"))


def test_what_the_last_boot_does_not_tell_is_not_taken_from_the_one_before() -> None:
    first = lines("fastdeploy-twice-worker_process.log")[:7]
    assert parse("fastdeploy", first).kv_bytes == gib(8.1)
    again = [*first, "Before running the profile, the memory usage info is as follows:", AFTER, "----"]
    assert parse("fastdeploy", again) == MemoryReport("fastdeploy")


def test_vllm_on_a_cpu_tells_the_memory_of_the_host() -> None:
    assert parse("vllm", lines("vllm-cpu-share.log")) == MemoryReport(
        "vllm",
        total_bytes=gib(23.54),
        used_bytes=gib(0.56),
        kv_bytes=gib(2.27),
        kv_tokens=3_169_024,
        max_concurrency=773.69,
    )
    given_size = parse("vllm", lines("vllm-cpu-given.log"))
    assert (given_size.kv_bytes, given_size.kv_tokens, given_size.max_concurrency) == (gib(0.06), 87_296, 21.31)


def test_vllm_on_two_cards_through_its_colours() -> None:
    assert parse("vllm", lines("vllm-two-cards.log")) == MemoryReport(
        "vllm",
        kv_bytes=gib(7.93),
        kv_tokens=296_960,
        weights_bytes=gib(27.44),
        graphs_bytes=gib(0.56),
        max_concurrency=9.06,
    )


def test_the_simulator_reports_as_the_engine_does() -> None:
    steps = play(1.0, (), elapsed_s=0.0, has_new_logs=True)
    said = parse("fastdeploy", [str(step[2]) for step in steps if step[0] == "log"])
    sizes = (said.used_bytes, said.reserved_peak_bytes, said.allocated_peak_bytes, said.kv_bytes, said.block_bytes)
    assert sizes == tuple(map(gib, (USED_GIB, RESERVED_GIB, ALLOCATED_GIB, KV_GIB, BLOCK_GIB)))
    assert said.blocks == BLOCKS == KV_GIB // BLOCK_GIB + 1


def test_a_limit_on_blocks_is_told_and_does_not_change_what_was_left() -> None:
    said = ["-- available_kv_cache_memory:150.5 GB --", "------- Reset num_blocks_local 45088 to 40000", "x"]
    found = parse("fastdeploy", said)
    assert (found.kv_bytes, found.blocks) == (gib(150.5), 40000)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-8.1", "0", "0.0", "1e300", "99999999", "", "8,1,", "eight"])
def test_what_is_no_size_is_not_known_and_never_zero(value: str) -> None:
    found = parse("fastdeploy", [f"------- available_kv_cache_memory:{value} GB --------", "more"])
    assert found.kv_bytes in (None, gib(81))
    assert (found.kv_bytes is None) == (value != "8,1,")
    assert parse("vllm", [f"Available KV cache memory: {value} GiB", "more"]).kv_bytes == found.kv_bytes


def test_more_than_the_whole_device_is_not_believed() -> None:
    after = f"('{AFTER}', '\\nDevice Total memory: 24.0', '\\nDevice used memory: 25.0')"
    found = parse("fastdeploy", [after, "------- available_kv_cache_memory:30.0 GB --------", "more"])
    assert found == MemoryReport("fastdeploy", total_bytes=24 * GIB)


def test_a_number_at_the_very_end_may_be_cut_and_is_not_believed() -> None:
    whole = "Available KV Cache meomory: 18.25"
    assert parse("fastdeploy", [whole, "the next line"]).kv_bytes == gib(18.25)
    for length in range(len(whole) + 1):
        assert parse("fastdeploy", [whole[:length]]).kv_bytes is None


def test_figures_before_the_profile_are_not_taken_for_those_after_it() -> None:
    before = "('Before running the profile, …', '\\nDevice used memory: 12.0', '\\nPaddle allocated memory: 9.0')"
    assert parse("fastdeploy", [before, "more"]) == MemoryReport("fastdeploy")


def test_lines_of_a_person_are_read_as_well() -> None:
    told = [
        AFTER,
        "Device Total memory: 44.42 GiB",
        "Device used memory: 29 GB",
        "Available KV Cache meomory: 8.11",
        "",
    ]
    found = parse("fastdeploy", told)
    assert (found.total_bytes, found.used_bytes, found.kv_bytes) == (gib(44.42), 29 * GIB, gib(8.11))


def test_an_engine_without_a_report_and_logs_without_a_line_tell_nothing() -> None:
    assert parse("transformers", lines("vllm-two-cards.log")) == MemoryReport("transformers")
    assert parse("fastdeploy") == parse("fastdeploy", [], ["", "\x00"]) == MemoryReport("fastdeploy")
    assert parse("fastdeploy", lines("vllm-two-cards.log")) == MemoryReport("fastdeploy")


def test_bytes_of_another_encoding_between_the_lines_do_no_harm() -> None:
    data = b"\xff\xfe\x80\xd6\xd0\n" + (CAPTURED / "vllm-two-cards.log").read_bytes() + b"\x00\xff"
    assert parse("vllm", data.decode(errors="replace").splitlines()) == parse("vllm", lines("vllm-two-cards.log"))


PIECES = st.sampled_from(
    sorted({word for path in CAPTURED.glob("*.log") for word in path.read_text(encoding="utf-8").split()})
)


@given(st.lists(st.lists(PIECES | st.text(max_size=8), max_size=12).map(" ".join), max_size=8))
def test_no_log_breaks_it_and_every_figure_is_more_than_nothing(log: list[str]) -> None:
    for engine in ("fastdeploy", "vllm"):
        found = parse(engine, log)
        figures = [getattr(found, field) for field in MemoryReport.__struct_fields__ if field != "engine"]
        assert all(figure is None or figure > 0 for figure in figures)


def test_a_captured_log_names_no_place_of_this_machine() -> None:
    for path in CAPTURED.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "/tmp" not in text
        assert str(Path(REPOSITORY)) not in text
