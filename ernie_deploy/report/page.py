"""The report as one page that needs nothing else. All that a service said is escaped, and nothing is fetched."""

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape

from ernie_deploy.report.fitting import cut, fitted, printable
from ernie_deploy.report.page_style import SCRIPT, STYLE
from ernie_deploy.report.values import Box, Case, Exchange, Picture, Report, Verdict, summary

# In this order on the page: what needs a reader comes first.
NAMES: dict[Verdict, str] = {"fail": "failed", "unsupported": "unsupported", "skip": "did not run", "pass": "passed"}

SHOWN_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp")
SHOWN_VIDEOS = ("video/mp4", "video/webm")
LARGEST_SHOWN = 2 * 1024 * 1024
"""Bytes of one picture; a page is opened on phones, too."""


def as_html(report: Report) -> str:
    # A page that could be made to run a script of the service's would run it where the report is looked at.
    allowed = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    )
    by_verdict = sorted(report.cases, key=lambda case: list(NAMES).index(case.verdict))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{_text(f'{report.tool}: {report.model or report.endpoint}')}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body><main>",
            _head(report),
            *(_case(case) for case in by_verdict),
            f"<footer>{_text(report.tool)} {_text(report.version)}. The key is in no part of this page.</footer>",
            "</main>",
            f"<script>{SCRIPT}</script>",
            "</body></html>",
        ]
    )


def _head(report: Report) -> str:
    counts = summary(report.cases)
    bar = "".join(f'<span class="{one}" style="flex:{counts[one]}"></span>' for one in NAMES if counts[one])
    tally = "".join(
        f'<button type="button" data-verdict="{one}" aria-pressed="false"{"" if counts[one] else " disabled"}>'
        f'<span class="dot {one}"></span>{counts[one]} {NAMES[one]}</button>'
        for one in NAMES
    )
    facts = {
        "engine": report.engine,
        "endpoint": report.endpoint,
        "expected": report.profile,
        "tier": report.tier,
        "seed": "" if report.seed is None else str(report.seed),
        "time": f"{report.created}  ({sum(case.seconds for case in report.cases):.1f} s)" if report.created else "",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in facts.items() if value)
    banners = {
        "SIMULATED: no engine and no model answered.": report.is_simulated,
        "INTERRUPTED: the run did not come to all probes.": report.was_interrupted,
    }
    warnings = "".join(f'<p class="banner">{words}</p>' for words, is_so in banners.items() if is_so)
    return (
        f'<header><p class="soft">{_text(report.tool)}</p><h1>{_text(report.model or "(any model)")}</h1>{warnings}'
        f'<dl>{rows}</dl><div class="bar">{bar}</div><div class="tally">{tally}</div></header>'
    )


def _case(case: Case) -> str:
    attempts = f" · attempt {case.attempts}" if case.attempts > 1 else ""
    brief = case.message if case.verdict != "pass" else case.title
    is_failed = case.verdict == "fail"
    parts = [
        f'<details class="case is-{case.verdict}" data-verdict="{case.verdict}"{" open" if is_failed else ""}>',
        f'<summary><span class="badge {case.verdict}">{NAMES[case.verdict]}</span><span class="id">{_text(case.id)}'
        f'</span><span class="time">{case.seconds:.2f} s{attempts}</span>'
        f'<span class="brief">{_text(cut(brief, 300))}</span></summary>',
        '<div class="body">',
        f'<p class="soft">A pass proves: {_text(case.title)}.</p>' if case.title else "",
        f'<p class="message">{_text(case.message)}</p>',
        f"<p><b>What to do:</b> {_text(case.hint)}</p>" if case.hint else "",
        f"<p><b>Who says so:</b> {_text(case.reference)}</p>" if case.reference else "",
        _pictures(case),
        f"<h4>Evidence</h4>{_json(case.evidence)}" if case.evidence else "",
        *(_exchange(exchange, is_open=is_failed and exchange is case.exchanges[-1]) for exchange in case.exchanges),
        "</div></details>",
    ]
    return "\n".join(filter(None, parts))


def _pictures(case: Case) -> str:
    shown = "".join(
        _picture(number, picture, [box for box in case.boxes if box.picture == number and box.is_drawable])
        for number, picture in enumerate(case.pictures)
    )
    return f'<div class="pictures">{shown}</div>' if shown else ""


