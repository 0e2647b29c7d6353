"""Is there a fault that no smoke probe catches, or a probe that fires when nothing is wrong?

    .venv/bin/python scripts/mutation_report.py [--markdown docs/reference/smoke-mutation.md] [--repeat 20]

For every fault of a service that serves, a simulated FastDeploy is started with it and asked all probes. Exit code 1
unless every fault makes at least one probe fail, and no probe fails on a healthy one, whatever is drawn.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from ernie_deploy.client import Client, Endpoint
from ernie_deploy.files import write_atomically
from ernie_deploy.report import Case, Verdict
from ernie_deploy.sim.fastdeploy import bare
from ernie_deploy.sim.fastdeploy.dials import Dials
from ernie_deploy.sim.fastdeploy.faults import Fault, known
from ernie_deploy.smoke.base import Tier
from ernie_deploy.smoke.registry import PROBES
from ernie_deploy.smoke.run import run, select
from ernie_deploy.smoke.target import Profile, Target

SERVING = ("health", "metrics", "key", "request", "answer", "load", "wire")
NO_MUTANTS: Mapping[str, str] = {
    "queue-full": "a service that is busy with others is not broken",
}
HANGING = frozenset(("no-tokens", "no-tokens-idle", "tokens-stop", "slow-loris"))
"""Every request waits as long as a probe may. These are shown to the fast tier only, with less patience."""

SLOW = frozenset(("huge-body", "one-at-a-time"))
"""Every request takes long. These are shown to the fast tier only."""

ARGUMENTS: Mapping[str, str] = {"huge-body": "33"}
"""MiB: just more than a client takes."""

VERSION = "2.5.0"
MODEL = "ernie-rehearsal"
KEY = "sk-simulated"
MAX_MODEL_LEN = 32768
MAX_NUM_SEQS = 4
AT_ONCE = 2
PATIENCE_S = 10.0
LITTLE_PATIENCE_S = 1.0
START_S = 30.0
# Time enough for several requests to meet: with no pause at all each would be done before the next one comes.
ITL_S = 0.001
ENGINE_ARGS = (
    "--model=any/model",
    "--host=127.0.0.1",
    f"--served-model-name={MODEL}",
    f"--max-model-len={MAX_MODEL_LEN}",
    f"--max-num-seqs={MAX_NUM_SEQS}",
    '--limit-mm-per-prompt={"image": 10, "video": 2}',
    "--reasoning-parser=ernie-45-vl-thinking",
    "--tool-call-parser=ernie-45-vl-thinking",
)


class Run(NamedTuple):
    """What all probes found on one simulator."""

    fault: str
    verdicts: Mapping[str, Verdict]
    messages: Mapping[str, str]
    seconds: float

    @property
    def fired(self) -> tuple[str, ...]:
        return tuple(name for name, verdict in self.verdicts.items() if verdict == "fail")


class Address(NamedTuple):
    url: str
    metrics_url: str


# Running --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def simulator(fault: str) -> Iterator[Address]:
    """One that serves with a fault, `""` for none; gone afterwards.

    A process of its own, so that a fault may end it, but a copy of this one, so that it is there at once.
    """
    forking = multiprocessing.get_context("fork")
    ours, theirs = forking.Pipe()
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        process = forking.Process(target=serve, args=(fault, Path(name), theirs))
        process.start()
        try:
            if not ours.poll(START_S):
                raise SystemExit(f"the simulator with {fault or 'no fault'} did not start")
            port, metrics_port = ours.recv()
            yield Address(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics_port}")
        finally:
            process.terminate()
            process.join(START_S)


def serve(fault: str, directory: Path, opened: Connection) -> None:
    """Runs in the child, until it is told to end."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    environ = {"FD_API_KEY": KEY, "FD_LOG_DIR": str(directory)}
    # Some of what it tells it reads from where it runs.
    os.environ.update(environ)
    dials = Dials(version=VERSION, faults=fault, ttft_s=0.005, itl_s=ITL_S, fetch_s=0.1, loopback_only=True)
    asyncio.run(bare.serve(ENGINE_ARGS, dials, environ, directory, lambda *ports: opened.send(ports)))


