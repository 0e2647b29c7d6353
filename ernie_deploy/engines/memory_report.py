"""What an engine says about memory while it boots: lines of its logs → a MemoryReport. Pure.

FastDeploy divides by 1024³ although it writes GB, and logs its figures as one tuple of strings, so that all of them
stand in one line. vLLM rounds to 0.01 GiB. A figure that is no size (nan, inf, negative, larger than any card) is not
known, which is never the same as zero.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

GIB = 1 << 30
MOST_BYTES = 1 << 44
MOST_COUNT = 1 << 40
LONGEST_LINE = 10_000

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Told apart from a number that is cut off: the last line of a log may be half a line.
NUMBER = r"(-?(?:\d[\d,]*\.?\d*(?:e[-+]?\d+)?|nan|inf))(?=\s*(?:G?i?B\b|tokens|x|[',;/)(]|gpu blocks|$))"
CUT = "\x00"


class MemoryReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one boot reported; None is what it did not say. Sizes are bytes of one card, the one with the least room.

    `used_bytes` is in use device-wide after the profile run, by anybody; of a vLLM on a CPU what its worker uses.
    The peaks are the allocator's, `allocated` of them in tensors. `kv_bytes` is what the profile leaves for the cache,
    before any limit on blocks. `max_concurrency` are requests of full length at once, as the engine puts it: FastDeploy
    counts no more than `max_num_seqs`.
    """

    engine: str
    total_bytes: int | None = None
    used_bytes: int | None = None
    reserved_peak_bytes: int | None = None
    allocated_peak_bytes: int | None = None
    kv_bytes: int | None = None
    kv_tokens: int | None = None
    blocks: int | None = None
    block_size: int | None = None
    block_bytes: int | None = None
    weights_bytes: int | None = None
    graphs_bytes: int | None = None
    max_concurrency: float | None = None


Values = dict[str, list[float]]
Pick = Callable[[Iterable[float]], float]


class Figure(NamedTuple):
    """One figure and how its line looks. Of several, one from each rank, `pick` chooses. `part` is the part of the
    report that it must stand in, for figures that are told twice."""

    field: str
    pattern: re.Pattern[str]
    pick: Pick = min
    unit: int = 1
    part: str = ""


class Dialect(NamedTuple):
    """How one engine reports. With a line that has the first of a pair of `boots`, after one that has the second, a new
    boot begins."""

    figures: tuple[Figure, ...]
    parts: tuple[str, ...] = ()
    boots: tuple[tuple[str, str], ...] = ()


def _figure(field: str, pattern: str, pick: Pick = min, *, unit: int = 1, part: str = "") -> Figure:
    return Figure(field, re.compile(pattern.replace("NUMBER", NUMBER)), pick, unit, part)


BEFORE, AFTER = "Before running the profile", "After running the profile"

