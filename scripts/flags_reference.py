"""Write docs/reference/fastdeploy-flags.md from ernie_deploy/catalog/engine_flags/fastdeploy.yaml.

python scripts/flags_reference.py            write it
python scripts/flags_reference.py --check    only say whether it is up to date; exit code 1 when it is not
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from page_writer import publish

from ernie_deploy.catalog.flags import Assertion, Flag, ParserName, PortFact, Since, Variable, flags_of

INTRODUCTION = """\
# FastDeploy's flags

This page is written by `scripts/flags_reference.py` from
[fastdeploy.yaml](../../ernie_deploy/catalog/engine_flags/fastdeploy.yaml). Edit that file, not this page. Plans, checks
and everything else that reads or writes a FastDeploy command ask the same file.

Described are the versions {versions}; `develop` is {newest}. In a YAML file for `--config` a flag is called by its
name with underscores; FastDeploy drops every other key in silence. A `?` marks a version that no source tells, so
that it is assumed. What surprises stands after `Trap:`. The last column is a tag of the file or the change that was
read; the head of the YAML file explains the tags. Nothing was read from a running server."""


def page() -> str:
    """The whole page."""
    facts = flags_of("fastdeploy")
    versions = ", ".join(facts.versions[:-1])
    blocks = [INTRODUCTION.format(versions=versions, newest=facts.newest_means)]
    for group in dict.fromkeys(flag.group for flag in facts.flags):
        blocks.append(f"## {group.capitalize()}")
        rows = (_flag(flag) for flag in facts.flags if flag.group == group)
        blocks.append(_table(("flag", "kind", "default", "versions", "what it is", "source"), rows))
    blocks.append("## Environment variables")
    columns = ("variable", "default", "versions", "what it is", "source")
    blocks.append(_table(columns, (_variable(one) for one in facts.variables)))
    blocks.append("## Ports")
    blocks.append(_table(("port", "flag", "unasked", "bound on", "source"), (_port(one) for one in facts.ports)))
    blocks.append("## What it asserts when it starts")
    blocks.append(_table(("assertion", "why", "source"), (_assertion(one) for one in facts.assertions)))
    blocks.append("## Parsers")
    blocks.append(_table(("name", "flag", "versions", "note", "source"), (_parser(one) for one in facts.parsers)))
    return "\n\n".join(blocks) + "\n"


def _flag(flag: Flag) -> tuple[str, ...]:
    notes = [flag.says]
    notes += [f"One of: {', '.join(f'`{one}`' for one in flag.choices)}."] if flag.choices else []
    notes += [f"JSON: {_schema(flag.schema)}."] if flag.schema and "properties" in flag.schema else []
    notes += [f"Not given: {flag.unset}."] if flag.unset else []
    notes += [f"Deprecated: {flag.deprecated}."] if flag.deprecated else []
    notes += [f"Trap: {flag.trap}."] if flag.trap else []
    notes += [f"A wrong value: {flag.if_wrong}."] if flag.if_wrong else []
    spelled = ", ".join(f"`{option}`" for option in flag.options)
    default = _defaults(flag.default, flag.changes)
    return spelled, _kind(flag), default, _versions(flag), " ".join(_sentence(note) for note in notes), flag.source


def _kind(flag: Flag) -> str:
    least, most = ("" if bound is None else f"{bound:.10g}" for bound in (flag.least, flag.most))
    return f"{flag.kind} {least}…{most}".strip() if least or most else flag.kind


def _variable(one: Variable) -> tuple[str, ...]:
    notes = [one.says]
    notes += [f"One of: {', '.join(f'`{choice}`' for choice in one.choices)}."] if one.choices else []
    notes += [f"Not given: {one.unset}."] if one.unset else []
    notes += ["A secret."] if one.is_secret else []
    notes += ["The engine sets it for its workers."] if one.set_by_engine else []
    default = "" if one.default is None else f"`{one.default}`"
    return f"`{one.name}`", default, _versions(one), " ".join(_sentence(note) for note in notes), one.source


def _port(one: PortFact) -> tuple[str, ...]:
    last = f"shares {one.shares}" if one.shares else "none" if one.is_off else "a free one"
    numbers = [(one.since, one.number), *((change.version, change.default) for change in one.changes)]
    unasked = ", ".join(
        f"{last if number is None else number}" + (f" since {version}" if version else "")
        for version, number in numbers
    )
    return one.role, f"`{one.flag}`", unasked, "0.0.0.0" if one.is_always_everywhere else "`--host`", one.source


def _assertion(one: Assertion) -> tuple[str, ...]:
    factors = one.right if isinstance(one.right, tuple) else (one.right,)
    right = " x ".join(str(factor) for factor in factors)
    relation = {"divides-by": "is divisible by the number of"}.get(one.relation, one.relation)
    said = f"`{one.left}` is given" if one.relation == "is-set" else f"`{one.left}` {relation} `{right}`"
    when = "".join(f", when `{name}` is `{value}`" for name, value in one.when.items())
    unless = "".join(f", unless `{name}` is `{value}`" for name, value in one.unless.items())
    return said + when + unless, one.says, one.source


def _parser(one: ParserName) -> tuple[str, ...]:
    return f"`{one.name}`", f"`{one.flag}`", _versions(one), one.says, one.source


def _versions(fact: Flag | Variable | ParserName) -> str:
    guess = "?" if fact.is_assumed and (fact.since or fact.until) else ""
    words = [f"since {fact.since}" if fact.since else "", f"until {fact.until}" if fact.until else ""]
    return " ".join(word for word in words if word) + guess or "all"


def _defaults(default: Any, changes: tuple[Since, ...]) -> str:
    later = [f"{_value(change.default)} since {change.version}{'?' if change.is_assumed else ''}" for change in changes]
    return ", ".join([_value(default), *later])


def _value(value: Any) -> str:
    return "none" if value is None else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _schema(schema: dict[str, Any]) -> str:
    return ", ".join(f"`{name}` {inner['type']}" for name, inner in schema["properties"].items())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (columns, tuple("---" for _ in columns), *rows)
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)


if __name__ == "__main__":
    sys.exit(publish("fastdeploy-flags.md", page()))
