"""What happened, for people and machines: cases → JSON, JUnit XML, a Markdown table. Pure functions of values."""

import json
import re
from collections.abc import Sequence
from typing import Literal
from xml.etree import ElementTree

import msgspec

Verdict = Literal["pass", "fail", "skip", "unsupported"]
VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "skip", "unsupported")

# What XML 1.0 cannot hold, not even escaped.
INVALID_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that was looked at. `unsupported` means the engine cannot do it, and `reference` says who says so."""

    id: str
    title: str
    verdict: Verdict
    message: str
    hint: str = ""
    reference: str = ""
    seconds: float = 0.0
    evidence: dict[str, object] = {}


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All cases of one run. `created` is a UTC time in ISO 8601, `""` where a report must be reproducible."""

    tool: str
    version: str
    endpoint: str
    engine: str
    model: str
    cases: tuple[Case, ...]
    created: str = ""


def summary(cases: Sequence[Case]) -> dict[Verdict, int]:
    return {verdict: sum(case.verdict == verdict for case in cases) for verdict in VERDICTS}


def as_json(report: Report) -> str:
    document = {
        "tool": report.tool,
        "version": report.version,
        "created": report.created,
        "endpoint": report.endpoint,
        "engine": report.engine,
        "model": report.model,
        "summary": summary(report.cases),
        "cases": msgspec.to_builtins(report.cases),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_junit(report: Report) -> str:
    """One suite. What is unsupported is `<skipped>` too: JUnit has no third word, and it must not read as a pass."""
    counts = summary(report.cases)
    suite = ElementTree.Element(
        "testsuite",
        name=_xml(report.tool),
        tests=str(len(report.cases)),
        failures=str(counts["fail"]),
        errors="0",
        skipped=str(counts["skip"] + counts["unsupported"]),
        time=f"{sum(case.seconds for case in report.cases):.3f}",
    )
    if report.created:
        suite.set("timestamp", _xml(report.created))
    properties = ElementTree.SubElement(suite, "properties")
    for name in ("version", "endpoint", "engine", "model"):
        ElementTree.SubElement(properties, "property", name=name, value=_xml(getattr(report, name)))
    for case in report.cases:
        suite.append(_junit_case(case, report.tool))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _junit_case(case: Case, tool: str) -> ElementTree.Element:
    element = ElementTree.Element("testcase", classname=_xml(tool), name=_xml(case.id), time=f"{case.seconds:.3f}")
    if case.verdict == "fail":
        failure = ElementTree.SubElement(element, "failure", message=_xml(case.message), type="fail")
        failure.text = _xml("\n".join(filter(None, (case.title, case.hint, case.reference, _evidence(case)))))
    elif case.verdict in ("skip", "unsupported"):
        words = (f"{case.verdict}: {case.message}", case.reference)
        ElementTree.SubElement(element, "skipped", message=_xml(" — ".join(filter(None, words))))
    elif case.message:
        ElementTree.SubElement(element, "system-out").text = _xml(case.message)
    return element


def as_markdown(report: Report) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in summary(report.cases).items() if count)
    head = (
        f"**{_cell(report.tool)}** of {_cell(report.model)} at {_cell(report.endpoint)}, engine {_cell(report.engine)}"
    )
    rows = [
        f"| {_cell(case.id)} | {case.verdict} | {_cell(_words(case))} | {case.seconds:.2f} |" for case in report.cases
    ]
    table = ["| case | verdict | what was seen | s |", "|---|---|---|---:|", *rows]
    return "\n".join([f"{head}: {counts or 'nothing was looked at'}", "", *table]) + "\n"


def _words(case: Case) -> str:
    extra = case.reference if case.verdict == "unsupported" else case.hint if case.verdict == "fail" else ""
    return f"{case.message} — {extra}" if extra else case.message


def _evidence(case: Case) -> str:
    return json.dumps(case.evidence, ensure_ascii=False, indent=2, default=str) if case.evidence else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _xml(text: str) -> str:
    return INVALID_IN_XML.sub("�", text)
