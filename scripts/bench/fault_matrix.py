"""Can readiness be fooled? Many boots of the simulated FastDeploy per kind of fault, against what really happened.

    .venv/bin/python scripts/bench/fault_matrix.py [--boots 100] [--report docs/reference/fault-matrix.md]

Every boot is a real process tree on real ports, started and waited for by the code behind `up`; what is timed is that
code, not the command line around it. Three outcomes are right: ready, when tokens come; dead, once the server has
ended; stuck, once nothing has moved for as long as patience allows. The truth is taken from outside: the moment the
kernel reports the server's end, the first answer of /health to a witness, the last write to a log. Exit code 1 when a
verdict was wrong, or came later than the limit after the truth.
"""

import argparse
import collections
import http.client
import json
import os
import platform
import random
import select
import shutil
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from ernie_deploy import __version__
from ernie_deploy.catalog.flags import flags_of
from ernie_deploy.cli.options import Asked
from ernie_deploy.cli.stages import Planned, planned
from ernie_deploy.engines.registry import ENGINES
from ernie_deploy.environments.simulated import make
from ernie_deploy.serve.down import take_down
from ernie_deploy.serve.journal import last_words
from ernie_deploy.serve.launch import start
from ernie_deploy.serve.proofs import wanted
from ernie_deploy.serve.readiness import Ended, Patience
from ernie_deploy.serve.service import Service, address_of
from ernie_deploy.serve.state import Store
from ernie_deploy.serve.up import Standing, is_answered_by_us, wait_for, worker_logs

VERSIONS = flags_of("fastdeploy").versions
LIMIT_S = 1.0
# Silence of this length is a hang in this matrix; a deployment waits ten minutes.
NO_PROGRESS_S = 3.0
TOTAL_S = 60.0
# Below the range from which the kernel takes ports for anybody's connections.
FIRST_PORT = 21000
WITNESS_S = 0.02
# Fault windows that count from readiness: how long the service is busy, or its heartbeat old.
WINDOW_S = 1.5

Right = Literal["ready", "dead", "stuck"]


class Kind(NamedTuple):
    """One row of the matrix. `fault` is what the simulator is told; `{at}` is a random moment of the start."""

    name: str
    fault: str
    right: Right
    says: str
    lasts_s: float = 0.0


KINDS = (
    Kind("healthy", "", "ready", "nothing is wrong (control)"),
    Kind("slow load", "slow-load:6", "ready", "loads twice as long as silence may last, but moves (control)"),
    Kind("old heartbeat", f"health-404@ready+0-{WINDOW_S}", "ready", "/health says 404 and recovers", WINDOW_S),
    Kind("busy", f"too-many-requests@ready+0-{WINDOW_S}", "ready", "requests get 429 for a while", WINDOW_S),
    Kind("dies in weights", "die-weights", "dead", "the worker ends while it loads weights; the server exits 0"),
    Kind("out of memory", "oom", "dead", "the card is full; the server exits 0"),
    Kind("exits 0", "exit-0", "dead", "a failed start that looks like success"),
    Kind("segfault", "segfault", "dead", "the worker is ended by a signal"),
    Kind("server killed", "server-killed@{at}", "dead", "SIGKILL to the server at a random moment of the start"),
    Kind("port taken late", "die-http", "dead", "the HTTP port is taken when loading is done"),
    Kind("hangs in layers", "hang-layers", "stuck", "loading stops at 94 % of the layers"),
    Kind("200, no tokens", "no-tokens", "stuck", "/health says 200 and nothing is ever generated"),
    Kind("304 for ever", "health-304", "stuck", "/health says 304, which most probes take for success"),
    Kind("health hangs", "health-hangs", "stuck", "/health accepts and never answers"),
)
FAULTS = sum(bool(kind.fault) and "control" not in kind.says for kind in KINDS)


class Boot(NamedTuple):
    """One verdict: what it was, what it should have been, and how long after the truth it came."""

    kind: Kind
    version: str
    verdict: Right
    is_right: bool
    delay_s: float
    why: str