def probed(
    address: Address, fault: str, seed: int, *, tier: Tier = "full", profile: Profile = "rehearsal", patience_s: float
) -> Run:
    """All verdicts on a simulator."""
    began = time.monotonic()
    with Client(Endpoint(address.url, MODEL, KEY)) as client, Client(Endpoint(address.metrics_url)) as metrics:
        target = Target(
            client,
            "fastdeploy",
            profile,
            seed,
            timeout_s=patience_s,
            max_model_len=MAX_MODEL_LEN,
            max_num_seqs=MAX_NUM_SEQS,
            metrics=metrics,
            is_simulated=True,
        )
        cases: list[Case] = list(run(PROBES, target, select(PROBES, tier=tier)))
    return Run(
        fault,
        {case.id: case.verdict for case in cases},
        {case.id: case.message for case in cases},
        time.monotonic() - began,
    )


def mutated(fault: str, seed: int) -> Run:
    """What the probes find while a fault holds."""
    hangs = fault in HANGING
    argument = ARGUMENTS.get(fault)
    with simulator(f"{fault}:{argument}" if argument else fault) as address:
        tier: Tier = "fast" if hangs or fault in SLOW else "full"
        return probed(address, fault, seed, tier=tier, patience_s=LITTLE_PATIENCE_S if hangs else PATIENCE_S)


def repeated(times: int) -> list[Run]:
    """Runs on one healthy simulator, each with a seed of its own."""
    with simulator("") as address:
        return [probed(address, "", seed, patience_s=PATIENCE_S) for seed in range(times)]


# Judging --------------------------------------------------------------------------------------------------------------


def serving_faults() -> tuple[Fault, ...]:
    return tuple(fault for fault in known().values() if fault.kind in SERVING and fault.name not in NO_MUTANTS)


def alarms(runs: Sequence[Run]) -> list[str]:
    """Probes that failed where nothing is wrong, with what they said."""
    return [f"{name} (seed {seed}): {found.messages[name]}" for seed, found in enumerate(runs) for name in found.fired]


def changed(runs: Sequence[Run]) -> list[str]:
    """Probes whose verdict was not the same in all runs."""
    first = runs[0].verdicts
    return [name for name in first if any(found.verdicts[name] != first[name] for found in runs)]


def idle(runs: Sequence[Run]) -> list[str]:
    """Probes that no fault made fail."""
    fired = {name for found in runs for name in found.fired}
    return [probe.id for probe in PROBES if probe.id not in fired]


def most_telling(name: str, runs: Sequence[Run]) -> Run | None:
    """Of the faults that make a probe fail, the one that makes the fewest others fail."""
    return min((found for found in runs if name in found.fired), key=lambda found: len(found.fired), default=None)


# Showing --------------------------------------------------------------------------------------------------------------


