"""Faults of counting: what usage says instead of the truth. Pure."""

from collections.abc import Collection
from typing import Any

Json = dict[str, Any]


def miscounted(counted: Json, faults: Collection[str], *, is_stream: bool) -> Json | None:
    """The usage as it is told while these faults hold; None when nothing is told."""
    if "usage-missing" in faults or (is_stream and "no-usage-chunk" in faults):
        return None
    if "usage-zero" in faults:
        return {**counted, "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    if "usage-flat" in faults:
        counted = {**counted, "prompt_tokens": 10, "total_tokens": 10 + counted["completion_tokens"]}
    if "usage-sum-wrong" in faults:
        counted = {**counted, "total_tokens": counted["total_tokens"] + 1}
    if "usage-without-thought" in faults:
        generated = counted["completion_tokens"] - counted["completion_tokens_details"]["reasoning_tokens"]
        counted = {**counted, "completion_tokens": generated, "total_tokens": counted["prompt_tokens"] + generated}
    if is_stream and "stream-usage-differs" in faults:
        counted = {**counted, "completion_tokens": 1, "total_tokens": counted["prompt_tokens"] + 1}
    for fault, kind in (("blind", "image"), ("video-blind", "video")):
        if fault in faults:
            counted = _without(counted, f"{kind}_tokens")
    return counted


def _without(counted: Json, name: str) -> Json:
    """As if there had been none of the media."""
    details = counted["prompt_tokens_details"]
    lost = details[name]
    return {
        **counted,
        "prompt_tokens": counted["prompt_tokens"] - lost,
        "total_tokens": counted["total_tokens"] - lost,
        "prompt_tokens_details": {**details, name: 0},
    }
