"""Write docs/reference/lint-rules.md from the rules themselves.

python scripts/lint_reference.py            write it
python scripts/lint_reference.py --check    only say whether it is up to date; exit code 1 when it is not
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from page_writer import publish

from ernie_deploy.lint.rules import Rule, rules
from ernie_deploy.lint.values import NAMES

INTRODUCTION = """\
# The rules of lint

This page is written by `scripts/lint_reference.py` from `ernie_deploy/lint/rules.yaml`. Edit the rules, not this page.

`ernie-deploy lint` finds these in scripts, launch YAML, compose files, units and manifests that start FastDeploy or
vLLM; how to use it: [Lint a launch](../how-to/lint-a-launch.md). An *error* certainly breaks the start or silently
loses a setting; a *warning* is probably not what you want; a *note* is worth knowing. The severity of one finding can
differ from that of its rule: what rests on a version that is assumed is a warning. With *yes* under `--fix`, lint
corrects it where the correction is certain.

FD are rules of FastDeploy and of launches of any engine, VL of vLLM, SV of what surrounds an engine. A source
*fact-sheet* is a section of our notes of FastDeploy's code and documents, *issue* a thread of its repository,
*measured* an experiment."""


def page() -> str:
    """The whole page."""
    found = rules().values()
    rows = [f"| [{one.id}](#{one.id.lower()}) | {one.severity} | {_fixes(one)} | {one.title} |" for one in found]
    table = "\n".join(["| rule | severity | `--fix` | what it finds |", "| --- | --- | --- | --- |", *rows])
    return "\n\n".join([INTRODUCTION, table, *(block for one in found for block in _section(one))]) + "\n"


def _section(rule: Rule) -> Iterator[str]:
    engines = " and ".join(NAMES[engine] for engine in rule.engines)
    yield f"## {rule.id}"
    yield f"**{_sentence(rule.title)}** ({rule.severity}; {engines})"
    lines = [f"- What follows: {rule.consequence}.", f"- What to do: {rule.fix}.", f"- Source: {rule.source}."]
    yield "\n".join(lines)


def _fixes(rule: Rule) -> str:
    return "yes" if rule.mends else ""


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


if __name__ == "__main__":
    sys.exit(publish("lint-rules.md", page()))
