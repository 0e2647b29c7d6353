"""Where deployments are remembered, and the mark their processes carry. Quick to import."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from ernie_deploy.files import absolute

RUN_FILE = "run.json"


def state_root(environ: Mapping[str, str]) -> Path:
    """ERNIE_DEPLOY_STATE, else `ernie-deploy` in the XDG state directory."""
    if environ.get("ERNIE_DEPLOY_STATE"):
        return absolute(environ["ERNIE_DEPLOY_STATE"])
    base = environ.get("XDG_STATE_HOME") or "~/.local/state"
    return absolute(base) / "ernie-deploy"


def engine_log(directory: Path) -> Path:
    """The output of the engine of the deployment in `directory`."""
    return directory / "logs" / "engine.log"


def token_prefix(directory: Path) -> str:
    """Marks every process of the deployment in `directory`. A lost record loses nothing: it is made of the place."""
    return hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:24]
