"""What the worker shall do while it loads: a list of steps with their times. Pure; worker_process.py plays it."""

from collections.abc import Iterator, Sequence
from typing import Any

from ernie_deploy.sim.fastdeploy.faults import Armed, Stage
from ernie_deploy.sim.fastdeploy.logs import PLACES

Step = list[Any]
Staged = tuple[Stage, Step]

# How the time of loading is shared.
SHARES: dict[Stage, float] = {"workers": 0.05, "weights": 0.5, "layers": 0.25, "profiling": 0.1, "graphs": 0.1}
LAYERS = 28
SHARDS = 12
# How much of its stage a worker has said when a fault without a time strikes.
SAID = {"weights": 0.5, "layers": 0.94, "profiling": 1.0, "graphs": 1.0}
# As on a card of 46,068 MiB of which 0.9 may be used: 40.49 GiB, of which 29.31 are taken and 3.08 more at the peak.
TOTAL_GIB = 44.98828125
USED_GIB = 29.31
RESERVED_GIB = 31.9
ALLOCATED_GIB = 31.52
BLOCKS = 2370
KV_GIB = 8.1
BLOCK_GIB = 0.00341796875


def play(load_s: float, faults: Sequence[Armed], *, elapsed_s: float, has_new_logs: bool) -> list[Step]:
    """The whole scenario: paused where a fault hangs for a time, cut where the first one strikes for good.

    `elapsed_s` is how old the server is when the worker begins: times of faults count from the server's start.
    """
    staged = list(_loading(load_s, has_new_logs))
    pauses = [one for one in faults if one.until_s is not None]
    for one in sorted(pauses, key=lambda one: one.at_s or 0.0):
        staged = _paused(staged, one, elapsed_s)
    faults = [one for one in faults if one.until_s is None]
    strikes = sorted(((_position(one, staged, elapsed_s), one) for one in faults), key=lambda found: found[0])
    if not strikes or strikes[0][0] >= len(staged):
        return [step for _, step in staged]
    at, armed = strikes[0]
    fault = armed.fault
    kept = [step for _, step in staged[:at]]
    if armed.at_s is not None:
        kept.append(["at", max(0.0, armed.at_s - elapsed_s)])
    kept += [["say", line] for line in fault.lines]
    kept.append(["hang"] if fault.hangs else ["end", fault.code])
    return kept


def _paused(staged: list[Staged], armed: Armed, elapsed_s: float) -> list[Staged]:
    """Nothing happens from the fault's time until its end; everything after that comes so much later."""
    at = _position(armed, staged, elapsed_s)
    if at >= len(staged):
        return staged
    begins_s = max((armed.at_s or 0.0) - elapsed_s, [0.0, *_times(staged)][at])
    ends_s = (armed.until_s or 0.0) - elapsed_s
    late = max(0.0, ends_s - begins_s)
    rest: list[Staged] = [(name, ["at", step[1] + late] if step[0] == "at" else step) for name, step in staged[at:]]
    return [*staged[:at], (staged[at][0], ["at", begins_s + late]), *rest]


def last_words(text: str) -> list[Step]:
    """A worker that ends before it has begun."""
    return [["say", "Traceback (most recent call last):"], ["say", text], ["end", 1]]


def begins(stage: Stage, load_s: float) -> float:
    """Seconds after the worker's start at which a stage begins."""
    names = list(SHARES)
    return sum(SHARES[name] for name in names[: names.index(stage)]) * load_s


def _position(armed: Armed, staged: Sequence[Staged], elapsed_s: float) -> int:
    """Before which step a fault strikes: at its own stage, and not before its time. Behind the last: never."""
    stage = armed.fault.stage
    own = 0
    if stage is not None:
        positions = [index for index, (name, _) in enumerate(staged) if name == stage]
        own = positions[0] + round(SAID.get(stage, 0.0) * (len(positions) - 1))
    if armed.at_s is None:
        return own
    due = armed.at_s - elapsed_s
    times = _times(staged)
    return next((index for index, at in enumerate(times) if index >= own and at >= due), len(staged))


def _times(staged: Sequence[Staged]) -> Iterator[float]:
    """When each step is due."""
    due = 0.0
    for _, step in staged:
        due = float(step[1]) if step[0] == "at" else due
        yield due


def _loading(load_s: float, has_new_logs: bool) -> Iterator[Staged]:
    def place(what: str) -> str:
        # The worker writes beside its workerlog.0, which the newest layout has put one directory below.
        return ("../" if has_new_logs else "") + PLACES[what][has_new_logs]

    yield "workers", ["say", "SIMULATED worker: no weights are loaded, no card is used"]
    yield "workers", ["say", "[INFO] Start to load model"]
    start, span = begins("weights", load_s), SHARES["weights"] * load_s
    for shard in range(1, SHARDS + 1):
        said = f"Loading safetensors checkpoint shards: {100 * shard // SHARDS}% Completed | {shard}/{SHARDS}"
        yield "weights", ["at", start + span * shard / SHARDS]
        yield "weights", ["say", said]
    start, span = begins("layers", load_s), SHARES["layers"] * load_s
    for layer in range(LAYERS):
        yield "layers", ["at", start + span * layer / LAYERS]
        yield "layers", ["say", f"Start load layer {layer}"]
    for step in (
        ["at", begins("profiling", load_s)],
        ["signal", "loaded_model_signal", 1],
        ["log", place("memory"), _memory("Before", reserved=28.9, allocated=28.44)],
        ["at", begins("graphs", load_s)],
    ):
        yield "profiling", step
    for step in (
        ["log", place("memory"), _memory("After", reserved=RESERVED_GIB, allocated=ALLOCATED_GIB, kv=KV_GIB)],
        ["log", place("loop"), f"------- available_kv_cache_memory:{KV_GIB} GB --------"],
        ["log", place("loop"), f"------- model_block_memory_used:{BLOCK_GIB} GB --------"],
        ["log", place("loop"), f"------- num_blocks_local:{BLOCKS} --------"],
        ["log", place("loop"), f"------- num_blocks_global: {BLOCKS} --------"],
        ["signal", "get_profile_block_num", BLOCKS],
        ["log", place("graphs"), "Warm up the model with the batch size:1, num tokens:16"],
        ["at", load_s],
    ):
        yield "graphs", step
    # From here on nothing can strike any more that belongs to the start.
    yield "http", ["log", place("graphs"), f"Cuda Graph capturing took {SHARES['graphs'] * load_s:.2f} seconds"]
    yield "http", ["signal", "worker_healthy_live_signal", 0]
    yield "http", ["signal", "worker_ready_signal", 1]


def _memory(when: str, *, reserved: float, allocated: float, kv: float | None = None) -> str:
    """The real one logs a tuple, so its line breaks are written out, and all of it is one line."""
    said = [
        f"{when} running the profile, the memory usage info is as follows:",
        f"\nDevice Total memory: {TOTAL_GIB}",
        f"\nDevice used memory: {USED_GIB}",
        f"\nDevice free memory: {TOTAL_GIB - USED_GIB}",
        f"\nPaddle reserved memory: {reserved}",
        f"\nPaddle allocated memory: {allocated}",
    ]
    if kv is not None:
        said += [f"\nAvailable KV Cache meomory: {kv}", "Profile time: 1.5"]
    return str(tuple(said))
