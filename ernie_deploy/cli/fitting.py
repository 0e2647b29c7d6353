"""What `plan` says of memory: the verdict with its bar, the whole ledger, the settings for a goal."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ernie_deploy.cli import ui
from ernie_deploy.errors import UsageError

if TYPE_CHECKING:
    from ernie_deploy.cli.stages import Planned
    from ernie_deploy.plan.gate import Case, Judgement
    from ernie_deploy.plan.levers import Lever
    from ernie_deploy.plan.memory import Ledger, Role


def assessed(made: "Planned") -> "tuple[Case | None, str]":
    """What is to be judged, or why nothing can be said; and which boot's own report it rests on, or why on none."""
    from ernie_deploy.plan.assess import Unknown, case_of
    from ernie_deploy.plan.calibrate import calibration_for

    case = case_of(made.plan, made.facts)
    if isinstance(case, Unknown):
        return None, case.why
    if made.asked.cards:
        return case, "estimated: these cards are not here, so no boot on them is known"
    found, said = calibration_for(made.plan, made.facts)
    return case, f"{'measured' if found else 'estimated'}: {said}"


def as_json(made: "Planned") -> dict[str, Any]:
    """The same for programs."""
    from ernie_deploy.plan.gate import judge
    from ernie_deploy.plan.levers import levers

    case, note = assessed(made)
    if case is None:
        return {"verdict": "unknown", "why": note}
    judgement = judge(case)
    found = judgement.ledger
    return {
        "verdict": judgement.verdict,
        "confidence": judgement.confidence,
        "problems": judgement.problems,
        "buys": judgement.buys,
        "levers": levers(case) if judgement.verdict != "fits" else (),
        "rests_on": note,
        "ledger": found,
        "kv_tokens": found.kv_tokens,
        "reserve_bytes": found.reserve_bytes,
        "rest_bytes": found.rest_bytes,
    }


def show(made: "Planned", *, whole: bool = False) -> None:
    """The verdict, what will not work, what would; with `whole` every entry of the ledger."""
    from ernie_deploy.cli.bar import Style, bar
    from ernie_deploy.plan.gate import judge
    from ernie_deploy.plan.levers import levers

    case, note = assessed(made)
    if case is None:
        ui.out(f"memory: nothing can be said: {note}")
        return
    judgement = judge(case)
    ui.heading(f"memory: {judgement.verdict} ({judgement.confidence}) on {_rooms(case)}")
    for problem in judgement.problems:
        ui.out(f"  {problem}")
    for line in bar(judgement.ledger, Style(ui.has_blocks(), ui.has_colour()), width=ui.width()):
        ui.out(line)
    if whole:
        ledger_table(judgement.ledger)
    ui.out(f"  {bought(judgement)}")
    if note:
        ui.out(f"  {note}")
    if judgement.verdict != "fits":
        for line in suggestions(levers(case)):
            ui.out(f"  {line}")


def refuse_early(path: Path) -> None:
    """Before anything is looked at: a picture of another kind, or nothing to draw it with. Raises UsageError."""
    from ernie_deploy.cli.charting import chart_format

    chart_format(path)


def draw(made: "Planned", path: Path) -> None:
    """The picture of what would fit. Raises UsageError when nothing can be said about these cards."""
    case, note = assessed(made)
    if case is None:
        raise UsageError(
            f"--chart: nothing can be said: {note}", hint="name a card: ernie-deploy plan --gpu L20 --chart fit.png"
        )
    draw_case(case, made, path)


def draw_case(case: "Case", made: "Planned", path: Path) -> None:
    """The picture of a case, and word of it."""
    from ernie_deploy.cli.charting import chart

    chart(path, case, model=made.plan.model.value)
    ui.say(f"drew {path}")


def bought(judgement: "Judgement") -> str:
    """`96,896 tokens of KV cache: 0.74 full-length requests, 11 typical ones; 5 pictures, 78 s of video a request`."""
    buys = judgement.buys
    seconds = "video of any length" if buys.video_seconds is None else f"{buys.video_seconds:.0f} s of video"
    pictures = "1 picture" if buys.pictures_per_request == 1 else f"{buys.pictures_per_request} pictures"
    return (
        f"{buys.kv_tokens:,} tokens of KV cache: {buys.full_length_requests:.2f} full-length requests or"
        f" {buys.typical_requests} typical ones at once; {pictures} of full size or {seconds} in a request"
    )


def suggestions(found: "tuple[Lever, ...]") -> list[str]:
    """`would fit: --max-num-seqs 4 | --quant wint4`; for a refusal also what would start at least."""
    fitting = [lever.flags for lever in found if lever.flags]
    starting = [lever.starts_flags for lever in found if lever.starts_flags]
    lines = [f"would fit: {' | '.join(fitting)}"] if fitting else ["no single setting makes it fit"]
    return lines + ([f"would start, tight: {' | '.join(starting)}"] if starting else [])


def _rooms(case: "Case") -> str:
    names = {(room.name, room.total_bytes) for room in case.rooms}
    return " and ".join(
        f"{sum((room.name, room.total_bytes) == one for room in case.rooms)} × {one[0]} ({one[1] / (1 << 20):,.0f} MiB)"
        for one in sorted(names)
    )


def ledger_table(ledger: "Ledger") -> None:
    from ernie_deploy.plan.gate import gib

    def entries(role: "Role") -> list[tuple[str, ...]]:
        return [
            (f"− {line.name}", gib(line.bytes), gib(line.low), gib(line.high), line.kind, f"{line.why} ({line.source})")
            for line in ledger.lines
            if line.role == role
        ]

    cache = "what is left" if ledger.kv_bytes != ledger.wanted_kv_bytes else "the size that is asked for"
    rows: list[tuple[str, ...]] = [("the engine's share", gib(ledger.share_bytes), "", "", "derived", "")]
    rows += entries("share")
    rows += [("= KV cache", gib(ledger.kv_bytes), gib(ledger.kv_low), gib(ledger.kv_high), "derived", cache)]
    rows += [("outside of the share", gib(ledger.reserve_bytes), "", "", "derived", "")]
    rows += entries("reserve")
    rows += [("= rest", gib(ledger.rest_bytes), "", "", "derived", "for fragments, and for what nobody foresaw")]
    ui.table(("entry", "expected", "least", "most", "how known", "why"), rows)
