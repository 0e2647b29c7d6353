"""Findings for people and for machines: text, and SARIF 2.1.0."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from urllib.parse import quote

from ernie_deploy.lint.judge import Ignored
from ernie_deploy.lint.rules import rules
from ernie_deploy.lint.values import NAMES, SEVERITIES, Engine, Finding, Launch, Reading

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(one: Finding) -> str:
    """`file:line:column: error FD001 message`, with what follows and what to do on lines of their own."""
    return (
        f"{one.path}:{one.line}:{one.column}: {one.severity} {one.rule} {one.message}\n"
        f"    {one.consequence}\n"
        f"    → {one.fix}"
    )


def summary(found: Sequence[Finding], ignored: int = 0) -> str:
    """`2 errors, 1 warning; 1 ignored`."""
    counts = [(severity, sum(one.severity == severity for one in found)) for severity in SEVERITIES]
    told = ", ".join(f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counts if count)
    return (told or "nothing found") + (f"; {ignored} ignored, as the file says" if ignored else "")


def notes(reading: Reading, asked: Collection[Engine] = ()) -> list[str]:
    """What was assumed to judge this file, and that there was nothing to judge.

    `asked` are the engines whose version stood on the command line.
    """
    if not reading.launches and not reading.installs:
        return [f"{reading.path}: launches neither FastDeploy nor vLLM (read as {reading.kind})"]
    return list(dict.fromkeys(_assumed(one, one.engine in asked) for one in reading.launches if one.is_assumed))


def _assumed(launch: Launch, is_asked: bool) -> str:
    name = NAMES[launch.engine]
    known = ", ".join(launch.facts.versions)
    if launch.given_version is not None and not is_asked:
        return f"{name} {launch.given_version.text} is not described; the facts of {launch.version} are taken ({known})"
    if is_asked:
        return f"{name}: this version is not described; the facts of {launch.version} are taken ({known})"
    return f"{name}: no version is named; the facts of {launch.version} are taken (--engine-version)"


def as_sarif(found: Iterable[Finding], version: str, ignored: Iterable[Ignored] = ()) -> dict[str, Any]:
    """One run, with all rules; what comments of the files answer is there as suppressed. Columns count characters."""
    order = {rule: index for index, rule in enumerate(rules())}
    driver = {
        "name": "ernie-deploy lint",
        "version": version,
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.title},
                "fullDescription": {"text": f"{rule.title}: {rule.consequence}"},
                "help": {"text": rule.fix},
                "defaultConfiguration": {"level": rule.severity},
                "properties": {"source": rule.source, "engines": list(rule.engines)},
            }
            for rule in rules().values()
        ],
    }
    results = [_result(one, order[one.rule]) for one in found]
    for one, reason in ignored:
        suppressions = [{"kind": "inSource", "justification": reason}]
        results.append(_result(one, order[one.rule]) | {"suppressions": suppressions})
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(one: Finding, index: int) -> dict[str, Any]:
    region = {
        "startLine": one.line,
        "startColumn": one.column,
        "endLine": one.end_line,
        "endColumn": one.end_column,
    }
    artifact = {"uri": "stdin" if one.path == "-" else quote(one.path)}
    return {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": one.severity,
        "message": {"text": f"{one.message}. What follows: {one.consequence}. What to do: {one.fix}."},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
    }
