"""Putting a support bundle together: each part by itself, for what cannot be had must not cost the rest."""

import os
import platform
import time
from pathlib import Path

from ernie_deploy import __version__
from ernie_deploy.cli import stages
from ernie_deploy.cli.diagnosing import read
from ernie_deploy.cli.options import Asked
from ernie_deploy.cli.stages import Planned
from ernie_deploy.errors import DeployError
from ernie_deploy.redact import Redactor
from ernie_deploy.serve.glance import ask_health, glance
from ernie_deploy.serve.journal import run_logs
from ernie_deploy.serve.state import Run, Store
from ernie_deploy.serve.support import Bundle, metrics_of, secrets_of

# The last run and the one before: what has changed between them often tells.
RUNS = (0, 1)


def bundle_of(name: str, *, hides_users: bool = False) -> Bundle:
    """Everything about one deployment, running or not."""
    store = stages.store_of(name)
    run = store.read()
    planned, problem = _planned(name)
    bundle = Bundle(Redactor(_secrets(run, planned), hides_users=hides_users))
    bundle.json("versions.json", _versions(planned))
    _put_plan(bundle, run, planned, problem)
    bundle.json("status.json", glance(name, os.environ)._asdict())
    for record in sorted(store.directory.glob("*.json")):
        bundle.json_file(f"records/{record.name}", record)
    _put_logs(bundle, store, run)
    _ask(bundle, run)
    return bundle


def about(name: str) -> dict[str, object]:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"tool": f"ernie-deploy {__version__}", "deployment": name, "created": created}


def default_name(name: str) -> str:
    return f"ernie-support-{name}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz"


def _planned(name: str) -> tuple[Planned | None, str]:
    """The plan as it would be made now; and why there is none."""
    try:
        return stages.planned(Asked(None, {"name": name}), import_engine=False), ""
    except DeployError as error:
        return None, error.message


def _secrets(run: Run | None, planned: Planned | None) -> set[str]:
    launches = [one for one in (run.launch if run else None, planned.launch if planned else None) if one]
    plans = [one for one in (run.plan if run else None, planned.plan if planned else None) if one]
    files = {path for launch in launches for path in launch.secret_env.values()}
    files |= {str(plan.api_key_file.value) for plan in plans if plan.api_key_file.value}
    given = [{**plan.env.value, **{key: str(one) for key, one in plan.engine_args.value.items()}} for plan in plans]
    return secrets_of(files, os.environ, *given, *(launch.env for launch in launches))


def _versions(planned: Planned | None) -> dict[str, object]:
    environments = planned.facts.environments if planned else ()
    return {
        "ernie_deploy": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "environments": [
            {"python": one.python, "version": one.python_version, "distributions": one.distributions}
            for one in environments
        ],
    }


def _put_plan(bundle: Bundle, run: Run | None, planned: Planned | None, problem: str) -> None:
    """What runs, when it is on record, and what would run now."""
    if run:
        bundle.json("running/plan.json", run.plan)
        bundle.json("running/launch.json", run.launch)
    if planned is None:
        bundle.leave_out("plan.json, launch.json, facts.json, checks.json", problem)
        return
    bundle.json("plan.json", planned.plan)
    bundle.json("launch.json", planned.launch)
    bundle.json("facts.json", planned.facts)
    bundle.json("checks.json", stages.check(stages.without_running(planned, stages.store_of(planned.plan.name))))


def _put_logs(bundle: Bundle, store: Store, run: Run | None) -> None:
    for number in RUNS:
        paths = run_logs(store.logs, number)
        if paths:
            engine = run.launch.engine if run and number == 0 else None
            try:
                bundle.json(f"diagnosis-{number}.json", read(paths, engine))
            except DeployError as error:
                bundle.leave_out(f"diagnosis-{number}.json", error.message)
        for path in paths:
            bundle.log(f"logs-{number}/{path.relative_to(store.logs)}", path)
        suffix = f".{number}" if number else ""
        for copy in sorted(Path(store.logs / f"engine{suffix}").rglob("*env*")):
            if copy.is_file():
                bundle.leave_out(f"logs-{number}/{copy.name}", "the engine's copy of its environment holds its keys")
    if not run_logs(store.logs):
        bundle.leave_out("logs", "there are none")


def _ask(bundle: Bundle, run: Run | None) -> None:
    if run is None:
        bundle.leave_out("health.json, metrics.txt", "nothing is on record as running")
        return
    bundle.json("health.json", {"url": f"{run.launch.base_url}/health", "status": ask_health(run.launch.base_url)})
    port = next((one.number for one in run.launch.ports if one.role == "metrics"), None)
    try:
        bundle.text("metrics.txt", metrics_of(run.launch.base_url, port))
    except (OSError, ValueError) as error:
        bundle.leave_out("metrics.txt", str(error))
