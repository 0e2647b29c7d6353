"""The report as a comment below a pull request: failures first, passes folded away, engines' words only words."""

import re
from collections.abc import Sequence

from ernie_deploy.report.fitting import cut, one_line
from ernie_deploy.report.values import Case, Report, Verdict, summary

LONGEST_CELL = 600
"""A comment may have some sixty thousand characters, and a run has some fifty cases."""

SIGNS: dict[Verdict, str] = {"fail": "❌", "unsupported": "🚫", "skip": "⏭️", "pass": "✅"}
NAMES: dict[Verdict, str] = {"fail": "failed", "unsupported": "unsupported", "skip": "did not run", "pass": "passed"}

URL = re.compile(r"(https?://[^\s`|<>'\"]*[^\s`|<>'\".,:;)])")
SPECIAL = re.compile(r"([\\`*_\[\]<#|~&$])")
# Only a character of no width between keeps a name from being notified and a number from being linked.
CALLING = re.compile(r"(@|\\#)(?=\w)")


def as_markdown(report: Report) -> str:
    """GitHub's and GitLab's Markdown."""
    model = f" of {_code(report.model)}" if report.model else ""
    lines = [f"**{_prose(report.tool)}**{model} at {_code(report.endpoint)}, engine {_prose(report.engine)}", ""]
    counts = [f"{SIGNS[verdict]} {count} {NAMES[verdict]}" for verdict, count in _counts(report) if count]
    lines += [" · ".join(counts) or "Nothing was looked at.", ""]
    if report.is_simulated:
        lines += ["> **SIMULATED**: no engine and no model answered.", ""]
    if report.was_interrupted:
        lines += ["> **INTERRUPTED**: the run did not come to all probes.", ""]
    for verdict, heading in (("fail", "What to do"), ("unsupported", "Who says so")):
        lines += _table([case for case in report.cases if case.verdict == verdict], heading)
    for verdict in ("skip", "pass"):
        lines += _folded([case for case in report.cases if case.verdict == verdict])
    return "\n".join([*lines, _foot(report)]) + "\n"


def _counts(report: Report) -> list[tuple[Verdict, int]]:
    counts = summary(report.cases)
    return [(verdict, counts[verdict]) for verdict in SIGNS]


def _table(cases: Sequence[Case], heading: str) -> list[str]:
    if not cases:
        return []
    rows = [
        f"| {SIGNS[case.verdict]} {_code(case.id)} | {_prose(case.message)} | {_prose(_advice(case))} |"
        for case in cases
    ]
    return [f"| {NAMES[cases[0].verdict].capitalize()} | What was seen | {heading} |", "|---|---|---|", *rows, ""]


def _advice(case: Case) -> str:
    return case.reference if case.verdict == "unsupported" else case.hint or case.reference


def _folded(cases: Sequence[Case]) -> list[str]:
    if not cases:
        return []
    sign, name = SIGNS[cases[0].verdict], NAMES[cases[0].verdict]
    rows = [f"| {_code(case.id)} | {_prose(case.message)} | {case.seconds:.2f} |" for case in cases]
    # Without the empty line the table would be text.
    head = [f"<details><summary>{sign} {len(cases)} {name}</summary>", "", "| Probe | What was seen | s |"]
    return [*head, "|---|---|---:|", *rows, "", "</details>", ""]


def _foot(report: Report) -> str:
    seed = "" if report.seed is None else f"seed {report.seed}"
    facts = (f"expected: {report.profile}" if report.profile else "", seed, f"version {report.version}", report.created)
    return f"<sub>{_prose(' · '.join(filter(None, facts)))}</sub>"


def _prose(text: str) -> str:
    """Text that stays text: no markup, no picture, no link, no notified name. A URL is shown as code."""
    parts = URL.split(one_line(cut(text, LONGEST_CELL)))
    return "".join(_code(part) if place % 2 else _escaped(part) for place, part in enumerate(parts))


def _escaped(text: str) -> str:
    return CALLING.sub("\\1\u200b", SPECIAL.sub(r"\\\1", text))


def _code(text: str) -> str:
    """In a code span nothing is markup but the backtick that ends it, and in a table the bar."""
    plain = one_line(cut(text, LONGEST_CELL)).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`" if plain else ""
