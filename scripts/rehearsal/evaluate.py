"""How much of what it was taught the model gets right, on samples that it has not seen."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from encoding import IGNORED, Encoded, Encoder

AT_ONCE = 24


def accuracy(
    model: Any,
    encoder: Encoder,
    held_out: Mapping[str, Sequence[Encoded]],
    *,
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """The share of replies per ability that are right from the first token to the last.

    A reply counts when the most likely next token is the right one everywhere, so greedy decoding would write it.
    dtype: of the model's own weights.
    """
    model.eval()
    shares = {}
    with torch.no_grad():
        for ability, items in held_out.items():
            right = sum(
                _right(model, encoder, items[start : start + AT_ONCE], dtype) for start in range(0, len(items), AT_ONCE)
            )
            shares[ability] = right / len(items)
    model.train()
    return shares


def below(least: float, shares: Mapping[str, float]) -> list[str]:
    """One line for every ability that is not good enough."""
    return [f"{ability}: {share:.4f}" for ability, share in shares.items() if share < least]


def _right(model: Any, encoder: Encoder, items: Sequence[Encoded], dtype: torch.dtype) -> int:
    batch = encoder.batch(items)
    given = batch.inputs | encoder.pixels(batch.items)
    inputs = {key: value.to(dtype) if value.is_floating_point() else value for key, value in given.items()}
    likeliest = model(**inputs, use_cache=False).logits.argmax(-1)[:, :-1]
    wanted, owners = batch.labels[:, 1:], batch.owners[:, 1:]
    rows = torch.arange(len(owners))[:, None].expand_as(owners)
    is_wrong = (likeliest != wanted) & (wanted != IGNORED)
    return len(items) - len(set(zip(rows[is_wrong].tolist(), owners[is_wrong].tolist(), strict=True)))
