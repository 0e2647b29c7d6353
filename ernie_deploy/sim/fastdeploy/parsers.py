"""The parsers `ernie-45-vl-thinking`: raw text into reasoning, answer and tool calls, whole or token by token. Pure."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from ernie_deploy.sim.fastdeploy.answers import END_OF_THOUGHT

CALL = re.compile(r"<tool_call>\n?(.*?)\n?</tool_call>\n*", re.DOTALL)
BEGIN_CALL = "<tool_call>"
END_CALL = "</tool_call>"
HEAD = re.compile(r'\{"name": "([^"]*)", "arguments": ')
Json = dict[str, Any]


class Parsers(NamedTuple):
    """Which of them the service was started with."""

    reasoning: bool
    tools: bool


class Parsed(NamedTuple):
    """A whole answer. `has_called` decides the finish reason; incomplete JSON gives calls without it."""

    reasoning: str
    content: str
    calls: tuple[Json, ...]
    has_called: bool


def parse(text: str, parsers: Parsers) -> Parsed:
    """Without `</think>` everything is reasoning; any word between it and a call keeps the call as text."""
    if not parsers.reasoning:
        reasoning, rest = "", text
    else:
        reasoning, ended, rest = text.partition(END_OF_THOUGHT)
        if not ended:
            return Parsed(reasoning, "", (), False)
    before, begun, _ = rest.partition(BEGIN_CALL)
    bare = before.rpartition(END_OF_THOUGHT)[2] if not parsers.reasoning else before
    if not parsers.tools or not begun or bare.strip("\n"):
        return Parsed(reasoning, rest, (), False)
    calls = [_whole_call(match[1]) for match in CALL.finditer(rest)]
    whole = [call for call in calls if call]
    return Parsed(reasoning, "", tuple(whole), bool(whole) and len(whole) == len(calls))


def _whole_call(text: str) -> Json | None:
    try:
        call = json.loads(text)
        return as_call(str(call["name"]), json.dumps(call["arguments"], ensure_ascii=False))
    except (ValueError, KeyError, TypeError):
        return None


def as_call(name: str, arguments: str) -> Json:
    return {
        "id": f"chatcmpl-tool-{uuid.uuid4().hex}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


class StreamParser:
    """The same, token by token: a call's name comes first, then its arguments in raw fragments."""

    def __init__(self, parsers: Parsers) -> None:
        self._parsers = parsers
        self._thinks = parsers.reasoning
        self._held = ""
        self._call = ""
        self._in_call = False
        self._has_name = False
        self._may_call = True
        self._index = -1
        self._depth = 0
        self.has_called = False

    def feed(self, token: str) -> Iterator[Json]:
        """The deltas that this token makes."""
        if self._thinks:
            if token == END_OF_THOUGHT:
                self._thinks = False
            else:
                yield {"reasoning_content": token}
            return
        if self._in_call:
            yield from self._feed_call(token)
        elif self._parsers.tools and self._may_call and token == BEGIN_CALL:
            self._held, self._call = "", ""
            self._in_call, self._has_name = True, False
            self._index += 1
        elif token == "\n" and self._may_call:
            # Newlines before the answer are not said; before a call they never are.
            self._held += token
        else:
            self._may_call = False
            yield {"content": token}

    def _feed_call(self, token: str) -> Iterator[Json]:
        if token == END_CALL:
            self._in_call = False
            return
        if self._has_name:
            yield from self._arguments(token)
            return
        self._call += token
        head = HEAD.search(self._call)
        if head:
            self._has_name = self.has_called = True
            yield {"tool_calls": [{"index": self._index, **as_call(head[1], "")}]}
            yield from self._arguments(self._call[head.end() :])

    def _arguments(self, text: str) -> Iterator[Json]:
        """Ended by counting braces; the counter is not set back, so a second call of one answer comes out wrong."""
        kept = ""
        for letter in text:
            self._depth += {"{": 1, "}": -1}.get(letter, 0)
            if self._depth < 0 or letter == "\n":
                continue
            kept += letter
        if kept:
            yield {"tool_calls": [{"index": self._index, "function": {"arguments": kept}}]}
