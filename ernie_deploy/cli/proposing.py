"""What `plan --fit` says: the best settings for a goal on these cards."""

from pathlib import Path
from typing import TYPE_CHECKING

from ernie_deploy.cli import ui
from ernie_deploy.cli.fitting import bought, draw_case, ledger_table
from ernie_deploy.cli.options import command_line
from ernie_deploy.errors import PreflightError

if TYPE_CHECKING:
    from ernie_deploy.cli.stages import Planned
    from ernie_deploy.plan.gate import Case


def propose(made: "Planned", name: str, *, chart: Path | None, ledger: bool, as_json: bool) -> None:
    """Print the proposal, and draw it when there is a `chart`.

    Raises UsageError for an unknown goal, PreflightError when nothing fits or can be said.
    """
    from ernie_deploy.catalog.cards import cards
    from ernie_deploy.catalog.goals import goal_named
    from ernie_deploy.checks.capability import suits
    from ernie_deploy.plan.gate import Case
    from ernie_deploy.plan.goals import SETTABLE, best
    from ernie_deploy.plan.proposal import Impossible

    goal = goal_named(name)
    case = _case(made)
    needed = cards().compute_capability[case.demand.engine]
    keep = [key for key in SETTABLE if key in made.asked.flags]
    found = best(case, goal, keep=keep, suits=lambda capability: suits(capability, needed))
    if isinstance(found, Impossible):
        raise PreflightError(
            f"no settings for {name}{f' on {found.card}' if found.card else ''}: {found.why}",
            hint="; or ".join(found.would_help),
        )
    if chart:
        rooms = tuple(room for room in case.rooms if room.index in found.cards) if found.cards else case.rooms
        draw_case(Case(found.demand, case.weights, rooms), made, chart)
    if as_json:
        ui.json({"goal": name, "proposal": found})
        return
    sure = "certain" if found.is_certain else "likely"
    ui.heading(
        f"for {name}: level {found.level + 1} of {found.levels}, {sure} to fit on {found.judgement.ledger.room.name}"
    )
    rows = [(key, _shown(value), found.whys.get(key, "")) for key, value in found.settings.items()]
    ui.table(("setting", "value", "why"), rows)
    ui.out(f"  {bought(found.judgement)}")
    for one in found.given_up:
        ui.out(f"  given up: {one}")
    if ledger:
        ledger_table(found.judgement.ledger)
    chosen = "".join(f" --gpu {index}" for index in found.cards) if not made.asked.cards else ""
    if found.cards and made.asked.cards:
        ui.out(f"  {len(found.cards)} of these cards are enough")
    ui.out("")
    replaced = (*found.settings, *(("gpus",) if found.cards else ()))
    ui.out(f"{command_line(made.asked, 'up', without=replaced)}{chosen} {found.flags}")


def _case(made: "Planned") -> "Case":
    """All cards of the host may be used, unless some were chosen."""
    from ernie_deploy.plan.assess import Unknown, case_of, rooms_of

    case = case_of(made.plan, made.facts)
    is_chosen = "gpus" in made.asked.flags or made.asked.cards
    whole = [gpu for gpu in made.facts.gpu.gpus if not gpu.mig_enabled]
    if isinstance(case, Unknown):
        raise PreflightError(
            f"nothing can be proposed: {case.why}", hint="name a card: ernie-deploy plan --gpu L20 --fit"
        )
    if is_chosen or made.plan.device.value != "cuda":
        return case
    return case._replace(rooms=rooms_of(whole))


def _shown(value: object) -> str:
    from ernie_deploy.plan.explain import in_words

    return in_words(value)
