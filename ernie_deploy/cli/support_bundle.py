"""`ernie-deploy support-bundle`"""

from pathlib import Path
from typing import Annotated

import typer

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import DryRun, Json, Name


def support_bundle(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The archive to write, .tar.gz.")] = None,
    name: Name = None,
    hide_users: Annotated[
        bool, typer.Option("--hide-users", help="Also take names of users out of paths in /home.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Pack what helps others to find out what is wrong, without secrets.

    Plan, facts, checks, records, metrics, versions, the diagnosis, and the beginnings and ends of logs. Keys, passwords
    and what users asked are taken out; the manifest names every file with its SHA-256. Nothing is sent anywhere.
    """
    from ernie_deploy.cli import stages
    from ernie_deploy.cli.bundling import about, bundle_of, default_name
    from ernie_deploy.errors import UsageError
    from ernie_deploy.files import human_size, write_atomically

    name = stages.named(name)
    bundle = bundle_of(name, hides_users=hide_users)
    target = out or Path(default_name(name))
    packed = bundle.pack(about(name))
    if not dry_run:
        try:
            write_atomically(target, packed, 0o600)
        except OSError as error:
            raise UsageError(
                f"{target}: cannot be written: {error.strerror}", hint="name another: --out FILE"
            ) from None
    if as_json:
        ui.json(
            {
                "file": str(target),
                "bytes": len(packed),
                "written": not dry_run,
                "members": bundle.members,
                "left_out": bundle.left_out,
            }
        )
        return
    for member in bundle.members:
        ui.out(f"{human_size(member.bytes):>10}  {member.name}")
    for one in bundle.left_out:
        ui.say(f"left out: {one.what}: {one.why}")
    ui.out(
        f"{'would write' if dry_run else 'wrote'} {target} ({human_size(len(packed))}); look at it before you send it"
    )
