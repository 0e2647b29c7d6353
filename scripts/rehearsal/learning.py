"""The training itself. Counted in steps, never in seconds, so that one seed gives one model on any machine's clock."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from encoding import IGNORED, Encoded, Encoder

RATE = 2e-3
WARM_UP_STEPS = 40
LEAST_SHARE = 0.01
TOKENS_PER_BATCH = 2048
EASY_WEIGHT = 0.02
"""What a token still counts that is known already."""

FIRST = frozenset(
    ["text", "fallback", "colour", "no_thinking", "chinese", "persian", "remember", "two_pictures", "digit"]
)
SECOND = FIRST | frozenset(["sum", "chart", "ground", "ground_named", "video", "video_event", "secret"])
STAGES = ((0.2, FIRST), (0.55, SECOND))
"""Until which share of the run only some abilities are practised: short samples first, and what others rest on."""

Report = Callable[[int, float, float], None]
"""Called with the step, the mean loss since the last call, and the share of the full rate."""


def share_of_rate(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    return max(LEAST_SHARE, warm * (1 - step / steps))


def batches(items: Sequence[Encoded], rng: random.Random) -> Iterator[list[Encoded]]:
    """Every item once per round, in any order: a batch holds many abilities, so that none is forgotten over another."""
    chosen: list[Encoded] = []
    while True:
        for item in rng.sample(items, len(items)):
            if chosen and sum(each.length for each in chosen) + item.length > TOKENS_PER_BATCH:
                yield chosen
                chosen = []
            chosen.append(item)


def staged(items: Sequence[Encoded], rng: random.Random, steps: int) -> Iterator[list[Encoded]]:
    """The batches of a run, stage by stage, and of everything without end."""
    done = 0
    for share, abilities in STAGES:
        practised = [item for item in items if item.ability in abilities]
        count = round(share * steps) - done
        yield from islice(batches(practised or items, rng), count)
        done += count
    yield from batches(items, rng)


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
    for step, chosen in enumerate(islice(staged(items, rng, steps), steps)):
        for group in optimizer.param_groups:
            group["lr"] = RATE * share_of_rate(step, steps)
        loss = weighted_loss(model, encoder, chosen)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % every == 0 or step + 1 == steps:
            report(step + 1, sum(losses) / len(losses), share_of_rate(step, steps))
            losses.clear()


def weighted_loss(model: Any, encoder: Encoder, items: Sequence[Encoded]) -> torch.Tensor:
    """Each token counts by how wrong it still is: most of a reply is a frame around the few that carry information."""
    batch = encoder.batch(items)
    hidden = model.model(**batch.inputs, use_cache=False).last_hidden_state[:, :-1]
    labels = batch.labels[:, 1:]
    wanted = labels != IGNORED  # the prompt's own tokens are not predicted: no logits for them
    each = torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]), labels[wanted], reduction="none")
    weights = 1 - torch.exp(-each.detach()) + EASY_WEIGHT
    return (each * weights).sum() / weights.sum()
