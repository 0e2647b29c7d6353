"""What an engine counts, from the text of its /metrics. Pure functions of text."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

# `name{labels} value [timestamp]`; a label's value may hold spaces and, escaped, quotes.
SAMPLE = re.compile(r'([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?[ \t]+(\S+)')
PREFIXES = ("fastdeploy:", "vllm:")


class Counters(NamedTuple):
    """How much an engine has done and has to do. `finished` counts requests; None is what it does not tell."""

    tokens: float | None
    finished: float | None
    running: float | None
    waiting: float | None

    @property
    def demand(self) -> float:
        """Requests that somebody waits for."""
        return (self.running or 0) + (self.waiting or 0)


def samples(text: str) -> Mapping[str, float]:
    """Each name with the sum over its labels: an engine reports once per model, per worker or per outcome.

    Comments, broken lines and values that are no numbers are passed over.
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = SAMPLE.match(line)
        value = _number(match[2]) if match else None
        if match and value is not None:
            found[match[1]] = found.get(match[1], 0.0) + value
    return found


def counters(text: str) -> Counters | None:
    """The counters of FastDeploy or vLLM; None when the text has neither tokens nor requests of either.

    What counts as work done is only what comes out: tokens that go in are counted while a dead engine still queues.
    """
    found = samples(text)
    for prefix in PREFIXES:
        seen = Counters(
            tokens=found.get(f"{prefix}generation_tokens_total"),
            finished=found.get(f"{prefix}request_success_total"),
            running=found.get(f"{prefix}num_requests_running"),
            waiting=found.get(f"{prefix}num_requests_waiting"),
        )
        if seen.tokens is not None or seen.finished is not None:
            return seen
    return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