class Slot:
    """A place where one boot after the other runs: a state directory and ports of its own."""

    def __init__(self, directory: Path, port: int, pythons: dict[str, Path]) -> None:
        self.directory = directory
        self._made: dict[str, Planned] = {}
        for version, python in pythons.items():
            flags: dict[str, object] = {
                "preset": "rehearsal-fastdeploy",
                "engine_python": str(python),
                "port": port,
                "no_progress_s": NO_PROGRESS_S,
                "ready_timeout_s": TOTAL_S,
            }
            os.environ["ERNIE_DEPLOY_STATE"] = str(directory)
            self._made[version] = planned(Asked(None, flags, only_flags=True))

    def boot(self, kind: Kind, version: str, chance: random.Random) -> Boot:
        """Start, wait, compare with the truth, stop."""
        made = self._made[version]
        load_s = round(chance.uniform(0.2, 0.8), 2)
        # Never after the loading: a service that was ready before it was killed was rightly called so.
        fault = kind.fault.format(at=round(chance.uniform(0.1, load_s), 2))
        dials = {"ERNIE_SIM_FAULTS": fault, "ERNIE_SIM_LOAD_S": str(load_s), "ERNIE_SIM_MAX_S": "120"}
        dials["ERNIE_SIM_SHM_DIR"] = str(self.directory)
        launch = msgspec.structs.replace(made.launch, env={**made.launch.env, **dials})
        store = Store(Path(made.plan.state_dir))
        store.prepare()
        engine = start(made.plan, launch, store, os.environ)
        run = store.read()
        if run is None:
            raise AssertionError("a start leaves a record")
        witness = Witness(engine.pid, made.plan.port.value)
        service = Service(
            address_of(launch, os.environ, read_s=TOTAL_S),
            token_timeout_s=TOTAL_S,
            is_ours=lambda: is_answered_by_us(launch, store),
            wanted=wanted(made.plan),
        )
        standing = Standing(run, engine)
        stages = ENGINES[launch.engine].STAGES
        ended = wait_for(standing, store, stages, service, Patience(TOTAL_S, NO_PROGRESS_S), lambda *_: None)
        at = time.monotonic()
        witness.close()
        logs = (store.engine_log, *worker_logs(launch))
        result = judge(kind, version, ended, at, witness, logs, made)
        take_down(store, grace_s=2.0, engine=engine)
        if result.is_right:
            shutil.rmtree(store.directory)
        return result


class Witness:
    """Looks from outside: when the server ended, and when /health first answered, and first said 200."""

    def __init__(self, pid: int, port: int) -> None:
        self.ended_at: float | None = None
        self.answered_at: float | None = None
        self.healthy_at: float | None = None
        self._port = port
        self._is_over = threading.Event()
        self._descriptor = os.pidfd_open(pid)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._watch, self._ask)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        os.close(self._descriptor)

    def _watch(self) -> None:
        while not self._is_over.is_set():
            if select.select([self._descriptor], [], [], WITNESS_S)[0]:
                self.ended_at = time.monotonic()
                return

    def _ask(self) -> None:
        while not self._is_over.is_set() and self.ended_at is None:
            status = health(self._port)
            if status is not None:
                self.answered_at = self.answered_at or time.monotonic()
            # The last time it became healthy is what counts: a 200 before a spell of 404 was not yet the truth.
            if status != 200:
                self.healthy_at = None
            elif self.healthy_at is None:
                self.healthy_at = time.monotonic()
            self._is_over.wait(WITNESS_S)


