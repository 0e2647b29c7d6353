"""`ernie-deploy lint`"""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Json

if TYPE_CHECKING:
    from ernie_deploy.lint.judge import Ignored
    from ernie_deploy.lint.values import Finding


def lint(
    files: Annotated[list[str] | None, typer.Argument(help="Files to look at; - is standard input.")] = None,
    kind: Annotated[str, typer.Option("--kind", help="What the file is, when its content does not tell.")] = "",
    engine_version: Annotated[
        list[str] | None,
        typer.Option("--engine-version", help="Judge by this version: 2.5.0 (FastDeploy), or vllm=0.32.0."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="This rule alone; repeat for several.")] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Not this rule; repeat for several.")] = None,
    fail_on: Annotated[
        Literal["error", "warning", "never"], typer.Option("--fail-on", help="End with 7 from this severity on.")
    ] = "error",
    fix: Annotated[bool, typer.Option("--fix", help="Apply the fixes that are certain.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what --fix changes; without --fix nothing is.")] = False,
    as_json: Json = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0, for code scanning.")] = False,
    list_them: Annotated[bool, typer.Option("--list", help="List the rules.")] = False,
) -> None:
    """Find what is wrong with a launch before it costs an hour.

    Reads shell scripts, argument lists, launch YAML of FastDeploy and vLLM, compose files, systemd units, Kubernetes
    manifests and environment files. A comment `# ernie-deploy lint: ignore=RULE REASON` in a file is heeded. Exit code
    7 with findings, 3 for a file that cannot be read, 0 otherwise.
    """
    from ernie_deploy import __version__
    from ernie_deploy.cli.linting import STDIN, asked_for, linted
    from ernie_deploy.errors import DeployError, ExitCode, UsageError
    from ernie_deploy.lint import output
    from ernie_deploy.lint.rules import rules
    from ernie_deploy.lint.values import SEVERITIES

    if list_them:
        rows = [(one.id, one.severity, "yes" if one.mends else "", one.title) for one in rules().values()]
        ui.listing(("rule", "severity", "--fix", "title"), rows, as_json=as_json)
        return
    if not files:
        raise UsageError("no file is given", hint="give files, or - for standard input: ernie-deploy lint start.sh")
    if (as_json and sarif) or ((diff or (fix and STDIN in files)) and (as_json or sarif)):
        raise UsageError("--json, --sarif, --diff and a fixed standard input all want stdout", hint="choose one")
    asked = asked_for(kind, engine_version or (), only=only or (), ignore=ignore or ())
    found: list[Finding] = []
    ignored: list[Ignored] = []
    unreadable = False
    for name in files:
        try:
            judged = linted(name, asked, fix=fix, diff=diff)
            found += judged.findings
            ignored += judged.ignored
        except DeployError as error:
            if error.exit_code != ExitCode.SPEC:
                raise
            unreadable = True
            ui.error(error)
    if sarif:
        ui.json(output.as_sarif(found, __version__, ignored))
    elif as_json:
        ui.json(found)
    else:
        show = ui.say if (fix and STDIN in files) or diff else ui.out
        for one in found:
            show(output.as_text(one))
    if found or ignored or not unreadable:
        ui.say(output.summary(found, len(ignored)))
    if unreadable:
        raise typer.Exit(int(ExitCode.SPEC))
    failing = SEVERITIES[: {"error": 1, "warning": 2, "never": 0}[fail_on]]
    if any(one.severity in failing for one in found):
        raise typer.Exit(int(ExitCode.VERIFY))
