"""`ernie-deploy smoke`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli.options import Json, Name

CHOICE, SERVICE, FILES = "Which probes, and how", "The service", "Reports"


def smoke(
    name: Name = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Another service than the deployed one.", rich_help_panel=SERVICE)
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="The name the service is asked for.")] = None,
    cacert: Annotated[
        Path | None, typer.Option("--cacert", help="The certificate of a private authority (PEM), for https.")
    ] = None,
    metrics_url: Annotated[
        str | None, typer.Option("--metrics-url", help="Where the metrics are, when not beside the API.")
    ] = None,
    max_model_len: Annotated[
        int | None, typer.Option("--max-model-len", min=1, help="Its longest request, when it does not say.")
    ] = None,
    max_num_seqs: Annotated[
        int | None, typer.Option("--max-num-seqs", min=1, help="How many requests it works on at once.")
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option("--expect", help="contract (shapes), rehearsal (exact words) or model (right answers)."),
    ] = None,
    tier: Annotated[str, typer.Option("--tier", help="fast, or full: all of them.")] = "full",
    only: Annotated[list[str] | None, typer.Option("--only", help="Run this probe, tier or need; repeatable.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", help="Leave this one out; repeatable.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Draw the same pictures again; else new ones (rehearsal: 8180).")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Thinking and answer together, per answer.")
    ] = None,
    timeout_s: Annotated[
        float | None,
        typer.Option("--timeout", min=0.1, max=86400, help="Seconds for one probe; else 120, 300 for long texts."),
    ] = None,
    retries: Annotated[int, typer.Option("--retries", min=0, help="Try a failed probe again so often.")] = 0,
    fail_on: Annotated[
        list[str] | None, typer.Option("--fail-on", help="Fail on these too: unsupported, skip; repeatable.")
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML.")] = None,
    ctrf: Annotated[Path | None, typer.Option("--ctrf", help="Write CTRF JSON.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a summary for a pull request.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with all requests and pictures.")] = None,
    record: Annotated[Path | None, typer.Option("--record", help="Keep every exchange in this new folder.")] = None,
    replay: Annotated[Path | None, typer.Option("--replay", help="Judge a recording again, offline.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the probes.")] = False,
    as_json: Json = False,
) -> None:
    """Prove what the service can do.

    Requests whose answers are right or wrong: one for each thing that the model and its engine promise. Exit code 7
    when one is wrong. What did not run, or cannot be done by this engine, is never shown as passed.
    """
    from ernie_deploy.cli import reporting, smoking

    if list_them:
        smoking.list_probes(as_json=as_json)
        return
    wanted = smoking.Wanted(
        expect=smoking.profile(expect),
        tier=smoking.tier(tier),
        only=only or (),
        skip=skip or (),
        seed=seed,
        max_tokens=max_tokens or 0,
        timeout_s=timeout_s,
        retries=retries,
        metrics_url=metrics_url,
        max_model_len=max_model_len,
        max_num_seqs=max_num_seqs,
    )
    files = {"junit": junit, "ctrf": ctrf, "markdown": markdown, "html": html}
    reporting.require_places(files)
    not_to_be = smoking.verdicts(fail_on or ())
    if replay:
        others = {"--url": url, "--model": model, "--cacert": cacert, "--record": record, "--name": name}
        probed = smoking.judge_again(replay, wanted, others)
    else:
        probed = smoking.probe_service(name, url, model, cacert, wanted, record)
    try:
        # First what stays: a reader of the table, such as `head`, may go before its end.
        reporting.write(probed.report, files)
    finally:
        smoking.show_probed(probed, as_json=as_json)
    smoking.require_asked(probed)
    if probed.recorder:
        probed.recorder.require_complete()
    reporting.require_success(probed.report, not_to_be)
