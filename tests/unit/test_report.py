"""A report says the same to people and to machines."""

import json
from xml.etree import ElementTree

from ernie_deploy.report import Case, Report, as_json, as_junit, as_markdown, summary

CASES = (
    Case("health", "the engine calls itself healthy", "pass", "/health says 200", seconds=0.25),
    Case("image", "a picture is looked at", "fail", "the picture is red, the answer 'blue'", hint="look | there"),
    Case("models", "the model is listed", "unsupported", "nothing is listed", reference="it lists its cache only"),
    Case("text", "a question gets an answer", "skip", "left out by --skip"),
)
REPORT = Report("smoke", "0.1.0", "http://host:8180", "vllm", "ernie", CASES, created="2026-01-02T03:04:05Z")


def test_the_summary_counts_every_verdict_also_the_absent_ones() -> None:
    assert summary(CASES[:1]) == {"pass": 1, "fail": 0, "skip": 0, "unsupported": 0}


def test_json_holds_everything() -> None:
    document = json.loads(as_json(REPORT))
    assert document["endpoint"] == "http://host:8180"
    assert document["summary"] == {"pass": 1, "fail": 1, "skip": 1, "unsupported": 1}
    assert [case["verdict"] for case in document["cases"]] == ["pass", "fail", "unsupported", "skip"]
    assert document["cases"][2]["reference"] == "it lists its cache only"


def test_junit_shows_what_is_unsupported_as_skipped_and_never_as_passed() -> None:
    suite = ElementTree.fromstring(as_junit(REPORT)).find("testsuite")
    assert suite is not None
    counts = {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors")}
    assert counts == {"tests": "4", "failures": "1", "skipped": "2", "errors": "0"}
    skipped = suite.find("testcase[@name='models']/skipped")
    assert skipped is not None
    assert skipped.get("message") == "unsupported: nothing is listed — it lists its cache only"
    failure = suite.find("testcase[@name='image']/failure")
    assert failure is not None
    assert failure.get("message") == "the picture is red, the answer 'blue'"


def test_junit_survives_characters_that_xml_cannot_hold() -> None:
    case = Case("text", "t", "fail", "a\x00b\x1b[0m\ud800\ufffe<&>", evidence={"answer": "\x07"})
    text = as_junit(Report("smoke", "1", "", "", "", (case,)))
    failure = ElementTree.fromstring(text.encode()).find(".//failure")
    assert failure is not None
    assert failure.get("message") == "a�b�[0m��<&>"


def test_the_markdown_table_keeps_its_columns() -> None:
    lines = as_markdown(REPORT).splitlines()
    assert lines[0] == ("**smoke** of ernie at http://host:8180, engine vllm: 1 pass, 1 fail, 1 skip, 1 unsupported")
    assert "| image | fail | the picture is red, the answer 'blue' — look \\| there | 0.00 |" in lines
    assert "| models | unsupported | nothing is listed — it lists its cache only | 0.00 |" in lines


def test_a_report_of_nothing_says_so() -> None:
    assert "nothing was looked at" in as_markdown(Report("smoke", "1", "", "", "", ()))
