"""From an answer to tokens: a thought before it, the limits that the request sets, and the counts after it."""

import re
from itertools import takewhile
from typing import NamedTuple

from tests.support.oracle.answering import Call
from tests.support.oracle.request import MEDIA_TOKENS, Request

TOKEN = re.compile(r"\s*(?:[　-鿿＀-￯]|[^\s　-鿿＀-￯]+)|\s+$")
"""A word with the blanks before it, or one Chinese sign: a token is no more than a word."""

CALL_TOKENS = 12

THOUGHT = (
    "The user wants an answer. Let me look closely first. At a glance it could be red, or blue, or even 7; maybe at "
    "second 3. Lyon? No. So, checking once more and step by step, I am sure now, and can answer."
)
"""Long, and full of what the answer is not: whoever judges the thought in place of the answer is misled."""


class Generated(NamedTuple):
    thought: tuple[str, ...]
    answer: tuple[str, ...]
    calls: tuple[Call, ...]
    finish_reason: str
    usage: dict[str, object]


def generated(request: Request, answer: str, calls: tuple[Call, ...]) -> Generated:
    """The tokens of an answer or of calls, as far as the request lets them come."""
    thought = tuple(TOKEN.findall(THOUGHT))[: request.most_thought] if request.is_thinking else ()
    said = tuple(TOKEN.findall(answer))
    whole = _before_stop(thought + said, request.stops)
    kept = whole[: request.most_tokens]
    finish = "tool_calls" if calls else "stop"
    if len(kept) < len(whole):
        finish, calls = "length", ()
    thought, said = kept[: len(thought)], kept[len(thought) :]
    return Generated(thought, said, calls, finish, _usage(request, len(kept) + CALL_TOKENS * len(calls)))


def _before_stop(tokens: tuple[str, ...], stops: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(takewhile(lambda token: not any(stop.strip() in token for stop in stops), tokens))


def _usage(request: Request, completion: int) -> dict[str, object]:
    details = {
        "image_tokens": MEDIA_TOKENS * len(request.pictures),
        "video_tokens": MEDIA_TOKENS * len(request.videos),
    }
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": request.prompt_tokens + completion,
        "prompt_tokens_details": details,
    }
