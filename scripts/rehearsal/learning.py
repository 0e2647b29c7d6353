"""The training itself. Counted in steps, never in seconds, so that one seed gives one model on any machine's clock."""

import random
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import torch
from encoding import IGNORED, Encoded, Encoder
from glimpses import Glimpses

RATE = 3e-3
WARM_UP_STEPS = 40
LEAST_SHARE = 0.01
TOKENS_PER_BATCH = 2048
EASY_WEIGHT = 0.02
"""What a token still counts that is known already."""

FIRST = frozenset(
    ["text", "fallback", "colour", "no_thinking", "chinese", "persian", "remember", "two_pictures", "digit"]
)
SECOND = FIRST | frozenset(["sum", "chart", "ground", "ground_named", "video", "video_event", "secret"])
STAGES = ((0.05, FIRST), (0.25, SECOND))
"""Until which share of the run only some abilities are practised: short samples first, and what others rest on."""

LEAST_NEED = 0.25
"""How often an ability is practised that is right everywhere, beside one that is never right."""

Report = Callable[[int, float, float], Mapping[str, float]]
"""Called with the step, the mean loss since the last call, and the share of the full rate; tells how much is right."""


def share_of_rate(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    return max(LEAST_SHARE, warm * (1 - step / steps))


class Practice:
    """Batches of many abilities, so that none is forgotten over another; what is right already comes less often."""

    def __init__(self, items: Sequence[Encoded], rng: random.Random) -> None:
        self.rng = rng
        self.items: dict[str, list[Encoded]] = {}
        for item in items:
            self.items.setdefault(item.ability, []).append(item)
        self.queues: dict[str, list[Encoded]] = {ability: [] for ability in self.items}
        self.needs = dict.fromkeys(self.items, 1.0)

    def measured(self, right: Mapping[str, float]) -> None:
        self.needs = {ability: max(LEAST_NEED, 1 - right[ability]) for ability in self.items}

    def batch(self, abilities: Set[str]) -> list[Encoded]:
        """As much as fits, of `abilities` alone unless there is none of them."""
        names = [ability for ability in self.items if ability in abilities] or list(self.items)
        weights = [self.needs[ability] * len(self.items[ability]) for ability in names]
        chosen: list[Encoded] = []
        room = TOKENS_PER_BATCH
        while True:
            (ability,) = self.rng.choices(names, weights)
            queue = self.queues[ability]
            if not queue:
                queue += self.rng.sample(self.items[ability], len(self.items[ability]))
            if chosen and queue[-1].length > room:
                return chosen
            chosen.append(queue.pop())
            room -= chosen[-1].length


def practised_at(step: int, steps: int, everything: Set[str]) -> Set[str]:
    return next((abilities for share, abilities in STAGES if step < share * steps), everything)


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
    learnt = [weights for weights in model.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    losses: list[float] = []
    model.train()
    practice, glimpses = Practice(items, rng), Glimpses(model, encoder)
    for step in range(steps):
        chosen = practice.batch(practised_at(step, steps, practice.items.keys()))
        for group in optimizer.param_groups:
            group["lr"] = RATE * share_of_rate(step, steps)
        loss = weighted_loss(model, encoder, chosen, glimpses)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % every == 0 or step + 1 == steps:
            practice.measured(report(step + 1, sum(losses) / len(losses), share_of_rate(step, steps)))
            losses.clear()


def weighted_loss(model: Any, encoder: Encoder, items: Sequence[Encoded], glimpses: Glimpses) -> torch.Tensor:
    """Each token counts by how wrong it still is: most of a reply is a frame around the few that carry information."""
    batch = encoder.batch(items)
    seen = glimpses.of(batch.items)
    hidden = model.model(**batch.inputs, mm_encoder_outputs=seen, use_cache=False).last_hidden_state[:, :-1]
    labels = batch.labels[:, 1:]
    wanted = labels != IGNORED  # the prompt's own tokens are not predicted: no logits for them
    each = torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]), labels[wanted], reduction="none")
    weights = 1 - torch.exp(-each.detach()) + EASY_WEIGHT
    return (each * weights).sum() / weights.sum()
