"""The turns of a tool: the model's calls as they go back into the conversation, and the results after them."""

import json
from collections.abc import Sequence

from ernie_deploy.client import ToolCall

Message = dict[str, object]


def call_turn(calls: Sequence[ToolCall], first: int = 0) -> Message:
    """first: the number of the first of these calls in the whole conversation."""
    written = [_written(number, call) for number, call in enumerate(calls, start=first)]
    return {"role": "assistant", "content": "", "tool_calls": written}


def result_turn(number: int, content: object) -> Message:
    return {"role": "tool", "tool_call_id": _id(number), "content": content}


def _written(number: int, call: ToolCall) -> Message:
    arguments = call.arguments if call.parsed is None else json.dumps(call.parsed)
    return {"id": _id(number), "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _id(number: int) -> str:
    """Our own: an engine draws its ids anew each time, and a recording is judged again by the same requests."""
    return f"call_{number}"
