"""The what-if picture: what stands in it, and what happens when it cannot be drawn."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.cli.charting import chart, chart_format, drawn, origin, title, write
from ernie_deploy.cli.drawing import bought, named
from ernie_deploy.cli.lettering import Spot, fitting, powers, printable, short, spread
from ernie_deploy.errors import UsageError
from ernie_deploy.plan.demand import Demand
from ernie_deploy.plan.gate import Case, judge
from ernie_deploy.plan.memory import Known, Room, weights_of
from ernie_deploy.plan.region import Point, Region, WhatIf, what_if

MODEL = "baidu/ERNIE-4.5-VL-28B-A3B-Thinking"
DOCUMENTED = Demand(
    engine="fastdeploy", quantization="wint8", max_model_len=131072, max_num_seqs=32, max_num_batched_tokens=16384
)
PLANNED = WhatIf(
    engine="fastdeploy", device="cuda", card="NVIDIA L20", sizes_bytes=(), quantization="wint8", max_model_len=131072,
    max_num_seqs=32, kv_tokens=96896, verdict="tight", confidence="likely", one=Point(131072, 0.4, 1, 1.3), regions=(),
)  # fmt: skip
REPOSITORY = Path(__file__).parents[2]
WITHOUT_MATPLOTLIB = """
from pathlib import Path
from ernie_deploy.cli.charting import chart_format
from ernie_deploy.errors import UsageError
try:
    chart_format(Path("fit.svg"))
except UsageError as error:
    print(error.message, "|", error.hint)
