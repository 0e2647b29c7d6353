"""The report in the Common Test Report Format (ctrf.io), version 1.0.0 of its schema."""

import json
from datetime import UTC, datetime

from ernie_deploy.report.fitting import cut, fitted, json_text, printable
from ernie_deploy.report.values import Case, Report, Verdict, summary

STATUS: dict[Verdict, str] = {"pass": "passed", "fail": "failed", "skip": "skipped", "unsupported": "other"}
"""`unsupported` is neither: `rawStatus` names it."""


def as_ctrf(report: Report) -> str:
    counts = {STATUS[verdict]: count for verdict, count in summary(report.cases).items()}
    duration_ms = sum(_ms(case.seconds) for case in report.cases)
    stop_ms = _since_1970_ms(report.created)
    results = {
        "tool": {"name": cut(report.tool), "version": report.version},
        "summary": {
            "tests": len(report.cases),
            **counts,
            "pending": 0,
            "flaky": sum(_is_flaky(case) for case in report.cases),
            "start": max(stop_ms - duration_ms, 0),
            "stop": stop_ms,
            "duration": duration_ms,
        },
        "tests": [_test(case) for case in report.cases],
        "environment": {
            "appName": cut(report.model),
            "testEnvironment": cut(report.endpoint),
            "extra": {
                "engine": cut(report.engine),
                "profile": report.profile,
                "tier": report.tier,
                "seed": report.seed,
                "isSimulated": report.is_simulated,
                "wasInterrupted": report.was_interrupted,
            },
        },
    }
    document = {
        "reportFormat": "CTRF",
        "specVersion": "1.0.0",
        **({"timestamp": report.created} if report.created else {}),
        "generatedBy": f"ernie-deploy {report.version}",
        "results": results,
    }
    return json_text(document)


def _test(case: Case) -> dict[str, object]:
    words = " — ".join(filter(None, (case.message, case.reference if case.verdict == "unsupported" else "")))
    test: dict[str, object] = {
        "name": case.id,
        "status": STATUS[case.verdict],
        "rawStatus": case.verdict,
        "duration": _ms(case.seconds),
        "type": "smoke",
        "message": printable(cut(words)),
        **({"tags": [case.tier]} if case.tier else {}),
        "extra": {"title": case.title, "hint": cut(case.hint), "reference": cut(case.reference)},
    }
    if case.verdict == "fail" and case.evidence:
        test["trace"] = json.dumps(fitted(case.evidence), ensure_ascii=False, indent=2)
    if case.attempts > 1:
        test |= {"retries": case.attempts - 1, "flaky": _is_flaky(case)}
    return test


def _is_flaky(case: Case) -> bool:
    return case.verdict == "pass" and case.attempts > 1


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _since_1970_ms(created: str) -> int:
    """0 for a report that says no time."""
    if not created:
        return 0
    moment = datetime.fromisoformat(created)
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
