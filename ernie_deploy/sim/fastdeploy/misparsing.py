"""Faults of the parsers: calls that were made, and are handed out wrong. Pure."""

import json
from collections.abc import Collection, Iterable
from typing import Any

Json = dict[str, Any]


def misparsed(calls: Iterable[Json], faults: Collection[str]) -> tuple[Json, ...]:
    """The calls of a whole answer, as they come out while these faults hold."""
    if "calls-without-id" in faults:
        calls = [{**call, "id": ""} for call in calls]
    if "arguments-twice" in faults:
        calls = [{**call, "function": _encoded_again(call["function"])} for call in calls]
    return tuple(calls)


def _encoded_again(function: Json) -> Json:
    return {**function, "arguments": json.dumps(function["arguments"])}


def finish_after(finish: str, *, has_called: bool, faults: Collection[str]) -> str:
    """The finish reason of an answer in which a tool was called, or not."""
    if not has_called or finish != "stop" or "call-says-stop" in faults:
        return finish
    return "tool_calls"
