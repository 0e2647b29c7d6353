"""Kill -9 at random moments, then `down`: is anything left?

    .venv/bin/python scripts/bench/kill_sweep.py                    200 boots of the simulated FastDeploy
    .venv/bin/python scripts/bench/kill_sweep.py --boots 40 --seed 7
    .venv/bin/python scripts/bench/kill_sweep.py --engine fake      the fake FastDeploy of the tests instead

Each boot is an `ernie-deploy up` with a state directory and a port of its own. At a moment chosen by the seed, from
before anything was started to after it is ready, SIGKILL goes to the server, to `up`, or to both; then `down` runs. A
boot counts when, within 10 s of the kill, no process of it lives, its port is free, nothing of it is in shared memory,
and neither record nor lock is left. Half of the servers ignore SIGTERM or have workers that do.

All of them are real processes. `up` and `down` are forked from a process that has imported them already, which saves
half a second each. Exit code 1 unless all boots count.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ernie_deploy.environments.simulated import make
from ernie_deploy.serve.shared_objects import SHM
from ernie_deploy.serve.sightings import SEEN_FILE
from ernie_deploy.serve.state import Store
from tests.support import nvml
from tests.support.deployments import Place, eventually, is_running
from tests.support.engines import make_engine_env

LIMIT_S = 10.0
GRACE_S = 2.0
VERSION = "2.5.0"
FIRST_PORT = 21000
VICTIMS = ("server", "up", "both")
# Which processes do not listen to SIGTERM, in the words of each engine; half of the boots are of good manners.
MANNERS = {
    "simulated": ("", "", "", "worker-ignores-term", "server-ignores-term", "server-ignores-term,worker-ignores-term"),
    "fake": ("", "", "", "orphan-worker", "ignore-term", "ignore-term,orphan-worker"),
}
# After the start of `up`, and after the first sight of the server: by then it is ready, or about to be.
LATEST_KILL_S = 1.5
# What a FastDeploy leaves in shared memory; the fake engine makes none, so it is laid down in its stead.
NAMES = ("worker_ready_signal.{queue}", "kv_cache_status.{queue}", "router_{http}.ipc")


class Boot(NamedTuple):
    """How one boot went: `seconds` from the kill until nothing was left, and what was wrong, `""` when nothing."""

    number: int
    victim: str
    phase: str
    seconds: float
    problem: str


class Engine(NamedTuple):
    """Which engine, its interpreter, the library of the card, where places are made, and the first of their ports."""

    name: str
    python: Path
    library: Path
    directory: Path
    first_port: int


def main() -> int:
    """Print how many boots count, and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boots", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first-port", type=int, default=FIRST_PORT, help="another one where these are taken")
    parser.add_argument("--engine", choices=sorted(MANNERS), default="simulated")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill-sweep-") as name:
        directory = Path(name)
        library = nvml.build(directory)
        made = directory / "engine"
        python = make(made, VERSION) if chosen.engine == "simulated" else make_engine_env(made, version=VERSION)
        engine = Engine(chosen.engine, python, library, directory, chosen.first_port)
        # The dynamic linker of the processes in the pool reads it once, when they start.
        os.environ |= nvml.environment(library, directory / "nvml")
        work = [(engine, chosen.seed, number) for number in range(chosen.boots)]
        with multiprocessing.get_context("spawn").Pool(chosen.jobs) as pool:
            boots = [told(boot) for boot in pool.imap_unordered(boot_and_kill, work)]
    return report(boots, time.monotonic() - began)


def told(boot: Boot) -> Boot:
    """The same; what went wrong is said at once."""
    if boot.problem:
        print(f"boot {boot.number} ({boot.victim} killed {boot.phase}): {boot.problem}", file=sys.stderr, flush=True)
    return boot


def report(boots: Sequence[Boot], took_s: float) -> int:
    """Print the summary; the exit code."""
    good = [boot for boot in boots if not boot.problem]
    seconds = sorted(boot.seconds for boot in boots)
    for title, column in (("killed", "victim"), ("when", "phase")):
        counts = Counter(str(getattr(boot, column)) for boot in boots)
        print(f"{title}: " + ", ".join(f"{word} {count}" for word, count in sorted(counts.items())))
    cut = statistics.quantiles(seconds, n=20, method="inclusive") if len(seconds) > 1 else seconds * 19
    print(
        f"seconds from the kill until nothing was left: median {cut[9]:.2f}, p95 {cut[18]:.2f}, max {seconds[-1]:.2f}"
    )
    print(f"{len(good)} of {len(boots)}  (limit {LIMIT_S:.0f} s; took {took_s:.0f} s)")
    return 0 if len(good) == len(boots) else 1