FASTDEPLOY = Dialect(
    (
        _figure("total_bytes", r"Device Total memory:\s*NUMBER", unit=GIB, part=AFTER),
        _figure("used_bytes", r"Device used memory:\s*NUMBER", max, unit=GIB, part=AFTER),
        _figure("reserved_peak_bytes", r"Paddle reserved memory:\s*NUMBER", max, unit=GIB, part=AFTER),
        _figure("allocated_peak_bytes", r"Paddle allocated memory:\s*NUMBER", max, unit=GIB, part=AFTER),
        _figure("kv_bytes", r"Available KV Cache me[mo]+ry:\s*NUMBER", unit=GIB),
        _figure("kv_bytes", r"-- available_kv_cache_memory:\s*NUMBER", unit=GIB),
        _figure("block_bytes", r"-- model_block_memory_used:\s*NUMBER", unit=GIB),
        _figure("blocks", r"-- num_blocks_(?:local|global):\s*(\d+)(?= -)"),
        _figure("blocks", r"-- Reset num_blocks_local \d+ to NUMBER"),
        _figure("blocks", r"Detected NUMBER gpu blocks"),
        _figure("block_size", r"blocks in cache \(block size:\s*NUMBER"),
        _figure("max_concurrency", r"will be serving (\d+)(?= running requests)"),
    ),
    (BEFORE, AFTER),
    (
        (BEFORE, AFTER),
        ("available_kv_cache_memory:", "num_blocks_global:"),
        ("Number of api-server workers:", "cpu blocks in cache"),
    ),
)
VLLM = Dialect(
    (
        _figure("weights_bytes", r"Model loading took NUMBER GiB", max, unit=GIB),
        _figure("kv_bytes", r"Available KV cache memory:\s*NUMBER", unit=GIB),
        _figure("kv_bytes", r"GiB, reserved NUMBER GiB memory for KV Cache", unit=GIB),
        _figure("kv_bytes", r"(?:Auto|Explicitly) set \(NUMBER/[\d.]+\) GiB for KV cache", unit=GIB),
        _figure("total_bytes", r"(?:Auto|Explicitly) set \([\d.]+/NUMBER\) GiB for KV cache", unit=GIB),
        _figure("used_bytes", r"worker\. NUMBER GiB memory was consumed by non-kv", max, unit=GIB),
        _figure("kv_tokens", r"KV cache size:\s*NUMBER tokens"),
        _figure("max_concurrency", r"tokens per request:\s*NUMBERx"),
        _figure("graphs_bytes", r"Graph capturing finished in .{1,20}, took NUMBER GiB", max, unit=GIB),
    ),
    boots=(
        ("Starting to load model", "KV cache size:"),
        ("Model loading took", "KV cache size:"),
        ("Available KV cache memory:", "KV cache size:"),
        (" GiB for KV cache on node", "KV cache size:"),
    ),
)
DIALECTS = {"fastdeploy": FASTDEPLOY, "vllm": VLLM}


def parse(engine: str, *logs: Iterable[str]) -> MemoryReport:
    """What the last boot in these logs reported, all of them together; an engine without a report says nothing."""
    dialect = DIALECTS.get(engine)
    if dialect is None:
        return MemoryReport(engine)
    found: Values = {}
    for log in logs:
        for field, values in _last_boot(dialect, log).items():
            found.setdefault(field, []).extend(values)
    picks = {figure.field: figure.pick for figure in dialect.figures}
    return _settled(engine, {field: picks[field](values) for field, values in found.items()})


def _last_boot(dialect: Dialect, log: Iterable[str]) -> Values:
    found: Values = {}
    passed: set[str] = set()
    part = ""
    for line in _lines(log):
        if any(first in line and second in passed for first, second in dialect.boots):
            found, passed, part = {}, set(), ""
        passed.update(second for _, second in dialect.boots if second in line)
        part = next((one for one in dialect.parts if one in line), part)
        for figure in dialect.figures:
            if figure.part == part or not figure.part:
                for text in figure.pattern.findall(line):
                    value = _value(text, figure)
                    if value is not None:
                        found.setdefault(figure.field, []).append(value)
    return found


def _lines(log: Iterable[str]) -> Iterator[str]:
    """Each without colours; the last one is marked, for it may be cut in the middle of a number."""
    held: str | None = None
    for line in chain.from_iterable(text.splitlines() or [""] for text in log):
        if held is not None:
            yield held
        held = ANSI.sub("", line[:LONGEST_LINE]).rstrip()
    if held is not None:
        yield held + CUT


def _value(text: str, figure: Figure) -> float | None:
    value = float(text.replace(",", "")) * figure.unit
    most = MOST_BYTES if figure.field.endswith("_bytes") else MOST_COUNT
    return value if math.isfinite(value) and 0 < value <= most else None


def _settled(engine: str, found: dict[str, float]) -> MemoryReport:
    """One report. More than the whole device is absurd; tokens are reckoned where only blocks are told."""
    total = found.get("total_bytes")
    if total:
        found = {field: value for field, value in found.items() if not field.endswith("_bytes") or value <= total}
    if "kv_tokens" not in found and "blocks" in found and "block_size" in found:
        found["kv_tokens"] = found["blocks"] * found["block_size"]
    concurrency = found.pop("max_concurrency", None)
    whole = {field: max(1, round(value)) for field, value in found.items()}
    return MemoryReport(engine, **whole, max_concurrency=concurrency)
