"""Rules on a reading: what is found, with its place, in the order of the file."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from ernie_deploy.lint.ignoring import Ignore, ignores
from ernie_deploy.lint.registry import OF_FILES, OF_LAUNCHES
from ernie_deploy.lint.rules import Rule, rules
from ernie_deploy.lint.text import Lines
from ernie_deploy.lint.values import Finding, Reading, Remark


class Ignored(NamedTuple):
    """A finding that the file itself answers, and its reason."""

    finding: Finding
    reason: str


class Judged(NamedTuple):
    """What the rules find, and what they would find if no comment of the file spoke about it."""

    findings: tuple[Finding, ...]
    ignored: tuple[Ignored, ...] = ()


def findings(reading: Reading, *, only: Collection[str] = (), ignore: Collection[str] = ()) -> tuple[Finding, ...]:
    """What the rules find, in the order of the file."""
    return judged(reading, only=only, ignore=ignore).findings


def judged(reading: Reading, *, only: Collection[str] = (), ignore: Collection[str] = ()) -> Judged:
    """What the rules find, each place and text once, and which of it comments of the file answer."""
    found = _found(reading, only, ignore)
    comments = ignores(reading.characters) if found else ()
    answered: list[Ignored] = []
    left: list[Finding] = []
    for one in found:
        comment = _about(one, comments)
        if comment:
            answered.append(Ignored(one, comment.reason))
        else:
            left.append(one)
    return Judged(tuple(left), tuple(answered))


def _about(one: Finding, comments: Iterable[Ignore]) -> Ignore | None:
    return next((each for each in comments if one.rule in each.rules and one.line in each.lines), None)


def _found(reading: Reading, only: Collection[str], ignore: Collection[str]) -> list[Finding]:
    lines = Lines(reading.characters)
    found: dict[tuple[object, ...], Finding] = {}
    for rule in rules().values():
        if (only and rule.id not in only) or rule.id in ignore:
            continue
        for remark in _remarks(rule, reading):
            one = _finding(rule, remark, reading, lines)
            found[one.rule, one.line, one.column, one.message] = one
    return sorted(found.values(), key=lambda one: (one.line, one.column, one.rule))


def _remarks(rule: Rule, reading: Reading) -> Iterable[Remark]:
    if rule.id in OF_FILES:
        yield from OF_FILES[rule.id](reading)
        return
    for launch in reading.launches:
        if launch.engine in rule.engines:
            yield from OF_LAUNCHES[rule.id](launch)


def _finding(rule: Rule, remark: Remark, reading: Reading, lines: Lines) -> Finding:
    start, end = lines.place(remark.start), lines.place(max(remark.end, remark.start))
    return Finding(
        rule=rule.id,
        severity=remark.severity or rule.severity,
        path=reading.path,
        line=start.line,
        column=start.column,
        end_line=end.line,
        end_column=end.column,
        message=remark.message,
        consequence=remark.consequence or rule.consequence,
        fix=remark.fix or rule.fix,
        edits=remark.edits,
    )
