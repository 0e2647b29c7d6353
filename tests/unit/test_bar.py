"""A ledger in letters: every cell and every byte accounted for."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.cli.bar import Style, amount, bar, cells, strip
from ernie_deploy.plan.demand import Demand
from ernie_deploy.plan.memory import Known, Ledger, Room, ledger, weights_of

GIB = 1 << 30
MODEL = weights_of(architectures()["baidu/ERNIE-4.5-VL-28B-A3B-Thinking"])
SMALL = weights_of(architectures()["baidu/ERNIE-4.5-0.3B-PT"])
DOCUMENTED = Demand(
    engine="fastdeploy", quantization="wint8", max_model_len=131072, max_num_seqs=32, max_num_batched_tokens=16384
)
PLAIN, ASCII, COLOURED = Style(True, False), Style(False, False), Style(True, True)


def of(mib: int, others: int | None = 0, known: Known | None = None, **changes: object) -> Ledger:
    demand = msgspec.structs.replace(DOCUMENTED, **changes)
    return ledger(demand, MODEL, Room("a card", mib << 20, others), known)


LEDGERS = {
    "tight": of(46068),
    "over-full": of(24564, quantization="bf16"),
    "nothing is known of others": of(46068, None),
    "others hold a part of the share": of(81559, 30 * GIB, engine="vllm", quantization="bf16"),
    "others": of(81559, 30 * GIB),
    "1 GiB": of(1024),
    "1 TiB": of(1 << 20),
    "all of the card": of(81559, gpu_memory_utilization=1.0),
    "a cache of a fixed size": of(81559, kv_cache_bytes=4 * GIB),
    "corrected upwards": of(46068, known=Known(38 * GIB, "a boot")),
    "corrected downwards": of(46068, known=Known(20 * GIB, "a boot")),
    "memory of the host": ledger(
        msgspec.structs.replace(DOCUMENTED, engine="vllm", quantization="bf16", device="cpu", max_num_seqs=4),
        SMALL,
        Room("memory of the host", 64 * GIB, 9 * GIB),
    ),
    "transformers": of(81559, engine="transformers", quantization="bnb-4bit", max_num_seqs=1),
}
every_ledger = pytest.mark.parametrize("name", LEDGERS)


def bare(line: str) -> str:
    return re.sub(r"\x1b\[\d+m", "", line)


def legend(found: Ledger, style: Style = PLAIN) -> str:
    return "\n".join(bar(found, style, width=80)[2:])


@every_ledger
@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_the_bar_and_its_ruler_are_exactly_as_wide_as_asked(name: str, width: int) -> None:
    for style in (PLAIN, ASCII, COLOURED):
        blocks, ruler, *_ = bar(LEDGERS[name], style, width=width)
        assert (len(bare(blocks)), len(ruler)) == (width, width)


@every_ledger
def test_all_that_is_drawn_adds_up_to_the_card_and_what_is_missing(name: str) -> None:
    row = strip(LEDGERS[name])
    assert sum(one.drawn for one in row.segments) == row.total_bytes + row.missing_bytes
    assert row.missing_bytes == max(0, -LEDGERS[name].kv_bytes)
    assert min(one.drawn for one in row.segments) >= 0


@every_ledger
def test_without_unicode_everything_is_ascii(name: str) -> None:
    assert "\n".join(bar(LEDGERS[name], ASCII, width=80)).isascii()


@every_ledger
@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    assert max(len(bare(line)) for line in bar(LEDGERS[name], COLOURED, width=width)) <= width


@given(sizes=st.lists(st.integers(0, 1 << 50), max_size=12), width=st.integers(20, 300))
def test_cells_add_up_and_nothing_that_is_there_is_invisible(sizes: list[int], width: int) -> None:
    counts = cells(sizes, width)
    assert sum(counts) == (width if any(sizes) else 0)
    assert all((count > 0) == (size > 0) for size, count in zip(sizes, counts, strict=True))


def test_cells_are_in_proportion() -> None:
    assert cells([10, 20, 30, 40], 100) == [10, 20, 30, 40]
    assert cells([1, 1, 10**9], 20) == [1, 1, 18]


def test_a_tight_card_is_read_at_a_glance() -> None:
    blocks, ruler, *lines = bar(LEDGERS["tight"], ASCII, width=60)
    assert blocks == "#" * 38 + "%" + "=" * 3 + "+" * 5 + "-" * 7 + "*" + "." * 5
    assert "the engine's share: 40.5 GiB, 90 %" in ruler
    assert lines[0] == "# weights 28.4 GiB"
    assert "- KV cache 5.2 GiB (0.7 to 7.0)" in lines


def test_what_is_missing_is_shown_under_the_bar_and_named() -> None:
    found = LEDGERS["over-full"]
    _, ruler, *_ = bar(found, ASCII, width=80)
    assert f"missing: {-found.kv_bytes / GIB:.1f} GiB" in ruler
    share = ruler.index("!")
    assert share == pytest.approx(80 * found.share_bytes / (found.room.total_bytes - found.kv_bytes), abs=2)
    assert "! missing" in legend(found)
    assert "KV cache" not in legend(found)


def test_what_nobody_knows_is_said_and_never_shown_as_zero() -> None:
    assert "other processes: not known" in legend(LEDGERS["nothing is known of others"])
    assert "other processes" not in legend(LEDGERS["tight"])
    assert "other processes 30.0 GiB" in legend(LEDGERS["others"])


def test_a_correction_is_named_and_taken_from_the_peaks_first() -> None:
    found = strip(LEDGERS["corrected downwards"])
    drawn = {one.name: (one.bytes, one.drawn) for one in found.segments}
    assert drawn["peaks"][1] == 0 < drawn["peaks"][0]
    assert drawn["correction"][0] < 0 == drawn["correction"][1]
    assert "correction -15.3 GiB" in legend(LEDGERS["corrected downwards"])
    assert "correction 2.7 GiB" in legend(LEDGERS["corrected upwards"])


def test_a_cache_of_a_fixed_size_leaves_the_rest_of_the_share_unused() -> None:
    assert "KV cache 4.0 GiB" in legend(LEDGERS["a cache of a fixed size"])
    assert "unused" in legend(LEDGERS["a cache of a fixed size"])


def test_graphs_without_room_are_too_few_bytes_and_never_a_negative_rest() -> None:
    assert "rest: none, 0.4 GiB too few" in legend(LEDGERS["all of the card"])


def test_colours_change_nothing_that_is_read() -> None:
    plain, coloured = (bar(LEDGERS["tight"], style, width=80) for style in (PLAIN, COLOURED))
    words = re.compile(r"[A-Za-z0-9.]+")
    assert [words.findall(bare(line)) for line in coloured] == [words.findall(line) for line in plain]
    assert ("\x1b[" in coloured[0], "\x1b[" in plain[0]) == (True, False)


@pytest.mark.parametrize(
    ("sizes", "of_gib", "told"),
    [
        ((GIB, GIB, GIB), 48, "1.0 GiB"),
        ((4 * GIB, 2 * GIB, 8 * GIB), 48, "4.0 GiB (2.0 to 8.0)"),
        ((GIB // 4, GIB // 4, GIB // 4), 1, "0.25 GiB"),
        ((8 << 20, 8 << 20, 8 << 20), 48, "8 MiB"),
        ((3 * GIB, -GIB, 4 * GIB), 48, "3.0 GiB (none to 4.0)"),
        ((0, 0, GIB // 2), 48, "none (up to 0.5 GiB)"),
        ((0, 0, 0), 48, "none"),
        ((1000, 1000, 1000), 48, "under 1 MiB"),
    ],
)
def test_amounts_are_short_and_say_how_sure_they_are(sizes: tuple[int, int, int], of_gib: int, told: str) -> None:
    assert amount(*sizes, of=of_gib * GIB) == told
