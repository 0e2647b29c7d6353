"""`ernie-deploy watch`"""

from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Name, patience

SHORTEST_S = 1


def watch(
    name: Name = None,
    interval: Annotated[float, typer.Option("--interval", help="Seconds between two looks at health and metrics.")] = 1,
    hang_after: Annotated[
        float | None, typer.Option("--hang-after", help="Seconds without a token, while one is waited for.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One verdict, then end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as one line of JSON.")] = False,
) -> None:
    """Watch a running deployment: one line whenever its state changes.

    Ends with exit code 6 when it died or hangs, and with 0 when it was stopped on purpose.
    """
    from ernie_deploy.cli import stages
    from ernie_deploy.cli.watching import follow
    from ernie_deploy.errors import UsageError
    from ernie_deploy.serve.watch import Limits

    patience("--interval", interval)
    patience("--hang-after", hang_after)
    if hang_after is not None and hang_after < SHORTEST_S:
        raise UsageError(f"--hang-after: expected at least {SHORTEST_S} s, got {hang_after}")
    name = stages.named(name)
    limits = Limits() if hang_after is None else Limits(hang_after_s=hang_after)
    follow(stages.store_of(name), limits, interval_s=interval, once=once, tell=_as_json if as_json else _in_words)


def _as_json(event: dict[str, object]) -> None:
    import msgspec

    ui.out(msgspec.json.encode(event).decode())


def _in_words(event: dict[str, object]) -> None:
    ui.out(f"{event['at']}  {event['state']}: {event['reason']}")
