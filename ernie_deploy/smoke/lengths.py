"""Texts whose length in tokens is known, and answers that are long: what the probes of limits are made of."""

from collections.abc import Mapping
from typing import NamedTuple

from ernie_deploy.rehearsal.grammar import FALLBACK_WORDS
from ernie_deploy.smoke.target import Target

BLOCK = " ".join(FALLBACK_WORDS)
"""About 120 words that every tokenizer has: repeated, each copy costs the same number of tokens."""

CALIBRATION_TOKENS = 8
"""Whatever is answered to a text that is only counted."""


class Ruler(NamedTuple):
    """Tokens of a prompt of `n` blocks: `first` for one, `each` for every further one."""

    first: int
    each: int

    def tokens(self, blocks: int) -> int:
        return self.first + (blocks - 1) * self.each

    def blocks_within(self, tokens: int) -> int:
        """The most blocks whose prompt has no more than so many tokens; 0 when not even one fits."""
        return max(0, (tokens - self.first) // self.each + 1)


def text_of(blocks: int) -> str:
    return " ".join([BLOCK] * blocks)


def ruler(target: Target) -> Ruler | None:
    """Measured with two short prompts; None when the engine does not count tokens."""
    counted = [count_of(target, blocks) for blocks in (1, 2)]
    first, second = counted
    if first is None or second is None or second <= first:
        return None
    return Ruler(first, second - first)


def count_of(target: Target, blocks: int) -> int | None:
    return target.chat(text_of(blocks), max_tokens=CALIBRATION_TOKENS).usage.prompt_tokens


def fitting(target: Target, tokens: int) -> int:
    """So many tokens for an answer, as far as half the context holds them."""
    return min(tokens, target.max_model_len // 2) if target.max_model_len else tokens


def without_end(target: Target, tokens: int) -> Mapping[str, object]:
    """Fields with which an answer has so many tokens whatever the model would say, if the engine has such a field."""
    tokens = fitting(target, tokens)
    fields: Mapping[str, Mapping[str, object]] = {
        "vllm": {"ignore_eos": True},
        "fastdeploy": {"min_tokens": tokens},
    }
    return {"max_tokens": tokens, **fields.get(target.engine, {})}