"""


def on(*sizes_mib: int, name: str = "NVIDIA L20", **changes: object) -> Case:
    demand = msgspec.structs.replace(DOCUMENTED, **{"tensor_parallel_size": len(sizes_mib), **changes})
    rooms = tuple(Room(name, one << 20) for one in sizes_mib)
    return Case(demand, weights_of(architectures()[MODEL]), rooms)


@pytest.fixture(scope="module")
def found() -> WhatIf:
    return what_if(on(46068))


@pytest.fixture(scope="module")
def svg(found: WhatIf) -> bytes:
    return drawn(found, judge(on(46068)), "svg", model=MODEL)


def words(picture: bytes) -> set[str]:
    return {"".join(one.itertext()) for one in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")}


def test_the_picture_names_the_card_every_quantization_and_the_verdict(svg: bytes) -> None:
    said = words(svg)
    assert "ERNIE-4.5-VL-28B-A3B-Thinking on one NVIDIA L20 (46,068 MiB) · FastDeploy" in said
    assert {"wint4", "wint8", "bf16", "tight", "4k", "128k", "64"} <= said
    assert {"weights", "28.4 GiB", "slots", "peaks", "KV cache", "5.2 GiB", "(0.7 to 7.0)", "rest"} <= said
    assert "no full-length request: the KV cache holds 96,896 of 131,072 tokens" in said
    assert any("no boot with these settings was measured" in one for one in said)


def test_no_number_in_the_picture_is_missing(svg: bytes) -> None:
    assert not re.search(rb"\b(nan|inf)\b", svg, re.IGNORECASE)


def test_the_same_case_gives_the_same_bytes_whatever_the_user_has_set(found: WhatIf, svg: bytes) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.family": "monospace", "axes.facecolor": "black", "svg.fonttype": "path"}):
        assert drawn(found, judge(on(46068)), "svg", model=MODEL) == svg
        assert matplotlib.rcParams["svg.fonttype"] == "path"


def test_a_picture_carries_no_date(svg: bytes) -> None:
    assert b"<dc:date>" not in svg


def test_what_does_not_fit_is_said_with_what_is_missing() -> None:
    case = on(15360, name="Tesla <T4> $x$ \x07", quantization="bf16")
    said = words(drawn(what_if(case), judge(case), "svg", model="/models/mine"))
    assert {"does not fit", "no quantization fits here", "48.2 GiB missing"} <= said
    assert "mine on one Tesla <T4> $x$ ? (15,360 MiB) · FastDeploy" in said


def test_a_png_is_written_whole_and_large_enough_to_read(tmp_path: Path) -> None:
    target = tmp_path / "fit.PNG"
    chart(target, on(15360), model=MODEL)
    data = target.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (1800, 1200)
    assert data.endswith(b"IEND\xaeB`\x82")
    assert [one.name for one in tmp_path.iterdir()] == ["fit.PNG"]


def test_any_other_suffix_is_refused_with_the_two_that_work() -> None:
    for name in ("fit.pdf", "fit", ".png"):
        with pytest.raises(UsageError, match=r"\.png or \.svg") as caught:
            chart_format(Path(name))
        assert ".png or --chart" in caught.value.hint


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left_there(tmp_path: Path) -> None:
    (tmp_path / "taken.svg").mkdir()
    for target, why in ((tmp_path / "no" / "fit.svg", "No such file"), (tmp_path / "taken.svg", "directory")):
        with pytest.raises(UsageError, match=why) as caught:
            write(target, b"a picture")
        assert str(target) in caught.value.message
    assert [one.name for one in tmp_path.iterdir()] == ["taken.svg"]


def test_without_matplotlib_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not here')")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MATPLOTLIB],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "matplotlib, which cannot be imported here | pip install 'ernie-deploy[chart]'" in done.stdout


@pytest.mark.parametrize(
    ("sizes", "changes", "told"),
    [
        ((24576, 24576), {"card": "NVIDIA A30"}, "on 2 × NVIDIA A30 (24,576 MiB each) · FastDeploy"),
        ((24576, 46068), {"card": "A30"}, "on 2 cards, of which the A30 decides (24,576 MiB) · FastDeploy"),
        ((65536,), {"card": "memory of the host", "device": "cpu", "engine": "vllm"},
         "on memory of the host (65,536 MiB) · vLLM"),
        ((81559,), {"engine": "transformers"}, "on one NVIDIA L20 (81,559 MiB) · transformers"),
    ],
)  # fmt: skip
def test_the_title_says_on_what(sizes: tuple[int, ...], changes: dict[str, str], told: str) -> None:
    planned = msgspec.structs.replace(PLANNED, sizes_bytes=tuple(one << 20 for one in sizes), **changes)
    assert title(planned, MODEL) == f"ERNIE-4.5-VL-28B-A3B-Thinking {told}"


def test_the_footnote_says_what_was_measured_and_what_was_not() -> None:
    measured = origin(judge(on(46068)._replace(known=Known(33 << 30, "boot of 2 May"))).ledger)
    assert measured.startswith("Settings at hand: measured (boot of 2 May). Borders: estimated")
    unknown = on(46068)._replace(rooms=(Room("card", 46068 << 20, None),))
    assert "What other processes use is not known." in origin(judge(unknown).ledger)
    assert "no more than 2,560,000 tokens" in origin(judge(on(*[143771] * 4)).ledger)


@pytest.mark.parametrize(
    ("region", "told"),
    [
        (Region("wint4", 4, 131072, (Point(131072, 2.1, 2.9, 3.4),)), "2 (2 to 3) requests\nof 128k at once"),
        (Region("wint4", 4, 131072, (Point(131072, 1.1, 1.2, 1.4),)), "1 request\nof 128k at once"),
        (Region("wint4", 4, 29760, (Point(131072, 0, 0.2, 1.4),)), "one request of at most\n29,760 tokens"),
        (Region("bf16", 16, 0, (Point(131072, 0, 0, 0),)), "does not fit, however\nshort the request"),
    ],
)
def test_a_region_says_what_it_buys(region: Region, told: str) -> None:
    assert bought(region) == told


def test_alike_quantizations_share_a_label() -> None:
    assert named(Region("fp8", 8, 0, (), same=("a", "b"))) == "fp8 and 2 alike"


def test_labels_keep_clear_of_each_other_and_of_the_edges() -> None:
    spots = [Spot(0.1, 0.2), Spot(0.5, 0.2), Spot(0.52, 0.2), Spot(0.99, 0.2)]
    middles = spread(spots, 0, 1)
    assert [middles[0], middles[-1]] == pytest.approx([0.1, 0.9])
    assert all(later - earlier >= 0.2 - 1e-9 for earlier, later in pairwise(middles))
    assert spread([], 0, 1) == []


def test_words_fit_their_place() -> None:
    assert fitting("short", 17, 10) == 17
    assert fitting("x" * 200, 17, 10) < 6
    assert (short(131072), short(1 << 20), short(100_000), short(3000)) == ("128k", "1M", "100,000", "3,000")
    assert powers(1000, 5000) == [1024, 2048, 4096]
    assert printable("L20\x00\n") == "L20??"
