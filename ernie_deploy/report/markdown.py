"""The report as a comment below a pull request: failures first, passes folded away, engines' words only words."""

import re
from collections.abc import Sequence

from ernie_deploy.report.fitting import cut, one_line
from ernie_deploy.report.values import Case, Report, Verdict, summary

LARGEST = 60_000
"""Characters. A comment on GitHub has at most 65,536; a summary of a job there 1 MiB, a comment on GitLab 1,000,000."""

LONGEST_CELLS = (600, 200, 40)
"""Characters of a cell before it is cut: the first with which the whole fits."""

MOST_ROWS = 100

SIGNS: dict[Verdict, str] = {"fail": "❌", "unsupported": "🚫", "skip": "⏭️", "pass": "✅"}
NAMES: dict[Verdict, str] = {"fail": "failed", "unsupported": "unsupported", "skip": "did not run", "pass": "passed"}

URL = re.compile(r"((?:https?|ftp)://[^\s`|<>'\"]*[^\s`|<>'\".,:;)])", re.IGNORECASE)
SPECIAL = re.compile(r"([\\`*_\[\]<#|~&$])")
# Only a character of no width between keeps a name from being notified, and a number or a host from being linked.
CALLING = re.compile(r"(@|\\#|!|\bGH-|\bwww\.)(?=\w)", re.IGNORECASE)


def as_markdown(report: Report) -> str:
    """GitHub's and GitLab's Markdown, never more than a comment can hold."""
    written = ""
    for longest in LONGEST_CELLS:
        written = _written(report, longest)
        if len(written) <= LARGEST:
            break
    return written


def _written(report: Report, longest: int) -> str:
    model = f" of {_code(report.model)}" if report.model else ""
    lines = [f"**{_prose(report.tool)}**{model} at {_code(report.endpoint)}, engine {_prose(report.engine)}", ""]
    counts = [f"{SIGNS[verdict]} {count} {NAMES[verdict]}" for verdict, count in _counts(report) if count]
    lines += [" · ".join(counts) or "Nothing was looked at.", ""]
    if report.is_simulated:
        lines += ["> **SIMULATED**: no engine and no model answered.", ""]
    if report.was_interrupted:
        lines += ["> **INTERRUPTED**: the run did not come to all probes.", ""]
    cases = {verdict: [case for case in report.cases if case.verdict == verdict] for verdict in SIGNS}
    lines += _table(cases["fail"], "What to do", longest)
    lines += _table(cases["unsupported"], "Who says so", longest)
    lines += _folded(cases["skip"], "| Why | Probes |\n|---|---|", _by_reason(cases["skip"][:MOST_ROWS], longest))
    timed = [f"{_row(case, longest)} {case.seconds:.2f} |" for case in cases["pass"][:MOST_ROWS]]
    lines += _folded(cases["pass"], "| Probe | What was seen | s |\n|---|---|---:|", timed)
    return "\n".join([*lines, _foot(report)]) + "\n"


def _counts(report: Report) -> list[tuple[Verdict, int]]:
    counts = summary(report.cases)
    return [(verdict, counts[verdict]) for verdict in SIGNS]


def _table(cases: Sequence[Case], heading: str, longest: int) -> list[str]:
    if not cases:
        return []
    shown = cases[:MOST_ROWS]
    rows = [f"| {SIGNS[case.verdict]} {_row(case, longest)[2:]} {_prose(_advice(case), longest)} |" for case in shown]
    head = f"| {NAMES[cases[0].verdict].capitalize()} | What was seen | {heading} |"
    return [head, "|---|---|---|", *rows, *_left_out(cases), ""]


def _row(case: Case, longest: int) -> str:
    return f"| {_code(case.id, in_table=True)} | {_prose(case.message, longest)} |"


def _advice(case: Case) -> str:
    return case.reference if case.verdict == "unsupported" else case.hint or case.reference


def _by_reason(cases: Sequence[Case], longest: int) -> list[str]:
    """One row for all that did not run for the same reason: a fast run leaves out half of the probes."""
    named: dict[str, list[str]] = {}
    for case in cases:
        named.setdefault(case.message, []).append(_code(case.id, in_table=True))
    return [f"| {_prose(why, longest)} | {' '.join(probes)} |" for why, probes in named.items()]


def _folded(cases: Sequence[Case], head: str, rows: Sequence[str]) -> list[str]:
    if not cases:
        return []
    sign, name = SIGNS[cases[0].verdict], NAMES[cases[0].verdict]
    # Without the empty line the table would be text.
    summary_line = f"<details><summary>{sign} {len(cases)} {name}</summary>"
    return [summary_line, "", head, *rows, *_left_out(cases), "", "</details>", ""]


def _left_out(cases: Sequence[Case]) -> list[str]:
    return [f"| … {len(cases) - MOST_ROWS} more | |"] if len(cases) > MOST_ROWS else []


def _foot(report: Report) -> str:
    seed = "" if report.seed is None else f"seed {report.seed}"
    facts = (f"expected: {report.profile}" if report.profile else "", seed, f"version {report.version}", report.created)
    return f"<sub>{_prose(' · '.join(filter(None, facts)))}</sub>"


def _prose(text: str, longest: int = LONGEST_CELLS[0]) -> str:
    """Text that stays text: no markup, no picture, no link, no notified name. A URL is shown as code."""
    parts = URL.split(one_line(cut(text, longest)))
    return "".join(_code(part, in_table=True) if at % 2 else _escaped(part) for at, part in enumerate(parts))


def _escaped(text: str) -> str:
    return CALLING.sub("\\1\u200b", SPECIAL.sub(r"\\\1", text))


def _code(text: str, *, in_table: bool = False) -> str:
    """In a code span nothing is markup but the backtick that ends it, and in a table the bar."""
    plain = one_line(cut(text, LONGEST_CELLS[0])).replace("`", "'")
    plain = plain.replace("|", "\\|") if in_table else plain
    return f"`{plain}`" if plain else ""
