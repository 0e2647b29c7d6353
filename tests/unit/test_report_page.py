"""The page escapes all that a service said, fetches nothing, and shows what there is to see."""

from html.parser import HTMLParser

import msgspec
import pytest

from ernie_deploy.report import Box, Case, Exchange, Picture, Report, as_html

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
        if tag not in ("meta", "br", "img", "rect"):
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
    loaded = [
        value for _tag, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    assert all(value and value.startswith("data:") for value in loaded)
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
    shown = [one for one in page.all("details") if "data-verdict" in one]
    assert [(one["data-verdict"], "open" in one) for one in shown] == [("fail", True), ("skip", False), ("pass", False)]
    assert "SIMULATED" in page.words
    assert "SIMULATED" not in page_of(*cases).words


def test_an_answer_is_set_in_the_direction_of_its_own_script() -> None:
    page = page_of(
        msgspec.structs.replace(CASE, exchanges=(msgspec.structs.replace(EXCHANGE, answer={"content": "سلام"}),))
    )
    assert [one["dir"] for one in page.all("pre") if one.get("class") == "said"] == ["auto"]
