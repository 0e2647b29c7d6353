"""`ernie-deploy plan`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked, Json, spec_flags


@spec_flags
def plan(
    asked: Asked,
    explain: Annotated[bool, typer.Option("--explain", help="Every value with its reason and origin.")] = False,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Every entry of the memory ledger, with its reason.")
    ] = False,
    chart: Annotated[Path | None, typer.Option("--chart", help="Draw what would fit, as .png or .svg.")] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Propose the best settings for a goal: see --for.")] = False,
    goal: Annotated[str | None, typer.Option("--for", help="The goal: chat, documents, video or zoom.")] = None,
    facts: Annotated[Path | None, typer.Option("--facts", help="Plan for the host of this facts.json.")] = None,
    presets: Annotated[bool, typer.Option("--presets", help="List the presets.")] = False,
    cards: Annotated[bool, typer.Option("--cards", help="List the cards that --gpu knows by name.")] = False,
    as_json: Json = False,
) -> None:
    """Show what `up` would run, why, and whether it fits.

    The values with their origin, the verdict on memory, and the command to paste into a shell. Nothing is started.
    """
    from ernie_deploy.cli import fitting
    from ernie_deploy.cli.stages import planned, store_of, without_running
    from ernie_deploy.engines.acknowledge import shown_command
    from ernie_deploy.engines.base import shown
    from ernie_deploy.engines.explain import assumption
    from ernie_deploy.engines.start_script import pasteable
    from ernie_deploy.plan import secrets
    from ernie_deploy.plan.explain import lines

    if presets:
        _list_presets(as_json=as_json)
        return
    if cards:
        _list_cards(as_json=as_json)
        return
    if chart:
        fitting.refuse_early(chart)
    made = planned(asked, facts_file=facts)
    if facts is None and not asked.cards:
        # What it holds of a card while it runs is no other's, and free again when it starts anew.
        made = without_running(made, store_of(made.plan.name))
    if fit or goal:
        from ernie_deploy.cli.proposing import propose

        propose(made, goal or "chat", chart=chart, ledger=ledger, as_json=as_json)
        return
    if note := assumption(made.plan):
        ui.say(note)
    if chart:
        fitting.draw(made, chart)
    if as_json:
        ui.json({"plan": secrets.shown(made.plan), "launch": shown(made.launch), "memory": fitting.as_json(made)})
        return
    if explain:
        rows = [(line.key, line.value, line.origin, line.why) for line in lines(made.plan)]
        ui.table(("setting", "value", "from", "why"), rows)
    else:
        ui.table(("setting", "value", "from"), [(line.key, line.value, line.origin) for line in lines(made.plan)])
    ui.out("")
    fitting.show(made, whole=ledger)
    ui.out("")
    ui.out(shown_command(made.plan, pasteable(made.launch)))


def _list_presets(*, as_json: bool) -> None:
    from ernie_deploy.catalog.load import presets

    rows = [(name, preset.title) for name, preset in presets().items()]
    ui.listing(("preset", "title"), rows, as_json=as_json)


def _list_cards(*, as_json: bool) -> None:
    from ernie_deploy.catalog.known_cards import known_cards

    if as_json:
        ui.json(known_cards())
        return
    rows = [
        (card.id, f"{card.sold_gb} GB", f"{card.total_mib} MiB", card.compute_capability, f"{card.driver} or later")
        for card in known_cards()
    ]
    ui.table(("card", "sold as", "NVML reports", "compute capability", "driver"), rows)