def _picture(number: int, picture: Picture, boxes: list[Box]) -> str:
    name = f"picture {number}: {_text(picture.media_type)}, {len(picture.data)} bytes"
    marks = "".join(
        f'<br><span class="dot key-{box.kind}"></span>{box.kind}: {_text(box.label)} '
        f"({box.left:g}, {box.top:g}) to ({box.right:g}, {box.bottom:g})"
        for box in boxes
    )
    return f"<figure>{_shown(picture, boxes, name)}<figcaption>{name}{marks}</figcaption></figure>"


def _shown(picture: Picture, boxes: list[Box], name: str) -> str:
    if len(picture.data) > LARGEST_SHOWN:
        return '<p class="soft">(too large for this page)</p>'
    # The type stands in a list, so that it needs no escaping.
    url = f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"
    if picture.media_type in SHOWN_VIDEOS:
        return f'<div class="frame"><video controls muted src="{url}"></video></div>'
    if picture.media_type not in SHOWN_PICTURES:
        return '<p class="soft">(browsers do not show this kind)</p>'
    drawn = "".join(
        f'<rect class="{kind}" x="{box.left:g}" y="{box.top:g}" width="{max(box.right - box.left, 0):g}" '
        f'height="{max(box.bottom - box.top, 0):g}"/>'
        for box in boxes
        for kind in ("halo", box.kind)
    )
    overlay = f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none">{drawn}</svg>' if drawn else ""
    return f'<div class="frame"><img src="{url}" alt="{name}">{overlay}</div>'


def _exchange(exchange: Exchange, *, is_open: bool) -> str:
    status = "no answer" if exchange.status is None else f"HTTP {exchange.status}"
    first = "" if exchange.ttft_s is None else f" · first token {exchange.ttft_s:.3f} s"
    key = {"given": "", "none": " · without a key", "other": " · with another key"}[exchange.key]
    parts = [
        f'<details class="exchange"{" open" if is_open else ""}>',
        f"<summary><code>{_text(exchange.method)} {_text(exchange.path)}</code> → {status} "
        f'<span class="time">· {exchange.total_s:.3f} s{first}{key}</span></summary><div>',
        f'<p class="error">{_text(exchange.error)}</p>' if exchange.error else "",
        f"<h4>Request</h4>{_json(exchange.request)}" if exchange.request is not None else "",
        _answer(exchange.answer),
        "</div></details>",
    ]
    return "\n".join(filter(None, parts))


def _answer(answer: object) -> str:
    """What the client understood, part by part; anything else as it came."""
    if not isinstance(answer, Mapping):
        return f"<h4>Answer</h4><pre>{_text(str(answer))}</pre>" if answer not in (None, "") else ""
    parts = [
        _said("Reasoning", "thought", answer.get("reasoning")),
        _said("Answer", "said", answer.get("content")),
        f"<h4>Tool calls</h4>{_json(answer['tool_calls'])}" if answer.get("tool_calls") else "",
        f'<p class="soft">{_text(_counted(answer))}</p>',
        _raw(answer.get("raw")),
    ]
    return "\n".join(filter(None, parts))


def _counted(answer: Mapping[str, object]) -> str:
    """How it ended and what it cost, in a line."""
    usage = answer.get("usage")
    counted = usage if isinstance(usage, Mapping) else {}
    tokens = [f"{count} {name.removesuffix('_tokens')} tokens" for name, count in counted.items() if count is not None]
    return " · ".join([f"finish_reason: {answer.get('finish_reason')}", *tokens])


def _raw(raw: object) -> str:
    if not raw:
        return ""
    return f'<details class="raw"><summary>As it came over the wire</summary><pre>{_text(str(raw))}</pre></details>'


def _said(heading: str, kind: str, words: object) -> str:
    """Its direction is that of its own first letters: an answer may be in Persian."""
    return f'<h4>{heading}</h4><pre class="{kind}" dir="auto">{_text(str(words))}</pre>' if words else ""


def _json(value: object) -> str:
    return f"<pre>{_text(json.dumps(fitted(value), indent=2, ensure_ascii=False), longest=40_000)}</pre>"


def _text(text: str, longest: int = 4000) -> str:
    return escape(printable(cut(text, longest)))
