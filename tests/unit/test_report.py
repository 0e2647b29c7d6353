"""A report says the same to people and to machines, and a service's words stay words."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from ernie_deploy.cli import reporting, ui
from ernie_deploy.errors import EngineError
from ernie_deploy.report import (
    Box,
    Case,
    Exchange,
    Picture,
    Report,
    as_ctrf,
    as_html,
    as_json,
    as_junit,
    as_markdown,
    summary,
)
from ernie_deploy.report.document import Document, schema

PICTURE = Picture("image/png", b"\x89PNG of a kind")
ASKED = Exchange(
    "POST", "/v1/chat/completions", {"messages": [{"content": "picture 0"}]}, 200, {"content": "blue"}, 0.21, 0.05
)
CASES = (
    Case("health", "the engine calls itself healthy", "pass", "/health says 200", seconds=0.25, tier="fast"),
    Case("image", "a picture is looked at", "fail", "the picture is red, the answer 'blue'", hint="look | there",
         seconds=1.5, tier="full", exchanges=(ASKED,), pictures=(PICTURE,), evidence={"colour": "red"},
         boxes=(Box(0, 1, 2, 3, 4, "red", "expected"),)),
    Case("models", "the model is listed", "unsupported", "nothing is listed", reference="it lists its cache only"),
    Case("text", "a question gets an answer", "skip", "left out by --skip"),
    Case("stream", "a stream comes", "pass", "9 chunks (attempt 2; before: none)", attempts=2),
)  # fmt: skip
REPORT = Report("smoke", "0.1.0", "http://host:8180", "vllm", "ernie", CASES, created="2026-01-02T03:04:05Z",
                seed=7, profile="rehearsal", tier="full")  # fmt: skip

HOSTILE = "</details><script>x</script> @admins #12 ![a](http://evil/b.png) `c` |\nd\n# e \ud800 \x07 <!-- & $f$"


def with_words(words: str) -> Report:
    case = Case("text", "t", "fail", words, hint=words, reference=words, evidence={words: words},
                exchanges=(msgspec.structs.replace(ASKED, answer=words, request=words, error=words),))  # fmt: skip
    return Report("smoke", "1", words, words, words, (case,))


def test_the_summary_counts_every_verdict_also_the_absent_ones() -> None:
    assert summary(CASES[:1]) == {"pass": 1, "fail": 0, "skip": 0, "unsupported": 0}


# Everywhere -----------------------------------------------------------------------------------------------------------

COMMANDS = (
    "\x1b[2J\x1b]0;title\x07\x9b31m\n::error::x ##[error]y ##vso[task] \u202etxt.exe\u2066 \u2028\ud800\x00"
    + "z" * 5_000_000
)


@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_service_says_commands_neither_the_terminal_nor_the_ci(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    reporting.show(with_words(COMMANDS), as_json=as_json)
    shown = capsys.readouterr()
    for text in shown:
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800]", text)
        assert not re.search(r"^\s*::", text, re.MULTILINE)
        assert len(text) < 200_000
    if not as_json:
        assert not re.search(r"##\w*\[", shown.out + shown.err)


def test_an_error_commands_no_terminal_and_loses_only_its_colours(capsys: pytest.CaptureFixture[str]) -> None:
    words = "\x1b[1;31mred\x1b[0m\x1b[2J\x1b]0;title\x07\x9b2J\nnext\u202e"
    ui.error(EngineError(words, hint=words, details=words))
    shown = capsys.readouterr().err
    assert not set("\x1b\x07\x9b\u202e") & set(shown)
    assert shown.count("red\ufffd[2J\ufffd]0;title\ufffd\ufffd2J\nnext\ufffd") == 3


def test_json_keeps_every_character_that_it_shows_as_an_escape() -> None:
    told = json.loads(as_json(with_words("\x9b31m\u2028\u202e")))["cases"][0]
    assert told["message"] == "\x9b31m\u2028\u202e"


def test_no_report_lets_a_service_turn_the_direction_of_what_comes_after_it() -> None:
    report = with_words("\u202etxt.exe\u2066 and \u200fپاریس")
    for text in (as_markdown(report), as_html(report), as_junit(report), as_ctrf(report)):
        assert not set("\u202e\u2066") & set(text)
        assert "\u200fپاریس" in text


# JSON -----------------------------------------------------------------------------------------------------------------


def test_json_holds_everything_but_the_data_of_pictures() -> None:
    document = json.loads(as_json(REPORT))
    assert document["endpoint"] == "http://host:8180"
    assert document["summary"] == {"pass": 2, "fail": 1, "skip": 1, "unsupported": 1}
    assert [case["verdict"] for case in document["cases"]] == ["pass", "fail", "unsupported", "skip", "pass"]
    assert (document["seed"], document["profile"], document["tier"]) == (7, "rehearsal", "full")
    image = document["cases"][1]
    sha256 = hashlib.sha256(PICTURE.data).hexdigest()
    assert image["pictures"] == [{"media_type": "image/png", "bytes": len(PICTURE.data), "sha256": sha256}]
    assert base64.b64encode(PICTURE.data).decode() not in as_json(REPORT)
    assert image["exchanges"][0]["answer"] == {"content": "blue"}
    assert image["boxes"][0]["kind"] == "expected"


def test_what_a_service_sends_without_end_is_cut_and_the_cut_is_said() -> None:
    nested: object = "deep"
    for _ in range(500):
        nested = [nested]
    answer = {"text": "x" * 1_000_000, "many": list(range(9999)), "nested": nested, "nan": float("nan"), "raw": b"123"}
    case = msgspec.structs.replace(CASES[1], exchanges=(msgspec.structs.replace(ASKED, answer=answer),))
    text = as_json(msgspec.structs.replace(REPORT, cases=(case,)))
    assert len(text) < 20_000
    told = json.loads(text)["cases"][0]["exchanges"][0]["answer"]
    assert told["text"].endswith("x… (1000000 characters in all)")
    assert told["many"][-1] == "(9799 more)"
    assert "nested deeper" in str(told["nested"])
    assert (told["nan"], told["raw"]) == ("nan", "(3 bytes)")


def test_a_box_without_a_place_is_in_no_report_and_the_json_stays_json() -> None:
    boxes = tuple(Box(0, side, 2, 3, 4, "it", "answered") for side in (float("nan"), float("inf"), 1.0))
    report = msgspec.structs.replace(REPORT, cases=(msgspec.structs.replace(CASES[1], boxes=boxes),))
    document = msgspec.json.decode(as_json(report).encode(), type=Document, strict=True)
    assert [box.left for box in document.cases[0].boxes] == [1.0]
    assert not re.search('"(nan|inf)"', as_html(report))


@pytest.mark.parametrize("report", [REPORT, with_words(HOSTILE), Report("smoke", "1", "", "", "", ())])
def test_a_report_has_the_published_shape(report: Report) -> None:
    text = as_json(report)
    assert msgspec.json.decode(text.encode(), type=Document, strict=True).format == 1
    broken = json.loads(text) | {"unknown": 1}
    with pytest.raises(msgspec.ValidationError, match="unknown"):
        msgspec.convert(broken, Document)


def test_the_published_schema_is_that_of_the_report() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "smoke-report.schema.json"
    assert json.loads(page.read_text()) == schema(), "run scripts/smoke_report_schema.py"


# JUnit ----------------------------------------------------------------------------------------------------------------


def suite_of(report: Report) -> ElementTree.Element:
    found = ElementTree.fromstring(as_junit(report).encode()).find("testsuite")
    assert found is not None
    return found


def test_junit_shows_what_is_unsupported_as_skipped_and_never_as_passed() -> None:
    suite = suite_of(REPORT)
    counts = {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors", "timestamp")}
    assert counts == {"tests": "5", "failures": "1", "skipped": "2", "errors": "0", "timestamp": "2026-01-02T03:04:05"}
    skipped = suite.find("testcase[@name='models']/skipped")
    assert skipped is not None
    assert skipped.get("message") == "unsupported: nothing is listed — it lists its cache only"
    failure = suite.find("testcase[@name='image']/failure")
    assert failure is not None
    assert failure.get("message") == "the picture is red, the answer 'blue'"


def test_junit_tells_requests_attempts_and_how_to_run_it_again() -> None:
    suite = suite_of(REPORT)
    out = suite.findtext("testcase[@name='image']/system-out")
    assert out == "POST /v1/chat/completions: HTTP 200, 0.210 s"
    assert suite.findtext("testcase[@name='stream']/system-out") == "9 chunks (attempt 2; before: none)\nattempts: 2"
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties["seed"] == "7"
    assert "simulated" not in properties
    simulated = suite_of(msgspec.structs.replace(REPORT, is_simulated=True))
    assert simulated.find(".//property[@name='simulated']") is not None


def test_junit_has_only_what_the_schema_of_jenkins_knows_and_in_its_order() -> None:
    root = ElementTree.fromstring(as_junit(REPORT).encode())
    assert as_junit(REPORT).startswith('<?xml version="1.0" encoding="UTF-8"?>')
    assert (root.tag, [child.tag for child in root]) == ("testsuites", ["testsuite"])
    counted = {"name", "tests", "failures", "errors", "time"}
    assert set(root.keys()) == counted
    assert set(root[0].keys()) == counted | {"skipped", "timestamp"}
    tags = [child.tag for child in root[0]]
    assert tags == ["properties", *["testcase"] * 5]
    for case in root.iter("testcase"):
        assert set(case.keys()) == {"classname", "name", "time"}
        assert [child.tag for child in case] in ([], ["failure", "system-out"], ["skipped"], ["system-out"])


def test_junit_survives_characters_that_xml_cannot_hold() -> None:
    case = Case("text", "t", "fail", "a\x00b\x1b[0m\ud800\ufffe<&>", evidence={"answer": "\x07"})
    failure = ElementTree.fromstring(as_junit(Report("smoke", "1", "", "", "", (case,))).encode()).find(".//failure")
    assert failure is not None
    assert failure.get("message") == "a�b�[0m��<&>"


def test_no_report_grows_with_what_a_service_says() -> None:
    report = with_words("x" * 5_000_000)
    for written in (as_json, as_junit, as_ctrf, as_markdown, as_html):
        assert len(written(report)) < 100_000, written


# CTRF -----------------------------------------------------------------------------------------------------------------


def test_ctrf_counts_by_its_own_words_and_keeps_ours() -> None:
    document: dict[str, Any] = json.loads(as_ctrf(REPORT))
    assert (document["reportFormat"], document["specVersion"]) == ("CTRF", "1.0.0")
    results = document["results"]
    told = results["summary"]
    counts = {name: told[name] for name in ("tests", "passed", "failed", "skipped", "pending", "other", "flaky")}
    assert counts == {"tests": 5, "passed": 2, "failed": 1, "skipped": 1, "pending": 0, "other": 1, "flaky": 1}
    assert told["stop"] - told["start"] == told["duration"] == 1750
    assert told["stop"] == 1767323045000
    statuses = {test["name"]: (test["status"], test["rawStatus"]) for test in results["tests"]}
    assert statuses["models"] == ("other", "unsupported")
    assert statuses["image"] == ("failed", "fail")
    (flaky,) = (test for test in results["tests"] if test.get("flaky"))
    assert (flaky["name"], flaky["retries"]) == ("stream", 1)


def test_ctrf_has_only_keys_that_its_schema_knows() -> None:
    document = json.loads(as_ctrf(with_words(HOSTILE)))
    assert set(document) <= {"reportFormat", "specVersion", "timestamp", "generatedBy", "results"}
    assert set(document["results"]) == {"tool", "summary", "tests", "environment"}
    assert set(document["results"]["environment"]) == {"appName", "testEnvironment", "extra"}
    known = {"name", "status", "rawStatus", "duration", "type", "message", "tags", "extra", "trace", "retries", "flaky"}
    for test in document["results"]["tests"]:
        assert set(test) <= known
        assert all(isinstance(test[name], str) for name in ("name", "status", "rawStatus", "message"))
        assert isinstance(test["duration"], int)


# Markdown -------------------------------------------------------------------------------------------------------------


def test_markdown_begins_with_the_counts_and_the_failures() -> None:
    lines = as_markdown(REPORT).splitlines()
    assert lines[0] == "**smoke** of `ernie` at `http://host:8180`, engine vllm"
    assert lines[2] == "❌ 1 failed · 🚫 1 unsupported · ⏭️ 1 did not run · ✅ 2 passed"
    assert lines[4:7] == [
        "| Failed | What was seen | What to do |",
        "|---|---|---|",
        "| ❌ `image` | the picture is red, the answer 'blue' | look \\| there |",
    ]
    assert "| 🚫 `models` | nothing is listed | it lists its cache only |" in lines
    assert lines.index("<details><summary>✅ 2 passed</summary>") > lines.index(
        "| 🚫 `models` | nothing is listed | it lists its cache only |"
    )
    assert "seed 7" in lines[-1]


def test_markdown_of_a_simulation_or_an_interrupted_run_says_so() -> None:
    text = as_markdown(msgspec.structs.replace(REPORT, is_simulated=True, was_interrupted=True))
    assert "**SIMULATED**" in text
    assert "**INTERRUPTED**" in text


def test_markdown_lets_a_service_notify_nobody_and_draw_nothing() -> None:
    text = as_markdown(with_words(HOSTILE))
    own = re.sub(r"`[^`]*`", "", text)
    assert not re.search(r"@\w|!\[|(?<!\\)<(?!/?(details|summary|sub)>)|#\d|(?<!\\)<script", own)
    assert not re.search(r"(?<!\\)\$", own)
    row = next(line for line in text.splitlines() if "`text`" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 4


def test_markdown_shows_an_address_as_one_and_cuts_what_is_long() -> None:
    case = Case("text", "t", "fail", f"http://host:1/v1/chat_x: HTTP 500: {'y' * 9000}")
    text = as_markdown(Report("smoke", "1", "", "", "", (case,)))
    assert "`http://host:1/v1/chat_x`: HTTP 500" in text
    assert len(text) < 2000


@pytest.mark.parametrize(
    "words", ["x" * 9000, "|`_*[" * 500, "https://host/" + "_" * 900, "\u4e2d" * 5000, HOSTILE * 50]
)
@pytest.mark.parametrize("count", [78, 1000])
def test_markdown_is_never_more_than_a_comment_can_hold(words: str, count: int) -> None:
    case = with_words(words).cases[0]
    cases = [msgspec.structs.replace(case, id=f"a-probe-of-some-name-{at}") for at in range(count)]
    text = as_markdown(msgspec.structs.replace(with_words(words), cases=tuple(cases)))
    assert len(text) < 65_536
    assert f"❌ {count} failed" in text
    assert "`a-probe-of-some-name-77`" in text


def test_markdown_links_no_host_and_no_issue() -> None:
    case = Case("text", "t", "fail", "HTTPS://evil.example/x ftp://evil www.evil.example GH-12 group/repo!5 Why!")
    row = next(line for line in as_markdown(Report("s", "1", "", "", "", (case,))).splitlines() if "`text`" in line)
    assert "`HTTPS://evil.example/x` `ftp://evil` www.\u200bevil.example GH-\u200b12 group/repo!\u200b5 Why!" in row


def test_markdown_names_what_did_not_run_once_for_each_reason() -> None:
    skipped = [Case(name, "t", "skip", "left out by --tier fast") for name in ("needle", "cancel")]
    lines = as_markdown(Report("s", "1", "", "", "m|m", (*skipped, Case("key", "t", "skip", "no key")))).splitlines()
    assert "| left out by --tier fast | `needle` `cancel` |" in lines
    assert "| no key | `key` |" in lines
    assert lines[0].startswith("**s** of `m|m` at")


def test_a_report_of_nothing_says_so() -> None:
    assert "Nothing was looked at." in as_markdown(Report("smoke", "1", "", "", "", ()))
