"""The eyes first: to see of every cell its colour, its digit and where it is, before there are words to say so.

A reply says little about a picture: one digit for 64 cells of which 63 are blank. Here every cell tells something. What
is seen is compared with the embeddings of the words that replies will need, so that the language model finds pictures
written in its own terms. It then learns with eyes that stay as they are: at first its gradients are noise, and noise
undid what the eyes had learnt.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import samples
import shape
import torch
from encoding import IGNORED, Encoder, Shown
from torch.nn.functional import cross_entropy, normalize

from ernie_deploy.rehearsal import scenes
from ernie_deploy.rehearsal.grammar import COLOURS

RATE = 2e-3
WARM_UP_STEPS = 40
CELLS = (2, 2, 3, 4, 4, 8, 12, 12)
"""To a side of a picture."""

SCENES = ("ground", "ground", "ground_named", "chart", "sum", "digit", "small_print", "small_print")
"""Abilities whose samples show one picture that is more than one colour; twice where most of it is bare."""

CELLS_PER_BATCH = 800
FEW_CELLS = 16
SMALL_SHARE = 0.3

GREY, BLANK = "grey", "blank"
SIGHTS = ((*COLOURS, GREY), (*map(str, range(10)), BLANK), ("top", "bottom"), ("left", "right"))
"""What is to be seen of every cell: one of each."""


@dataclass(frozen=True)
class Seen:
    """One picture, and `sights` (kind of sight, cell): the place in `SIGHTS`, or `IGNORED`."""

    shown: Shown
    sights: torch.Tensor


def cells(encoder: Encoder, rng: random.Random) -> Seen:
    """Cells of one colour or of many, some filled in part only, some with a digit, some hatched on grey."""
    count = rng.choice(CELLS)
    canvas = scenes.Canvas(scenes.CELL * count, scenes.CELL * count, scenes.PAPER)
    shades = {name: scenes.shifted(rgb, rng, scenes.JITTER) for name, rgb in COLOURS.items()}
    common = rng.choice(list(COLOURS))
    how_many, how_mixed, how_grey = rng.choice((0, 0.2, 0.5, 0.9)), rng.choice((0, 0.1, 0.3, 1)), rng.choice((0, 0.2))
    sights = []
    for row in range(count):
        for column in range(count):
            name = rng.choice(list(COLOURS)) if rng.random() < how_mixed else common
            name = GREY if rng.random() < how_grey else name
            digit = str(rng.randrange(10)) if rng.random() < how_many else BLANK
            _draw(canvas, column, row, shades.get(name), digit, rng)
            sights.append([SIGHTS[0].index(name), SIGHTS[1].index(digit)])
    shown = encoder.shown([canvas.picture()])
    return Seen(shown, torch.cat([torch.tensor(sights).T, halves(count, count)]))


def scenery(encoder: Encoder, rng: random.Random) -> Seen:
    """A picture of a sample, told is only where its cells are: to know that must not depend on what they show."""
    shown = encoder.shown(samples.draw(rng, rng.choice(SCENES)).images)
    places = halves(*(side // shape.MERGE for side in shown.grids[0][1:]))
    return Seen(shown, torch.cat([torch.full_like(places, IGNORED), places]))


def halves(rows: int, columns: int) -> torch.Tensor:
    """(2, cell): for every cell the place in `SIGHTS` of its row and of its column."""
    return torch.stack([each.flatten() for each in torch.meshgrid(_half(rows), _half(columns), indexing="ij")])


def _half(count: int) -> torch.Tensor:
    """The one in the middle belongs to neither."""
    places = (2 * torch.arange(count) + 1 > count).long()
    return places.masked_fill(2 * torch.arange(count) + 1 == count, IGNORED)


def _draw(
    canvas: scenes.Canvas, column: int, row: int, shade: tuple[int, int, int] | None, digit: str, rng: random.Random
) -> None:
    left, top, right, bottom = (scenes.CELL * side for side in (column, row, column + 1, row + 1))
    if digit == BLANK and rng.random() < 0.25:
        left, right = left + rng.choice((0, 5, 14)), right - rng.choice((0, 5))
        top, bottom = top + rng.choice((0, 5, 14)), bottom - rng.choice((0, 5))
    grey = scenes.PANEL_GREY + rng.randint(-scenes.PAPER_JITTER, scenes.PAPER_JITTER)
    canvas.fill((left, top, right, bottom), shade or (grey, grey, grey))
    if digit != BLANK and shade:
        canvas.write(digit, column, row, scenes.ink_on(shade))
    elif digit != BLANK:
        canvas.hatch(digit, column, row, grey)


def batches(items: Sequence[Seen], rng: random.Random) -> Iterator[list[Seen]]:
    """Batches of about as many cells."""
    chosen: list[Seen] = []
    while True:
        for item in rng.sample(items, len(items)):
            chosen.append(item)
            if sum(each.sights.shape[1] for each in chosen) >= CELLS_PER_BATCH:
                yield chosen
                chosen = []


def small_first(items: Sequence[Seen], rng: random.Random, steps: int) -> Iterator[list[Seen]]:
    """To know where a cell is takes a sudden turn, and in small pictures it comes far sooner."""
    small = [item for item in items if item.sights.shape[1] <= FEW_CELLS]
    yield from islice(batches(small, rng), round(SMALL_SHARE * steps))
    yield from batches(items, rng)


def vectors(embeddings: torch.Tensor, encoder: Encoder, nothing: torch.Tensor) -> list[torch.Tensor]:
    """For every kind of sight a matrix (sight, hidden): the embedding of the word, or what is learnt for no word."""
    unspoken = iter(nothing)
    return [
        torch.stack(
            [next(unspoken) if sight in (GREY, BLANK) else embeddings[_token(encoder, sight)] for sight in kinds]
        )
        for kinds in SIGHTS
    ]


def _token(encoder: Encoder, word: str) -> int:
    """The last token of a word after a space: a digit is one of its own."""
    number: int = encoder.vocabulary(" " + word, add_special_tokens=False)["input_ids"][-1]
    return number


def open_eyes(model: Any, encoder: Encoder, rng: random.Random, *, steps: int, pictures: int) -> list[float]:
    """Trains the vision tower alone, and leaves it closed to further training.

    Returns, for every kind of sight, the share of cells that were seen right in the last tenth of the steps.
    """
    embeddings = normalize(model.get_input_embeddings().weight.detach(), dim=-1)
    nothing = torch.nn.Parameter(normalize(torch.randn(2, embeddings.shape[1]), dim=-1))
    eyes = [*model.model.vision_tower.parameters(), *model.model.resampler_model.parameters()]
    optimizer = torch.optim.AdamW([*eyes, nothing], lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    items = [draw(encoder, rng) for _ in range(pictures) for draw in (cells, scenery)]
    chosen = small_first(items, rng, steps)
    right, total = [0] * len(SIGHTS), [0] * len(SIGHTS)
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP_STEPS) * (1 - step / steps)
        seen = next(chosen)
        patches = encoder.normal(torch.cat([each.shown.patches for each in seen]))
        grids = torch.tensor([grid for each in seen for grid in each.shown.grids])
        features = torch.cat(model.model.get_image_features(patches, grids).pooler_output)
        wanted = torch.cat([each.sights for each in seen], dim=1)
        told = [features @ each.T for each in vectors(embeddings, encoder, nothing)]
        loss = torch.stack([cross_entropy(scores, kind) for scores, kind in zip(told, wanted, strict=True)]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(eyes, 1.0)
        optimizer.step()
        if step >= steps - max(1, steps // 10):
            for kind, (scores, each) in enumerate(zip(told, wanted, strict=True)):
                right[kind] += int((scores.argmax(-1) == each).sum())
                total[kind] += int((each != IGNORED).sum())
    for weights in eyes:
        weights.requires_grad_(False)
    return [share / max(1, count) for share, count in zip(right, total, strict=True)]
