"""A service that answers nonsense: what a real one would say, with parts of it swapped for what no schema allows."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ernie_deploy.client.wire import Chunk, Reply, Sent
from ernie_deploy.errors import EngineError

HEAD = {"content-type": "application/json"}
BASE = "http://far.example"

CONTENTS = (
    "4",
    "Paris",
    "The image is red.",
    "red, green, blue",
    '[{"bbox_2d": [60, 60, 440, 440], "label": "red square"}]',
    '```json\n{"bbox_2d": [1e999, -1, "x", null]}\n```',
    f"[{'9' * 400}, 0, 1, 2]",
    "9" * 5000,
    "[" * 3000,
    "At second 5.",
    "99:99:99.9",
    "²³ ½ ٣ 二十八 一十一十",
    "\\boxed{} **** \ufffd \\ud800 \x00\x1b[31m",
    "<think></think><response>",
    "",
    " \n",
)
CALLS = (
    {"name": "image_zoom_in_tool", "arguments": '{"bbox_2d": [0, 0, 500, 500], "label": "top left", "img_idx": 0}'},
    {"name": "image_zoom_in_tool", "arguments": '{"bbox_2d": [1e999, 0, 1e400, NaN], "img_idx": 1e999}'},
    {"name": "image_zoom_in_tool", "arguments": '{"bbox_2d": [999.999, 999.999, 1000, 1000], "img_idx": true}'},
    {"name": "image_search", "arguments": '{"img_idx": 0}'},
    {"name": "image_search", "arguments": "[" * 3000},
    {"name": "", "arguments": {"bbox_2d": {"x1": []}}},
)
ODD: tuple[Callable[[], Any], ...] = (
    lambda: None,
    lambda: True,
    lambda: -1,
    lambda: 0,
    lambda: 1e308,
    lambda: float("nan"),
    lambda: 10**400,
    lambda: "",
    lambda: "\ud800",
    lambda: "x" * 10_000,
    list,
    dict,
    lambda: [[]],
    lambda: {"": {"": []}},
    lambda: json.loads("[" * 300 + "]" * 300),
)
STATUSES = (200,) * 12 + (204, 302, 304, 400, 404, 413, 422, 429, 500, 503, 599)


class NonsenseWire:
    """Answers at once, and never twice the same; `observe` looks at nothing that takes time."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    @contextmanager
    def open(self, sent: Sent) -> Iterator[Reply]:
        rng = self._rng
        if rng.random() < 0.03:
            raise EngineError(f"{BASE}{sent.path}: the connection broke in the middle of the answer")
        body = self._stream() if b'"stream": true' in (sent.content or b"") else self._body(sent.path)
        if rng.random() < 0.05:
            body = rng.choice((b"", b"<html>\xff\xfe</html>", b"\x00" * 50, b"[" * 100_000, body[: len(body) // 2]))
        headers = {**HEAD, "location": rng.choice(("", "//[", "http://else.example/", "/v1/models"))}
        half = len(body) // 2
        pieces = (Chunk(0.1, body[:half]), Chunk(rng.choice((0.1, 0.2, 90.0)), body[half:]), Chunk(0.3, b""))
        yield Reply(rng.choice(STATUSES), headers, BASE + sent.path, iter(pieces))

    def observe(self, _label: str, name: str, look: Callable[[], object]) -> object:
        return None if name == "pause" else look()

    def close(self) -> None:
        """Nothing is open."""

    def _body(self, path: str) -> bytes:
        if path == "/metrics":
            names = ("num_requests_running", "num_requests_waiting", "time_to_first_token_seconds_count")
            lines = [f"vllm:{name} {self._rng.choice(('1', 'NaN', '+Inf', '-1e999', 'x', ''))}" for name in names]
            return "\n".join([*lines, "vllm:{", 'a{b="\\', "# HELP"]).encode()
        if path == "/v1/models":
            listed = {"id": "any", "owned_by": "vllm", "max_model_len": 4096, "root": "/m"}
            return self._spoilt({"object": "list", "data": [listed]})
        return self._spoilt(self._completion())

    def _completion(self) -> dict[str, object]:
        finish = self._rng.choice(("stop", "length", "tool_calls", None))
        return {"id": "1", "choices": [{"message": self._message(), "finish_reason": finish}], "usage": self._usage()}

    def _message(self) -> dict[str, object]:
        rng = self._rng
        calls = [{"id": f"c{at}", "index": at, "function": rng.choice(CALLS)} for at in range(rng.choice((0, 0, 1, 2)))]
        reasoning = rng.choice(("", "I think.", "</think>"))
        return {"content": rng.choice(CONTENTS), "reasoning_content": reasoning, "tool_calls": calls}

    def _usage(self) -> dict[str, object]:
        details = {"image_tokens": self._rng.choice((0, 64, None)), "video_tokens": self._rng.choice((0, 37, None))}
        prompt = self._rng.randrange(1, 5000)
        counted = {"prompt_tokens": prompt, "completion_tokens": 9, "total_tokens": prompt + 9}
        return {**counted, "prompt_tokens_details": details}

    def _stream(self) -> bytes:
        events: list[bytes] = []
        for _ in range(self._rng.randrange(1, 5)):
            event = self._completion()
            event["choices"] = [{"delta": self._message(), "finish_reason": self._rng.choice((None, "stop"))}]
            events.append(b"data: " + self._spoilt(event) + b"\n\n")
        return b"".join([*events, self._rng.choice((b"data: [DONE]\n\n", b"", b'data: {"error": {"message": 1}}\n\n'))])

    def _spoilt(self, value: object) -> bytes:
        if self._rng.random() < 0.6:
            value = self._with_odd_parts(value)
        return json.dumps(value).encode()

    def _with_odd_parts(self, value: object) -> object:
        if self._rng.random() < 0.06:
            return self._rng.choice(ODD)()
        if isinstance(value, dict):
            return {name: self._with_odd_parts(item) for name, item in value.items() if self._rng.random() > 0.03}
        if isinstance(value, list):
            return [self._with_odd_parts(item) for item in value]
        return value