def document(runs: Sequence[Run], healthy: Run) -> str:
    """The page in the reference; nothing in it depends on the machine."""
    caught = sum(bool(found.fired) for found in runs)
    faults = known()
    rows = "\n".join(
        f"| `{found.fault}` | {faults[found.fault].says} | {len(found.fired)} | {shown(found.fired)} |"
        for found in runs
    )
    telling = "\n".join(
        f"| `{probe.id}` | `{found.fault}` | {len(found.fired)} |"
        for probe in PROBES
        if (found := most_telling(probe.id, runs))
    )
    never = idle(runs)
    reasons = "\n".join(f"- `{name}`: {healthy.verdicts[name]} on the healthy one" for name in never) or "None."
    left_out = "\n".join(f"- `{name}`: {why}" for name, why in NO_MUTANTS.items())
    unsupported = [name for name, verdict in healthy.verdicts.items() if verdict == "unsupported"]
    skipped = [name for name, verdict in healthy.verdicts.items() if verdict == "skip"]
    return f"""# Which smoke probe catches which fault

Made by `scripts/mutation_report.py --markdown docs/reference/smoke-mutation.md`. For each fault a **simulated**
FastDeploy {VERSION} is started with it and asked all {len(PROBES)} probes, profile `rehearsal`, with a key, the
metrics and the length known. No real engine took part: this says what the probes notice, not what engines do.

Mutation score: {caught} of {len(runs)} faults make at least one probe fail. On the healthy simulator none fails;
{len(unsupported)} are `unsupported` there, because FastDeploy is known not to do it:
{shown(unsupported, most=99)}. {len(skipped)} are `skip`: {shown(skipped, most=99) or "none"}.

A fault that makes every request wait or take long is shown to the tier `fast` only:
{shown(sorted(HANGING | SLOW), most=9)}. A cell names five probes at most; the number before it counts all.

| fault | what happens | caught by | such as |
| --- | --- | ---: | --- |
{rows}

## Which fault tells most about a probe

Of the faults that make a probe fail, the one that makes the fewest fail. A probe of which even that one makes many
others fail proves nothing here that they do not; on another engine, or on the real one, it may.

| probe | fault | probes that it makes fail |
| --- | --- | ---: |
{telling}

## Probes that no fault makes fail

{reasons}

## Faults that are left out

{left_out}
"""


def shown(names: Sequence[str], most: int = 5) -> str:
    more = f", … {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"`{name}`" for name in names[:most]) + more


def main() -> int:
    """Run, print, and write the page when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", type=Path, help="write the page")
    parser.add_argument("--check", type=Path, help="fail when this page is not the one that would be written")
    parser.add_argument("--repeat", type=int, default=3, help="runs on the healthy one, each with a seed of its own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="a fault, by its name")
    asked = parser.parse_args()
    began = time.monotonic()
    with simulator("") as address:
        fast = probed(address, "", asked.seed, tier="fast", patience_s=PATIENCE_S)
        contract = probed(address, "", asked.seed, profile="contract", patience_s=PATIENCE_S)
    print(f"the fast tier took {fast.seconds:.1f} s on the healthy simulator", flush=True)
    healthy = repeated(max(1, asked.repeat))
    false = alarms([*healthy, contract])
    unsteady = changed(healthy)
    print(f"{len(healthy)} runs on the healthy one: {len(false)} false alarms, {len(unsteady)} verdicts that changed")
    print(
        "".join(f"FALSE ALARM {text}\n" for text in false) + "".join(f"CHANGED {name}\n" for name in unsteady), end=""
    )
    names = [fault.name for fault in serving_faults() if not asked.only or fault.name in asked.only]
    runs: list[Run] = []
    with ProcessPoolExecutor(AT_ONCE) as pool:
        for found in pool.map(mutated, names, [asked.seed] * len(names)):
            runs.append(found)
            print(f"{found.fault:24} {found.seconds:5.1f} s  {', '.join(found.fired) or 'SURVIVED'}", flush=True)
    survived = [found.fault for found in runs if not found.fired]
    print(f"\nmutation score: {len(runs) - len(survived)} of {len(runs)}; survived: {', '.join(survived) or 'none'}")
    print(f"probes that no fault makes fail: {', '.join(idle(runs)) or 'none'}")
    print(f"{time.monotonic() - began:.0f} s")
    page = document(runs, healthy[0])
    if asked.markdown:
        write_atomically(asked.markdown, page)
    is_old = asked.check is not None and asked.check.read_text(encoding="utf-8") != page
    if is_old:
        print(f"{asked.check} is not up to date; write it with --markdown")
    return 1 if survived or false or unsteady or is_old else 0


if __name__ == "__main__":
    sys.exit(main())