def boot_and_kill(work: tuple[Engine, int, int]) -> Boot:
    """One boot from `up` to the proof that nothing is left."""
    engine, seed, number = work
    rng = random.Random(f"{seed}-{number}")
    victim = VICTIMS[number % 3]
    place = Place(engine.directory / f"boot-{number}", engine.library, engine.directory)
    place.port = engine.first_port + number * 5 % 10_000
    load_s, manners = f"{rng.uniform(0.05, 0.8):.2f}", rng.choice(MANNERS[engine.name])
    place.environ |= {"FAKE_LOAD_S": load_s, "FAKE_FAULTS": manners}
    # The simulated worker is started through a shell, as the real one.
    place.environ["PATH"] += ":/usr/bin:/bin"
    place.environ |= {"ERNIE_SIM_LOAD_S": load_s, "ERNIE_SIM_FAULTS": manners, "ERNIE_SIM_MAX_S": "120"}
    flags = ("--engine-python", str(engine.python), "--model", str(place.model), "--port", str(place.port))
    up = forked(place, "up", *flags, "--host", "127.0.0.1", "--grace", str(GRACE_S))
    laid = [SHM / name.format(http=place.port, queue=place.port + 2) for name in NAMES] if engine.name == "fake" else []
    try:
        phase = kill(place, victim, up, laid, rng)
        killed = time.monotonic()
        if rng.random() < 0.5:
            time.sleep(rng.uniform(0, 0.5))
        down = forked(place, "down", "--grace", str(GRACE_S))
        _, status = os.waitpid(down, 0)
        seconds = time.monotonic() - killed
        problem = what_is_wrong(place, up, os.waitstatus_to_exitcode(status), seconds)
    finally:
        left = place.leave()
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(up, signal.SIGKILL)
            os.waitpid(up, 0)
        for path in shared_by(place):
            path.unlink(missing_ok=True)
    return Boot(number, victim, phase, seconds, problem or (f"processes left: {left}" if left else ""))


def kill(place: Place, victim: str, up: int, laid: Sequence[Path], rng: random.Random) -> str:
    """Wait for the moment, lay down what a killed engine leaves, kill; how far the boot had come."""
    if victim == "server" or rng.random() < 0.6:
        eventually(lambda: place.engine_pids() or not is_running(up))
    time.sleep(rng.uniform(0, LATEST_KILL_S))
    servers = place.engine_pids()
    phase = "before the engine" if not servers else "ready" if place.is_proven() else "loading"
    if not servers and not is_running(up):
        raise RuntimeError(f"`up` failed by itself:\n{(place.directory / 'up.log').read_text()}")
    if servers:
        for path in laid:
            path.write_bytes(bytes(8))
    doomed = [*([up] if victim != "server" else []), *(servers[:1] if victim != "up" else [])]
    rng.shuffle(doomed)
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return phase


def what_is_wrong(place: Place, up: int, code: int, seconds: float) -> str:
    """What is left of the deployment, or how `down` failed; empty when all is well."""
    if code != 0:
        return f"`down` ended with {code}: {(place.directory / 'down.log').read_text()[-500:]}"
    if seconds > LIMIT_S:
        return f"it took {seconds:.1f} s"
    if engines := place.engine_pids():
        return f"processes live on: {engines}"
    if is_running(up):
        return "`up` is still at work"
    if not place.is_free():
        return f"port {place.port} is taken"
    if shared := shared_by(place):
        return f"in shared memory: {[path.name for path in shared]}"
    if left := [name for name in ("run.json", SEEN_FILE) if (place.state / "ernie" / name).exists()]:
        return f"in the state directory: {left}"
    return "the lock is held" if Store(place.state / "ernie").holder() else ""


def shared_by(place: Place) -> list[Path]:
    """What is in shared memory under the numbers of its ports."""
    numbers = (str(place.port), str(place.port + 2))
    return [path for path in SHM.iterdir() if any(number in path.name for number in numbers)]


def forked(place: Place, *words: str) -> int:
    """The pid of a command of ours, run in a child of this process."""
    from ernie_deploy.cli.app import main as command_line

    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        log = os.open(place.directory / f"{words[0]}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((nothing, log, log)):
            os.dup2(descriptor, number)
        # The connection to the pool is the parent's alone.
        os.closerange(3, 256)
        os.environ.clear()
        os.environ.update(place.environ)
        os.chdir(place.work)
        sys.argv = ["ernie-deploy", *words]
        command_line()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
