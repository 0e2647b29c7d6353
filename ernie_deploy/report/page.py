"""The report as one page that needs nothing else. All that a service said is escaped, and nothing is fetched."""

import base64
import hashlib
import re
import shlex

from ernie_deploy.report.fitting import cut, one_line
from ernie_deploy.report.page_exchange import exchanges_of
from ernie_deploy.report.page_media import media_of
from ernie_deploy.report.page_style import SCRIPT, STYLE
from ernie_deploy.report.page_words import json_block, text
from ernie_deploy.report.values import Case, Report, Verdict, summary

# In this order on the page: what needs a reader comes first.
NAMES: dict[Verdict, str] = {"fail": "failed", "unsupported": "unsupported", "skip": "did not run", "pass": "passed"}


def as_html(report: Report) -> str:
    # A page that could be made to run a script of the service's would run it where the report is looked at.
    allowed = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{text(f'{_outcome(report)} – {report.tool}: {report.model or report.endpoint}')}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body><main>",
            _head(report),
            *(_group(report, verdict) for verdict in NAMES),
            f"<footer>{text(report.tool)} {text(report.version)}. The key is in no part of this page.</footer>",
            "</main>",
            f"<script>{SCRIPT}</script>",
            "</body></html>",
        ]
    )


def _head(report: Report) -> str:
    counts = summary(report.cases)
    state = "fail" if counts["fail"] else "pass" if counts["pass"] else "skip"
    bar = "".join(f'<span class="{one}" style="flex:{counts[one]}"></span>' for one in NAMES if counts[one])
    banners = {
        "SIMULATED: no engine and no model answered.": report.is_simulated,
        "INTERRUPTED: the run did not come to all probes.": report.was_interrupted,
    }
    warnings = "".join(f'<p class="banner">{words}</p>' for words, is_so in banners.items() if is_so)
    return "\n".join(
        (
            f'<header><p class="soft">{text(report.tool)}</p>',
            f'<h1 class="outcome is-{state}">{_outcome(report)}</h1>',
            f'<p class="model">{text(report.model or "(any model)")}</p>{warnings}{_facts(report)}',
            f'<div class="bar" aria-hidden="true">{bar}</div>{_filter(report)}',
            _index(report),
            "</header>",
        )
    )


def _outcome(report: Report) -> str:
    """The run in a few words, as a tab of a browser shows them."""
    counts = summary(report.cases)
    if counts["fail"]:
        return f"{counts['fail']} of {len(report.cases)} failed"
    return f"none failed, {counts['pass']} of {len(report.cases)} passed" if counts["pass"] else "nothing was proved"


def _facts(report: Report) -> str:
    facts = {
        "endpoint": report.endpoint,
        "engine": report.engine,
        "expected": report.profile,
        "tier": report.tier,
        "seed": "" if report.seed is None else str(report.seed),
        "time": report.created,
        "took": f"{sum(case.seconds for case in report.cases):.1f} s" if report.cases else "",
        "version": report.version,
    }
    rows = "".join(f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in facts.items() if value)
    return f"<dl>{rows}</dl>"


def _filter(report: Report) -> str:
    """Which verdicts are shown. CSS hides the others, so that it works where scripts are forbidden, too."""
    counts = summary(report.cases)
    choices = "".join(
        f'<label><input type="radio" name="show" id="show-{one}"{"" if counts[one] else " disabled"}>'
        f'<span class="dot {one}"></span>{counts[one]} {NAMES[one]}</label>'
        for one in NAMES
    )
    every = f'<label><input type="radio" name="show" id="show-all" checked>all {len(report.cases)}</label>'
    return f'<fieldset class="tally"><legend>Show</legend>{every}{choices}</fieldset>'


def _index(report: Report) -> str:
    rows = "".join(
        f'<li><a href="#{_anchor(case)}">{text(case.id)}</a> <span>{text(_brief(report, case))}</span></li>'
        for case in report.cases
        if case.verdict == "fail"
    )
    if not rows:
        return ""
    return (
        f'<nav class="index" aria-labelledby="what-failed"><h2 id="what-failed">What failed</h2><ul>{rows}</ul></nav>'
    )


def _brief(report: Report, case: Case) -> str:
    """What was seen, in a line. It begins with what differs from case to case, and the address never does."""
    return one_line(cut(case.message.replace(report.endpoint, ""), 300))


def _group(report: Report, verdict: Verdict) -> str:
    cases = [case for case in report.cases if case.verdict == verdict]
    if not cases:
        return ""
    shown = "\n".join(_case(report, case) for case in cases)
    return f'<section class="group is-{verdict}"><h2>{len(cases)} {NAMES[verdict]}</h2>\n{shown}</section>'


def _case(report: Report, case: Case) -> str:
    attempts = f" · attempt {case.attempts}" if case.attempts > 1 else ""
    brief = _brief(report, case) if case.verdict != "pass" else case.title
    is_failed = case.verdict == "fail"
    parts = [
        f'<details id="{_anchor(case)}" class="case is-{case.verdict}"{" open" if is_failed else ""}>',
        f'<summary><span class="badge {case.verdict}">{NAMES[case.verdict]}</span><h3 class="id">{text(case.id)}'
        f'</h3><span class="time">{case.seconds:.2f} s{attempts}</span>'
        f'<span class="brief">{text(brief)}</span></summary>',
        '<div class="body">',
        f'<p class="message">{text(case.message)}</p>',
        f"<p><b>What to do:</b> {text(case.hint)}</p>" if case.hint else "",
        f"<p><b>Who says so:</b> {text(case.reference)}</p>" if case.reference else "",
        f'<p class="soft">A pass proves: {text(case.title)}. <a href="#{_anchor(case)}">Link to this probe</a></p>',
        media_of(case),
        f"<h4>Evidence</h4>{json_block(case.evidence)}" if case.evidence else "",
        exchanges_of(case, last_is_open=is_failed),
        f"<h4>Ask it again</h4><pre>{text(_again(report, case))}</pre>" if is_failed else "",
        "</div></details>",
    ]
    return "\n".join(filter(None, parts))


def _anchor(case: Case) -> str:
    """smoke.html#grounding"""
    return re.sub("[^A-Za-z0-9-]+", "-", case.id)[:80]


def _again(report: Report, case: Case) -> str:
    """The command that asks this probe the very same."""
    known = {
        "--url": report.endpoint,
        "--model": report.model,
        "--expect": report.profile,
        "--seed": "" if report.seed is None else str(report.seed),
        "--only": case.id,
    }
    words = [word for flag, value in known.items() if value for word in (flag, one_line(cut(value)))]
    return shlex.join(["ernie-deploy", "smoke", *words])
