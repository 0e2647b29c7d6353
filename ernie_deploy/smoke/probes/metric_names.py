"""Do the metrics have the names that dashboards and the watch use, and do they move."""

from collections.abc import Mapping

from ernie_deploy.client import server_message
from ernie_deploy.client.metrics import samples
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.probes.text import ADDITION
from ernie_deploy.smoke.target import Target

MOVING = ("generation_tokens_total", "prompt_tokens_total", "request_success_total")
SHOWN = ("num_requests_running", "num_requests_waiting", "time_to_first_token_seconds_count")
CACHE = {"fastdeploy:": "gpu_cache_usage_perc", "vllm:": "kv_cache_usage_perc"}
READS = 10
PAUSE_S = 0.2
"""Engines write their numbers down after the answer has gone out."""


def judge(target: Target) -> Judgement:
    first = target.get_metrics()
    before = samples(first.text)
    prefix = next((known for known in CACHE if any(name.startswith(known) for name in before)), None)
    if first.status != 200 or prefix is None:
        return failed(
            f"/metrics says {first.status} and has no name that begins with {' or '.join(CACHE)}: "
            f"{server_message(first)[:100]}"
        )
    if missing := why_missing(prefix, before):
        return failed(missing, hint="dashboards, alerts and `ernie-deploy watch` look for these names")
    target.chat(ADDITION.prompt)
    still = list(MOVING)
    for _ in range(READS):
        still = unmoved(prefix, before, samples(target.get_metrics().text))
        if not still:
            return passed(f"{prefix}* has all {len(MOVING) + len(SHOWN) + 1} names, and an answer moves the counters")
        target.pause(PAUSE_S)
    return failed(f"an answer does not move {', '.join(prefix + name for name in still)}")


def why_missing(prefix: str, found: Mapping[str, float]) -> str | None:
    """The counters may be missing until the first request; then they count from 0."""
    missing = [prefix + name for name in (*SHOWN, CACHE[prefix]) if prefix + name not in found]
    return f"the metrics lack {', '.join(missing)}" if missing else None


def unmoved(prefix: str, before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    return [name for name in MOVING if after.get(prefix + name, 0.0) <= before.get(prefix + name, 0.0)]


PROBE = Probe("metrics", "metrics have their documented names, and count", "full", judge, needs=("chat", "metrics"))