def health(port: int) -> int | None:
    """What /health says; 0 when it accepts and says nothing, None when nobody accepts."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=0.2)
    try:
        connection.connect()
    except OSError:
        return None
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def judge(
    kind: Kind, version: str, ended: Ended, at: float, witness: Witness, logs: tuple[Path, ...], made: Planned
) -> Boot:
    """Compare a verdict with the truth. A service that was called ready must answer us as well."""
    verdict: Right = "dead" if ended.exited else "stuck" if ended.problem else "ready"
    truth = moment(kind, witness, last_write(logs))
    # An engine that did not even begin has died of something else.
    has_begun = b"SIMULATED FastDeploy" in logs[0].read_bytes()
    is_right = verdict == kind.right and truth is not None and has_begun
    if verdict == "ready":
        is_right = is_right and generates(made.plan.port.value)
    # A hang that is named before patience has run out is as wrong as one that is named late.
    delay = at - truth if truth is not None else float("nan")
    if verdict == "stuck" and delay < -0.3:
        is_right = False
    words = "" if is_right else f"\n{last_words(logs)}"
    return Boot(kind, version, verdict, is_right, delay, ended.problem + words)


def moment(kind: Kind, witness: Witness, written_at: float) -> float | None:
    """When the right verdict became true; None when what should have happened never did."""
    if kind.right == "dead":
        return witness.ended_at
    if kind.right == "ready":
        healthy = witness.healthy_at
        return healthy if healthy is None or kind.name == "old heartbeat" else healthy + kind.lasts_s
    if kind.name in ("200, no tokens", "304 for ever", "health hangs"):
        return None if witness.answered_at is None else witness.answered_at + NO_PROGRESS_S
    return written_at + NO_PROGRESS_S


def last_write(logs: tuple[Path, ...]) -> float:
    """The newest modification of these files, on the monotonic clock."""
    newest = max((log.stat().st_mtime for log in logs if log.exists()), default=0.0)
    return time.monotonic() - (time.time() - newest)


def generates(port: int) -> bool:
    """Whether a request of our own, by another client, gets tokens."""
    body = json.dumps({"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 64})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        return int(answer["usage"]["completion_tokens"]) > 0
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False
    finally:
        connection.close()


def main() -> int:
    """Run the matrix, print it, and write the report when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boots", type=int, default=100, help="per kind")
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="a kind, by its name")
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    began = time.monotonic()
    kinds = [kind for kind in KINDS if not asked.only or kind.name in asked.only]
    turns = [VERSIONS[number % len(VERSIONS)] for number in range(asked.boots)]
    jobs = [(kind, version, random.Random(chance.random())) for kind in kinds for version in turns]
    # Kinds that wait take turns with kinds that work.
    chance.shuffle(jobs)
    boots: list[Boot] = []
    with tempfile.TemporaryDirectory() as name:
        pythons = {version: make(Path(name) / f"engine-{version}", version) for version in VERSIONS}
        free = collections.deque(
            Slot(Path(name) / f"slot-{n}", FIRST_PORT + 10 * n, pythons) for n in range(asked.at_once)
        )

        def run(job: tuple[Kind, str, random.Random]) -> Boot:
            slot = free.popleft()
            try:
                return slot.boot(*job)
            finally:
                free.append(slot)

        with ThreadPoolExecutor(asked.at_once) as pool:
            for done in pool.map(run, jobs):
                boots.append(done)
                if not done.is_right or done.delay_s > LIMIT_S:
                    print(f"WRONG {done.kind.name} ({done.version}): {done.verdict}, {done.delay_s:.2f} s: {done.why}")
    text = table(kinds, boots)
    seconds = time.monotonic() - began
    print(text)
    print(f"{len(boots)} boots in {seconds:.0f} s")
    if asked.report:
        asked.report.write_text(document(text, boots, seconds, asked.seed), encoding="utf-8")
    return 0 if all(boot.is_right and boot.delay_s <= LIMIT_S for boot in boots) else 1


def table(kinds: list[Kind], boots: list[Boot]) -> str:
    """The matrix in Markdown: a row per kind, with what was wrong and how late the right verdicts came."""
    rows = ["| kind | right | boots | false ready | false dead | wrong otherwise | delay: median | delay: worst |"]
    rows.append("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for kind in kinds:
        of_kind = [boot for boot in boots if boot.kind is kind]
        wrong = [boot for boot in of_kind if not boot.is_right]
        false_ready = sum(boot.verdict == "ready" for boot in wrong)
        false_dead = sum(boot.verdict != "ready" and kind.right == "ready" for boot in wrong)
        delays = [boot.delay_s for boot in of_kind if boot.is_right] or [float("nan")]
        rows.append(
            f"| {kind.name}: {kind.says} | {kind.right} | {len(of_kind)} | {false_ready} | {false_dead}"
            f" | {len(wrong) - false_ready - false_dead} | {statistics.median(delays):.2f} s | {max(delays):.2f} s |"
        )
    late = sum(boot.is_right and boot.delay_s > LIMIT_S for boot in boots)
    worst = max((boot.delay_s for boot in boots if boot.is_right), default=float("nan"))
    rows.append("")
    rows.append(
        f"Right: {sum(boot.is_right for boot in boots)} of {len(boots)}. Later than {LIMIT_S:g} s after the truth: "
        f"{late}."
        f" Worst delay against the limit: {worst / LIMIT_S:.2f}."
    )
    return "\n".join(rows)


def document(text: str, boots: list[Boot], seconds: float, seed: int) -> str:
    """The page in the reference."""
    versions = ", ".join(VERSIONS)
    return f"""# Fault matrix: can readiness be fooled?

Made by `scripts/bench/fault_matrix.py --report docs/reference/fault-matrix.md` on {date.today()} with ernie-deploy
{__version__}, seed {seed}: {len(boots)} boots of the **simulated** FastDeploy in {seconds:.0f} s on {os.cpu_count()}
cores, Python {platform.python_version()}. No real FastDeploy took part. Versions by turns: {versions}.

Each boot is a process tree on real ports, with a random load time and seeded faults, started and waited for by the
code behind `up`. The truth is taken from outside: when the kernel reports the end of the server, when /health first
answers a witness, when a log was last written. A hang is true {NO_PROGRESS_S:g} s after the last sign of progress:
that is the patience set here, where a deployment has ten minutes. A negative delay is the witness's own slowness.

{text}
"""


if __name__ == "__main__":
    sys.exit(main())
