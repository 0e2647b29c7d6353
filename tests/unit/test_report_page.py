"""The page escapes all that a service said, fetches nothing, and shows what there is to see."""

import base64
import io
import itertools
import re
import shlex
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ernie_deploy.client.avi import avi
from ernie_deploy.report import VERDICTS, Box, Case, Exchange, Picture, Report, as_html
from ernie_deploy.report.frames import frames
from ernie_deploy.report.page_style import STYLE

PICTURE = Picture("image/png", b"\x89PNG of a kind")
EXCHANGE = Exchange("POST", "/v1/chat/completions", {"q": 1}, 200, {"content": "blue", "reasoning": "hm"}, 0.21, 0.05)
CASE = Case("image", "a picture is looked at", "fail", "it is red", exchanges=(EXCHANGE,), pictures=(PICTURE,))
HOSTILE = "</details></pre><script>alert(1)</script><img src=http://evil/x onerror=x> \" ' & \ud800 \x1b[0m \x00"


class Read(HTMLParser):
    """The elements of a page and their text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img", "input", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(*cases: Case, words: str = "", simulated: bool = False) -> Read:
    return Read(as_html(Report("smoke", "1", words, words, words, cases, words, 7, words, words, simulated)))


def hostile() -> Case:
    answer = {"content": HOSTILE, "reasoning": HOSTILE, "tool_calls": [HOSTILE], "raw": HOSTILE, "usage": {HOSTILE: 1},
              "finish_reason": HOSTILE}  # fmt: skip
    exchanges = (
        Exchange(HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, 200, answer, 0.1, error=HOSTILE),
        Exchange("GET", "/", None, None, HOSTILE, 0.1, error=HOSTILE, key="other"),
    )
    box = Box(0, 1, 2, 3, 4, HOSTILE, "answered")
    kinds = (HOSTILE, "image/svg+xml", "text/html", 'image/png" onerror="x')
    pictures = (PICTURE, *(Picture(kind, b"<script>") for kind in kinds))
    return Case(HOSTILE, HOSTILE, "fail", HOSTILE, HOSTILE, HOSTILE, evidence={HOSTILE: HOSTILE}, exchanges=exchanges,
                pictures=pictures, boxes=(box,))  # fmt: skip


def test_nothing_that_a_service_says_becomes_an_element() -> None:
    page = page_of(hostile(), words=HOSTILE)
    assert page.open == []
    assert len(page.all("script")) == 1
    assert [picture["src"] for picture in page.all("img")] == ["data:image/png;base64,iVBORyBvZiBhIGtpbmQ="]
    assert not [name for _tag, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.words
    assert not {"\x00", "\x1b", "\ud800"} & set(page.words)


def test_the_page_fetches_nothing_and_runs_only_its_own_script() -> None:
    page = page_of(hostile(), words=HOSTILE)
    loaded = [value for _tag, attributes in page.elements for name, value in attributes.items() if name == "src"]
    assert all(value and value.startswith("data:") for value in loaded)
    anchors = {attributes["id"] for _tag, attributes in page.elements if "id" in attributes}
    assert {str(link["href"]).removeprefix("#") for link in page.all("a")} <= anchors
    (policy,) = (meta["content"] for meta in page.all("meta") if meta.get("http-equiv"))
    assert policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_the_shape_of_the_page_does_not_depend_on_what_was_said() -> None:
    plain = msgspec.convert(msgspec.to_builtins(hostile()), Case)
    told = page_of(msgspec.structs.replace(plain, message="x"))
    other = page_of(msgspec.structs.replace(plain, message=HOSTILE))
    assert [tag for tag, _attributes in told.elements] == [tag for tag, _attributes in other.elements]


def test_a_case_is_told_with_its_requests_answers_and_times() -> None:
    case = msgspec.structs.replace(CASE, hint="look at it", attempts=2, seconds=1.25)
    page = page_of(case, words="http://host")
    for words in ("failed", "it is red", "look at it", "attempt 2", "1.25 s", "POST /v1/chat/completions", "HTTP 200",
                  "0.210 s · first token 0.050 s", '"q": 1', "hm", "blue"):  # fmt: skip
        assert words in page.words, words


def test_boxes_are_drawn_over_their_own_picture_and_named() -> None:
    boxes = (Box(1, 100, 200, 300, 250, "red", "expected"), Box(1, 900, 0, 1000, 50, "red", "answered"))
    page = page_of(msgspec.structs.replace(CASE, pictures=(PICTURE, PICTURE), boxes=boxes))
    drawn = [(one["class"], one["x"], one["y"], one["width"], one["height"]) for one in page.all("rect")]
    assert drawn == [
        ("halo", "100", "200", "200", "50"),
        ("expected", "100", "200", "200", "50"),
        ("halo", "900", "0", "100", "50"),
        ("answered", "900", "0", "100", "50"),
    ]
    assert len(page.all("svg")) == 1
    assert "expected: red (100, 200) to (300, 250)" in page.words


@pytest.mark.parametrize(
    ("picture", "element", "words"),
    [
        (Picture("video/mp4", b"1"), "video", "video/mp4, 1 bytes"),
        (Picture("video/x-msvideo", b"1"), None, "browsers do not show this kind"),
        (Picture("image/png", bytes(3 * 1024 * 1024)), None, "too large for this page"),
    ],
)
def test_media_that_a_browser_does_not_show_are_named(picture: Picture, element: str | None, words: str) -> None:
    page = page_of(msgspec.structs.replace(CASE, pictures=(picture,)))
    assert words in page.words
    assert [tag for tag in ("img", "video") if page.all(tag)] == ([element] if element else [])


def test_an_answer_of_a_megabyte_does_not_make_a_page_of_megabytes() -> None:
    answer = {"content": "x" * 1_000_000, "reasoning": "y" * 1_000_000, "raw": "z" * 1_000_000}
    exchange = msgspec.structs.replace(EXCHANGE, answer=answer, request={"a": ["b" * 1_000_000] * 100})
    assert (
        len(as_html(Report("smoke", "1", "", "", "", (msgspec.structs.replace(CASE, exchanges=(exchange,)),)))) < 90_000
    )


def test_what_failed_comes_first_and_open_and_a_simulation_is_called_one() -> None:
    cases = [msgspec.structs.replace(CASE, id=verdict, verdict=verdict) for verdict in ("pass", "skip", "fail")]
    page = page_of(*cases, simulated=True)
    shown = [one for one in page.all("details") if str(one["class"]).startswith("case ")]
    assert [(one["id"], "open" in one) for one in shown] == [("fail", True), ("skip", False), ("pass", False)]
    assert "SIMULATED" in page.words
    assert "SIMULATED" not in page_of(*cases).words


def test_the_first_words_of_the_page_and_its_tab_are_the_outcome() -> None:
    passed = msgspec.structs.replace(CASE, verdict="pass")
    skipped = msgspec.structs.replace(CASE, verdict="skip")
    for cases, outcome in (
        ((CASE, passed), "1 of 2 failed"),
        ((passed, skipped), "none failed, 1 of 2 passed"),
        ((skipped,), "nothing was proved"),
    ):
        page = as_html(Report("smoke", "1", "", "", "ernie", cases))
        assert f"<title>{outcome} – smoke: ernie</title>" in page
        assert re.search(f"<h1[^>]*>{outcome}</h1>", page)


def test_every_failure_is_listed_with_a_link_to_its_probe() -> None:
    cases = [msgspec.structs.replace(CASE, id=name, message=f"{name} it is") for name in ("one", "two<x>")]
    page = page_of(*cases, msgspec.structs.replace(CASE, id="fine", verdict="pass"))
    listed = page.words[: page.words.index("2 failed", page.words.index("What failed"))]
    assert "one one it is" in listed
    assert "two<x> two<x> it is" in listed
    assert [link["href"] for link in page.all("a")[:2]] == ["#one", "#two-x-"]
    assert {"one", "two-x-", "fine"} <= {one.get("id") for one in page.all("details")}


def test_a_line_of_the_index_begins_with_what_went_wrong_and_not_with_the_address() -> None:
    case = msgspec.structs.replace(CASE, message="http://host:8180/v1/models: HTTP 500: it is broken")
    page = as_html(Report("smoke", "1", "http://host:8180", "", "", (case,)))
    assert "<span>/v1/models: HTTP 500: it is broken</span></li>" in page
    assert '<p class="message">http://host:8180/v1/models: HTTP 500: it is broken</p>' in page


def test_what_failed_can_be_asked_again_with_a_command_that_a_shell_takes() -> None:
    case = msgspec.structs.replace(CASE, id="grounding")
    page = page_of(case, words="http://host:1/it's; rm -rf ~")
    (command,) = (line for line in page.words.splitlines() if line.startswith("Ask it again"))
    words = shlex.split(command.removeprefix("Ask it again"))
    assert words[:4] == ["ernie-deploy", "smoke", "--url", "http://host:1/it's; rm -rf ~"]
    assert words[-4:] == ["--seed", "7", "--only", "grounding"]


def test_headings_skip_no_level_and_a_reader_of_screens_finds_every_probe() -> None:
    page = page_of(CASE, msgspec.structs.replace(CASE, id="fine", verdict="pass"))
    levels = [int(tag[1]) for tag, _attributes in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert levels.count(3) == 2


BAR = ("waiting", "thinking", "answering")


def test_a_stream_is_told_as_waiting_thinking_and_answering() -> None:
    answer = {"content": "blue", "reasoning": "hm", "first_answer_s": 0.15, "chunks": 9}
    page = page_of(msgspec.structs.replace(CASE, exchanges=(msgspec.structs.replace(EXCHANGE, answer=answer),)))
    assert "waiting 0.050 s · thinking 0.100 s · answering 0.060 s · 9 chunks" in page.words
    shares = [float(str(one["style"]).removeprefix("flex:")) for one in page.all("span") if one.get("class") in BAR]
    assert sum(shares) == pytest.approx(1000, abs=1)
    plain = msgspec.structs.replace(EXCHANGE, answer=answer, ttft_s=None)
    assert "waiting 0" not in page_of(msgspec.structs.replace(CASE, exchanges=(plain,))).words


def test_a_video_is_shown_as_its_frames_with_their_seconds() -> None:
    red, blue = bytes((255, 0, 16)) * 15, bytes((0, 32, 255)) * 15
    video = Picture("video/x-msvideo", avi([red, blue], 5, 3, fps=2))
    page = page_of(msgspec.structs.replace(CASE, pictures=(video,)))
    shown = [Image.open(io.BytesIO(base64.b64decode(str(one["src"]).partition(",")[2]))) for one in page.all("img")]
    assert [(one.size, one.getpixel((4, 2))) for one in shown] == [((5, 3), (255, 0, 16)), ((5, 3), (0, 32, 255))]
    assert [one["alt"] for one in page.all("img")] == [
        "picture 0: video/x-msvideo, 376 bytes, at 0 s",
        "picture 0: video/x-msvideo, 376 bytes, at 0.5 s",
    ]


def test_of_a_long_video_some_frames_are_shown_its_first_and_last_among_them() -> None:
    many = frames(avi([bytes((at, 0, 0)) for at in range(100)], 1, 1, fps=10))
    assert (len(many), many[0].at_s, many[-1].at_s) == (16, 0, 9.9)


@given(
    st.binary(max_size=200),
    st.integers(0, 400),
    st.sampled_from([b"", b"RIFF\xff\xff\xff\xffAVI ", b"LIST\x00\x00\x00\x00"]),
)
def test_a_video_that_is_none_has_no_frames_and_hurts_nobody(noise: bytes, cut: int, head: bytes) -> None:
    whole = avi([bytes(27)], 3, 3, fps=1)
    for video in (head + noise, whole[:cut] + noise, whole[:cut]):
        assert len(frames(video)) <= 1


def test_of_thousands_of_requests_the_last_are_shown_and_the_rest_is_counted() -> None:
    page = page_of(msgspec.structs.replace(CASE, exchanges=(EXCHANGE,) * 3000))
    assert len([one for one in page.all("details") if one.get("class") == "exchange"]) == 200
    assert "(2800 requests before these are not on this page)" in page.words


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_has_enough_contrast_by_day_and_by_night(scheme: str) -> None:
    by_day, by_night = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", part)) for part in STYLE.split("@media")[:2])
    colours = by_day if scheme == "light" else by_day | by_night
    for ink, ground in (
        *((ink, ground) for ink in ("ink", "soft", "link", "error") for ground in ("page", "card", "well")),
        *(("badge-ink", verdict) for verdict in VERDICTS),
        ("good", "page"),
        ("warn-ink", "warn"),
    ):
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    """As WCAG 2 computes it."""
    dark, bright = sorted(map(luminance, (one, other)))
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_an_answer_is_set_in_the_direction_of_its_own_script() -> None:
    page = page_of(
        msgspec.structs.replace(CASE, exchanges=(msgspec.structs.replace(EXCHANGE, answer={"content": "سلام"}),))
    )
    assert [one["dir"] for one in page.all("pre") if one.get("class") == "said"] == ["auto"]
