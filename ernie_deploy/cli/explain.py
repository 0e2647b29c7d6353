"""`ernie-deploy explain`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import FLAGS, Asked, Json, spec_flags

if TYPE_CHECKING:
    from ernie_deploy.engines.explain import Row

WITH_VALUE = {name for flag in FLAGS if flag.type is not bool for name in flag.names}
OWN = {"--file", "--facts", "--json", "--help"}


class NamesMayBeFlags(TyperCommand):
    """Takes a flag without its value, such as `explain --max-model-len`, for the name of what to explain."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_names_last(args))


def with_names_last(words: list[str]) -> list[str]:
    """`--max-model-len --port 9000` → `--port 9000 -- --max-model-len`."""
    flags: list[str] = []
    names: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        bare = word.partition("=")[0]
        if word == "--":
            names += rest
            break
        if not word.startswith("--") or bare in OWN or (bare in WITH_VALUE and "=" in word):
            flags.append(word)
        elif bare in WITH_VALUE and rest and not rest[0].startswith("--"):
            flags += [word, rest.pop(0)]
        else:
            names.append(bare)
    return [*flags, "--", *names] if names else flags


@spec_flags
def explain(
    asked: Asked,
    names: Annotated[list[str] | None, typer.Argument(help="Flags, variables or keys; all when left out.")] = None,
    facts: Annotated[Path | None, typer.Option("--facts", help="Explain it for the host of this facts.json.")] = None,
    as_json: Json = False,
) -> None:
    """Say where each flag and variable comes from, and why.

    Every flag and every variable that the engine is started with: value, origin, reason, versions, source. With a name
    also what the engine would do without it, or does when it is not passed. A flag without a value is such a name.
    """
    from ernie_deploy.cli.stages import planned
    from ernie_deploy.engines.explain import assumption, row_of, rows

    plan = planned(asked, facts_file=facts).plan
    found = [row_of(plan, name) for name in names] if names else list(rows(plan))
    if note := assumption(plan):
        ui.say(note)
    if as_json:
        ui.json(found)
    elif names:
        for row in found:
            _in_full(row)
    else:
        cells = [(row.name, row.value, row.origin, row.why, row.versions, row.source) for row in found]
        ui.table(("name", "value", "from", "why", "versions", "source"), cells)


def _in_full(row: "Row") -> None:
    parts = {"from": row.origin, "why": row.why, "it is": row.says, "without it": row.otherwise, "beware": row.trap,
             "versions": row.versions, "source": row.source}  # fmt: skip
    ui.heading(f"{row.name} {row.value}" if row.is_emitted or row.kind == "setting" else row.name)
    for title, text in parts.items():
        if text:
            ui.out(f"  {title:<12}{text}")
