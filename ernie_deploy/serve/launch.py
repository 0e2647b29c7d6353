"""Start an engine so that it can always be found again: recorded before it exists, marked, logging to a file."""

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from ernie_deploy.engines.arguments import install_command
from ernie_deploy.engines.base import Launch
from ernie_deploy.errors import EngineError, PreflightError
from ernie_deploy.plan.values import Plan
from ernie_deploy.process import TOKEN_VARIABLE, identify
from ernie_deploy.serve.keys import secret
from ernie_deploy.serve.state import Run, Store

OUR_PREFIX = "ERNIE_DEPLOY_"


def start(plan: Plan, launch: Launch, store: Store, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Spawn the engine in a session of its own and record it. The caller holds the store's lock.

    The record is written first, without a leader: if we are killed between the two, the token still finds the engine.
    Raises EngineError when the program cannot be executed, PreflightError when the state directory is full; nothing is
    running then, and nothing on record.
    """
    environment = _environment(launch, store, environ)
    try:
        _make_places(launch, store)
        run = Run(plan, launch, "starting", started_at=time.time())
        store.write(run)
        store.begin_sightings()
        with store.engine_log.open("wb") as log:
            os.fchmod(log.fileno(), 0o600)
            engine = _spawn(plan, launch, environment, log.fileno())
    except OSError as error:
        # On a file system that became read-only the first error tells more.
        with contextlib.suppress(PreflightError):
            store.forget()
        place = error.filename or store.directory
        raise PreflightError(
            f"{place}: {error.strerror}", hint="free some space, or name another place: ERNIE_DEPLOY_STATE=DIR"
        ) from None
    except EngineError:
        store.forget()
        raise
    try:
        leader = identify(engine.pid)
        store.write(Run(plan, launch, "starting", run.started_at, leader, (leader,) if leader else ()))
    except PreflightError:
        # It is a moment old and has no workers yet.
        engine.kill()
        engine.wait()
        store.forget()
        raise
    return engine


def _spawn(plan: Plan, launch: Launch, environment: dict[str, str], log: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            launch.argv,
            cwd=launch.working_dir,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(
            f"{launch.argv[0]}: cannot be started: {error.strerror}",
            hint=f"`{install_command(plan)}` makes an environment, --engine-python names another",
        ) from None


def _make_places(launch: Launch, store: Store) -> None:
    store.rotate_logs()
    # What the engines of earlier starts left there, sockets above all, belongs to nobody any more.
    shutil.rmtree(launch.working_dir, ignore_errors=True)
    for directory in filter(None, (launch.working_dir, launch.log_dir)):
        Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, target in launch.links.items():
        link = Path(launch.working_dir) / name
        link.unlink(missing_ok=True)
        link.symlink_to(target, target_is_directory=True)


def _environment(launch: Launch, store: Store, environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without our own variables, the launch's on top, keys from their files, and the token."""
    inherited = {name: value for name, value in environ.items() if not name.startswith(OUR_PREFIX)}
    keys = {name: secret(Path(path)) for name, path in launch.secret_env.items()}
    token = f"{store.token_prefix}-{secrets.token_hex(4)}"
    return {**inherited, **launch.env, **keys, TOKEN_VARIABLE: token}
