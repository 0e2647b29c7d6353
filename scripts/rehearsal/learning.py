"""The training itself. Counted in steps, never in seconds, so that one seed gives one model on any machine's clock."""

import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import torch
from encoding import IGNORED, Encoded, Encoder
from muon import Muon

RATE = 2e-3
MUON_RATE = 0.02
WARM_UP_STEPS = 40
HELD_SHARE = 0.6
"""The share of the run at the full rate; after it the rate falls along a cosine."""
LEAST_SHARE = 0.01
TOKENS_PER_BATCH = 2048

SHORT = 130
SHORT_SHARE = 0.25
"""The share of the run that practises samples of at most so many tokens: to see is learnt from many small pictures."""

Report = Callable[[int, float, float], None]
"""Called with the step, the mean loss since the last call, and the share of the full rate."""


def share_of_rate(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    over = max(0.0, (step / steps - HELD_SHARE) / (1 - HELD_SHARE))
    return max(LEAST_SHARE, warm * (0.5 + 0.5 * math.cos(math.pi * over)))


def optimizers(model: Any) -> tuple[Muon, torch.optim.Optimizer]:
    """Muon for the matrices inside the model, AdamW for the embedding, the router, the patches, norms and biases."""
    inner: list[Any] = []
    outer: list[Any] = []
    for name, weights in model.named_parameters():
        if weights.requires_grad:
            is_inner = weights.ndim >= 2 and not re.search(r"embed|lm_head|gate\.weight", name)
            (inner if is_inner else outer).append(weights)
    adam = torch.optim.AdamW(outer, lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    learners = (Muon(inner, lr=MUON_RATE), adam)
    for learner, highest in zip(learners, (MUON_RATE, RATE), strict=True):
        for group in learner.param_groups:
            group["highest"] = highest
    return learners


def batches(items: Sequence[Encoded], rng: random.Random) -> Iterator[list[Encoded]]:
    """Every item once per round, in any order: a batch holds many abilities, so that none is forgotten over another."""
    chosen: list[Encoded] = []
    while True:
        for item in rng.sample(items, len(items)):
            if chosen and sum(each.length for each in chosen) + item.length > TOKENS_PER_BATCH:
                yield chosen
                chosen = []
            chosen.append(item)


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
    learners = optimizers(model)
    losses: list[float] = []
    model.train()
    short = [item for item in items if item.length <= SHORT]
    order = chain(islice(batches(short or items, rng), round(SHORT_SHARE * steps)), batches(items, rng))
    for step, chosen in enumerate(islice(order, steps)):
        loss = weighted_loss(model, encoder, chosen)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for learner in learners:
            for group in learner.param_groups:
                group["lr"] = group["highest"] * share_of_rate(step, steps)
            learner.step()
        losses.append(float(loss.detach()))
        if (step + 1) % every == 0 or step + 1 == steps:
            report(step + 1, sum(losses) / len(losses), share_of_rate(step, steps))
            losses.clear()


def weighted_loss(model: Any, encoder: Encoder, items: Sequence[Encoded]) -> torch.Tensor:
    batch = encoder.batch(items)
    hidden = model.model(**batch.inputs, use_cache=False).last_hidden_state[:, :-1]
    labels, weights = batch.labels[:, 1:], batch.weights[:, 1:]
    wanted = labels != IGNORED  # the prompt's own tokens are not predicted: no logits for them
    each = torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]), labels[wanted], reduction="none")
    return (each * weights[wanted]).sum() / len(items)
