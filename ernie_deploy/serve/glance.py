"""A quick look at what is deployed: `status` must answer at once, so nothing heavy is imported here.

The record is read with the standard library rather than decoded whole, and health is asked over a bare socket: the
HTTP client alone takes longer to import than all of this to run.
"""

import json
import socket
import time
from collections.abc import Mapping
from typing import NamedTuple

from ernie_deploy.process import Identity, belongs
from ernie_deploy.serve import sightings
from ernie_deploy.serve.places import RUN_FILE, engine_log, state_root, token_prefix

HEALTH_TIMEOUT_S = 2.0


class Glance(NamedTuple):
    """One deployment. `state`: ready, starting, unhealthy, orphaned (its server is gone, `left` processes live on and
    hold the card), dead (nothing of it lives), damaged or stopped.

    `health` is the raw status of /health, None when nobody answers; `up_s` seconds since it was started.
    """

    name: str
    state: str
    engine: str = ""
    url: str = ""
    model: str = ""
    pid: int | None = None
    up_s: int | None = None
    health: int | None = None
    left: int = 0
    log: str = ""
    is_simulated: bool = False

    def in_words(self) -> str:
        """One line for people, and what to do when something is off."""
        if self.state in ("ready", "starting", "unhealthy"):
            health = "" if self.state == "ready" else f" (health {self.health or 'not yet'})"
            engine = f"{self.engine} (SIMULATED)" if self.is_simulated else self.engine
            return f"{self.name}: {self.state}{health}, {engine} at {self.url}, pid {self.pid}, up {self.up_s} s"
        # Only for what is not well: it would take a third of the time that this may take.
        from ernie_deploy.spec.schema import DEFAULT_NAME

        flag = "" if self.name == DEFAULT_NAME else f" --name {self.name}"
        left = "1 process" if self.left == 1 else f"{self.left} processes"
        if self.state == "orphaned":
            rest = f"{left} of it left; stop them: ernie-deploy down{flag}"
            return f"{self.name}: its server is gone, {rest}; its log: {self.log}"
        if self.state == "dead":
            return f"{self.name}: died, nothing of it lives; its log: {self.log}; clear it: ernie-deploy down{flag}"
        if self.state == "damaged":
            rest = f"{left} run; stop them: ernie-deploy down{flag}"
            return f"{self.name}: its record is damaged or gone, {rest}"
        return f"{self.name}: not running"


def names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The deployments that have a record."""
    root = state_root(environ)
    return tuple(sorted(record.parent.name for record in root.glob(f"*/{RUN_FILE}")))


def glance(name: str, environ: Mapping[str, str]) -> Glance:
    """How one deployment stands now."""
    directory = state_root(environ) / name
    prefix = token_prefix(directory)
    try:
        run = json.loads((directory / RUN_FILE).read_bytes())
        leader = Identity(*run["leader"]) if run["leader"] else None
        members = [Identity(*member) for member in run["members"]]
        url, phase = str(run["launch"]["base_url"]), str(run["phase"])
        engine, model = str(run["launch"]["engine"]), str(run["launch"]["served_model"])
        is_simulated = str(run["plan"]["engine_version"]["value"]).endswith("+simulated")
        started_at = float(run["started_at"])
        up_s = int(time.time() - started_at)
    except FileNotFoundError:
        left = len(sightings.members(directory, prefix, ()))
        return Glance(name, "damaged", left=left) if left else Glance(name, "stopped")
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Glance(name, "damaged", left=len(sightings.members(directory, prefix, ())))
    log = str(engine_log(directory))
    found = sightings.members(directory, prefix, members)
    sightings.observe(directory, found, since=started_at)
    if leader is None or not belongs(leader, prefix):
        left = len(found)
        return Glance(name, "orphaned" if left else "dead", engine, url, model, left=left, log=log)
    health = ask_health(url)
    state = "starting" if phase != "ready" else "ready" if health == 200 else "unhealthy"
    return Glance(name, state, engine, url, model, leader.pid, up_s, health, log=log, is_simulated=is_simulated)


def ask_health(base_url: str) -> int | None:
    """The status of /health by one HTTP/1.0 request; None when nobody answers in time or not in HTTP."""
    host, _, port = base_url.removeprefix("http://").rstrip("/").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=HEALTH_TIMEOUT_S) as connection:
            connection.sendall(f"GET /health HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            line = connection.recv(64).split(b"\r\n", 1)[0].split()
    except (OSError, ValueError, OverflowError):  # the last two: a damaged record has any port
        return None
    is_http = len(line) >= 2 and line[0].startswith(b"HTTP/") and line[1].isdigit()
    return int(line[1]) if is_http else None
