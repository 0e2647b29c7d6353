"""up → ready → smoke → down against the simulated FastDeploy, at one version."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ernie_deploy.serve.calibrations import CALIBRATIONS_FILE
from tests.support.engines import free_port
from tests.support.simulator import command, left_by

SIDE_BY_SIDE = 2


ASKED = tuple(
    f"--only={name}"
    for name in ("health", "models", "text", "streaming", "reasoning", "image", "tool-call", "error-shape")
)
"""One probe of each kind: how all of them fare at one version is the matter of scripts/mutation_report.py."""


def problems(directory: Path, versions: Iterable[str]) -> list[str]:
    """What is wrong with the whole path at these versions; empty when nothing is."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        found = pool.map(lambda version: why_not(directory / version, version), versions)
        return [problem for problem in found if problem]


def why_not(directory: Path, version: str) -> str:
    """The first thing that is wrong with the whole path of one version; empty when nothing is."""
    up = command(
        directory, "up", "--preset=rehearsal-fastdeploy", f"--engine-version={version}", f"--port={free_port()}"
    )
    try:
        if up.returncode:
            return f"{version}: up: {up.stderr}"
        if f"FastDeploy {version} is SIMULATED" not in up.stderr:
            return f"{version}: up does not say that it is simulated"
        status = command(directory, "status", "--json").stdout
        (seen,) = json.loads(status)
        if (seen["state"], seen["is_simulated"]) != ("ready", True):
            return f"{version}: status: {status}"
        smoke = command(directory, "smoke", "--name=rehearsal", "--expect=rehearsal", "--json", *ASKED)
        report = json.loads(smoke.stdout)
        if smoke.returncode or report["engine"] != "fastdeploy (simulated)":
            return f"{version}: smoke: {smoke.stdout}{smoke.stderr}"
        # Since 2.4 a bad picture is a 500, here as there.
        unsupported = set() if version.startswith("2.3.") else {"error-shape"}
        verdicts = {case["id"]: case["verdict"] for case in report["cases"] if f"--only={case['id']}" in ASKED}
        expected = {name: "unsupported" if name in unsupported else "pass" for name in verdicts}
        if verdicts != expected or len(verdicts) != len(ASKED):
            return f"{version}: smoke: {verdicts}"
        # What a simulator says about a card that is not there teaches nothing about one.
        if (directory / "state" / CALIBRATIONS_FILE).exists():
            return f"{version}: it was learnt from a simulated boot without a card"
    finally:
        down = command(directory, "down", "--name=rehearsal")
    if down.returncode:
        return f"{version}: down: {down.stderr}"
    left = left_by(directory)
    return f"{version}: it left {left}" if left else ""
