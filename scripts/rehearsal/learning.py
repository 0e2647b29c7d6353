"""The training itself. Counted in steps, never in seconds, so that one seed gives one model on any machine's clock."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from encoding import IGNORED, Encoded, Encoder

RATE = 2e-3
WARM_UP_STEPS = 40
HELD_SHARE = 0.6
"""The share of the run at the full rate; after it the rate falls along a cosine."""
LEAST_SHARE = 0.01
TOKENS_PER_BATCH = 2048

Report = Callable[[int, float, float], None]
"""Called with the step, the mean loss since the last call, and the rate."""


def rate(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    over = max(0.0, (step / steps - HELD_SHARE) / (1 - HELD_SHARE))
    return RATE * max(LEAST_SHARE, warm * (0.5 + 0.5 * math.cos(math.pi * over)))


def batches(items: Sequence[Encoded], rng: random.Random) -> Iterator[list[Encoded]]:
    """Every item once per round, with others of nearly its length, so that little is padding."""
    while True:
        shuffled = sorted(items, key=lambda item: item.length // 48 + rng.random() * 0.9)
        whole_round: list[list[Encoded]] = [[]]
        for item in shuffled:
            longest = max([item.length, *(other.length for other in whole_round[-1])])
            if longest * (len(whole_round[-1]) + 1) > TOKENS_PER_BATCH and whole_round[-1]:
                whole_round.append([])
            whole_round[-1].append(item)
        rng.shuffle(whole_round)
        yield from whole_round


def train(
    model: Any,
    encoder: Encoder,
    items: Sequence[Encoded],
    *,
    steps: int,
    rng: random.Random,
    every: int,
    report: Report,
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    losses: list[float] = []
    model.train()
    for step, chosen in enumerate(islice(batches(items, rng), steps)):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        loss = weighted_loss(model, encoder, chosen)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % every == 0 or step + 1 == steps:
            report(step + 1, sum(losses) / len(losses), rate(step, steps))
            losses.clear()


def weighted_loss(model: Any, encoder: Encoder, items: Sequence[Encoded]) -> torch.Tensor:
    inputs, labels, weights = encoder.batch(items)
    logits = model(**inputs, use_cache=False).logits[:, :-1]
    each = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), labels[:, 1:], ignore_index=IGNORED, reduction="none"
    )
    return (each * weights[:, 1:]).sum() / weights[:, 1:].sum()
