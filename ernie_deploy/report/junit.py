"""The report as JUnit XML, in the form that Jenkins, GitLab and the GitHub actions read."""

import json
from xml.etree import ElementTree

from ernie_deploy.report.fitting import cut, fitted, printable
from ernie_deploy.report.values import Case, Exchange, Report, summary


def as_junit(report: Report) -> str:
    """One suite. What is unsupported is `<skipped>` too: JUnit has no third word, and it must not read as a pass."""
    counts = summary(report.cases)
    figures = {
        "name": printable(report.tool),
        "tests": str(len(report.cases)),
        "failures": str(counts["fail"]),
        "errors": "0",
        "time": f"{sum(case.seconds for case in report.cases):.3f}",
    }
    # Jenkins' xUnit plugin refuses a whole file for this attribute on the element above.
    suite = ElementTree.Element("testsuite", figures | {"skipped": str(counts["skip"] + counts["unsupported"])})
    if report.created:
        # The format knows no time zone: it is UTC.
        suite.set("timestamp", printable(report.created.removesuffix("Z")))
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(report).items():
        ElementTree.SubElement(properties, "property", name=name, value=_text(value))
    for case in report.cases:
        suite.append(_case(case, report.tool))
    root = ElementTree.Element("testsuites", figures)
    root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _properties(report: Report) -> dict[str, str]:
    told = {name: str(getattr(report, name)) for name in ("version", "endpoint", "engine", "model", "profile", "tier")}
    seed = {} if report.seed is None else {"seed": str(report.seed)}
    marks = {"simulated": report.is_simulated, "interrupted": report.was_interrupted}
    return {**told, **seed, **{name: "true" for name, is_so in marks.items() if is_so}}


def _case(case: Case, tool: str) -> ElementTree.Element:
    classname = f"{tool}.{case.tier}" if case.tier else tool
    element = ElementTree.Element(
        "testcase", classname=printable(classname), name=printable(case.id), time=f"{case.seconds:.3f}"
    )
    if case.verdict == "fail":
        failure = ElementTree.SubElement(element, "failure", message=_text(case.message), type="fail")
        told = (case.title, cut(case.hint), cut(case.reference), _evidence(case))
        failure.text = printable("\n".join(filter(None, told)))
    elif case.verdict in ("skip", "unsupported"):
        words = (f"{case.verdict}: {case.message}", case.reference)
        ElementTree.SubElement(element, "skipped", message=" — ".join(_text(word) for word in words if word))
    if out := _output(case):
        ElementTree.SubElement(element, "system-out").text = printable(out)
    return element


def _output(case: Case) -> str:
    """What a reader of a passed or failed case wants to see without another file."""
    message = cut(case.message) if case.verdict == "pass" else ""
    attempts = f"attempts: {case.attempts}" if case.attempts > 1 else ""
    return "\n".join(filter(None, (message, attempts, *(_in_a_line(exchange) for exchange in case.exchanges))))


def _in_a_line(exchange: Exchange) -> str:
    said = cut(exchange.error) or ("" if exchange.status is None else f"HTTP {exchange.status}")
    return f"{exchange.method} {cut(exchange.path)}: {said}, {exchange.total_s:.3f} s"


def _text(text: str) -> str:
    return printable(cut(text))


def _evidence(case: Case) -> str:
    return json.dumps(fitted(case.evidence), ensure_ascii=False, indent=2) if case.evidence else ""
