"""From samples to tensors: token ids, patches, and how much each token of the reply counts."""

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shape
import tokenizer
import torch
from conversation import Sample
from PIL import Image
from transformers import PreTrainedTokenizerFast

from ernie_deploy.rehearsal.scenes import Picture, Video

REMOTE_CODE = Path(__file__).with_name("remote_code")

IGNORED = -100

ROW = 320
"""Tokens to a row of a batch, unless a single sample is longer."""

NO_PATCHES = np.empty((0, 3 * 14 * 14), np.float32)


@dataclass(frozen=True)
class Shown:
    """Pictures or videos: `patches` are bytes (patch, channel × row × column), `grids` (time, row, column)."""

    patches: torch.Tensor
    grids: list[list[int]]


@dataclass(frozen=True)
class Encoded:
    """One sample as numbers; `positions` are (time, row, column) of every token."""

    ability: str
    prompt: list[int]
    target: list[int]
    positions: torch.Tensor
    pictures: Shown
    videos: Shown

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.target)

    @property
    def question(self) -> tuple[tuple[int, ...], bytes]:
        """Equal for two samples that show and ask the same."""
        return tuple(self.prompt), self.pictures.patches.numpy().tobytes() + self.videos.patches.numpy().tobytes()


@dataclass(frozen=True)
class Batch:
    """What the model takes besides pixels, the labels, and which sample of its row each token belongs to.

    items: in the order in which the model meets what they show.
    """

    items: list[Encoded]
    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    owners: torch.Tensor


def in_rows(items: Sequence[Encoded]) -> list[list[Encoded]]:
    """Long samples first, each into the first row with room for it."""
    rows: list[list[Encoded]] = []
    room = max(ROW, *(item.length for item in items))
    for item in sorted(items, key=lambda each: each.length, reverse=True):
        for row in rows:
            if sum(each.length for each in row) + item.length <= room:
                row.append(item)
                break
        else:
            rows.append([item])
    return rows


def processing_module() -> Any:
    """The checkpoint's own processing code, so that training sees the very patches that an engine will send."""
    path = REMOTE_CODE / "processing_ernie4_5_vl.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Encoder:
    """Encodes samples with one tokenizer and the checkpoint's image processor, and puts them together in batches."""

    def __init__(self, vocabulary: PreTrainedTokenizerFast) -> None:
        self.processing = processing_module()
        self.vocabulary = vocabulary
        self.processor = self.processing.Ernie4_5_VLImageProcessor(
            size={"min_pixels": shape.LEAST_PIXELS, "max_pixels": shape.MOST_PIXELS}
        )
        number_of = vocabulary.convert_tokens_to_ids
        self.patches = torch.tensor(number_of(["<|IMAGE_PLACEHOLDER|>", "<|VIDEO_PLACEHOLDER|>"]))
        # The vision experts also take the two tokens around a picture.
        edges = number_of(["<|IMAGE_START|>", "<|IMAGE_END|>", "<|VIDEO_START|>", "<|VIDEO_END|>"])
        self.seen = torch.cat([self.patches, torch.tensor(edges)])
        pixels_per_patch = self.processor.patch_size**2
        self.mean = torch.tensor(self.processing.CLIP_MEAN).repeat_interleave(pixels_per_patch)
        self.deviation = torch.tensor(self.processing.CLIP_STD).repeat_interleave(pixels_per_patch)

    def encode(self, sample: Sample) -> Encoded:
        text = tokenizer.prompt(sample)
        pictures = self.shown(sample.images)
        videos = [self._video(video) for video in sample.videos]
        video_grids = [grid for _, grid in videos]
        for placeholder, patch, grids in zip(
            tokenizer.HUB_PLACEHOLDERS, tokenizer.NATIVE_PLACEHOLDERS, (pictures.grids, video_grids), strict=True
        ):
            for grid in grids:
                text = text.replace(placeholder, patch * math.prod(_merged(grid)), 1)
        prompt = self.vocabulary(text, add_special_tokens=False)["input_ids"]
        reply = self.vocabulary(sample.target, add_special_tokens=False)
        target = [*reply["input_ids"], self.vocabulary.eos_token_id]
        return Encoded(
            ability=sample.ability,
            prompt=prompt,
            target=target,
            positions=self._positions([*prompt, *target], [*pictures.grids, *video_grids]),
            pictures=pictures,
            videos=Shown(_together([rows for rows, _ in videos]), video_grids),
        )

    def shown(self, pictures: Sequence[Picture]) -> Shown:
        cut = [self.processor.preprocess([_opened(picture)]) for picture in pictures]
        return Shown(_together([rows for (rows,), _ in cut]), [grid for _, (grid,) in cut])

    def _video(self, video: Video) -> tuple[Any, list[int]]:
        seconds = self.processing.seconds_of(range(len(video.frames)), video.fps)
        rows, grid = self.processor.preprocess_video([_opened(frame) for frame in video.frames], seconds)
        return rows, grid

    def _positions(self, ids: list[int], grids: list[list[int]]) -> torch.Tensor:
        """As vLLM counts them: after what is shown, the text goes on after the largest of time, row and column.

        transformers leaves the time out, which makes a difference for videos; only vLLM is asked about videos.
        """
        is_patch = torch.isin(torch.tensor(ids), self.patches)
        parts, at, following = [], 0, 0
        for grid in map(_merged, grids):
            offset = at + int(is_patch[at:].int().argmax())
            parts.append(torch.arange(offset - at).expand(3, -1) + following)
            following += offset - at
            parts.append(torch.from_numpy(np.indices(grid)).reshape(3, -1) + following)
            following += max(grid)
            at = offset + math.prod(grid)
        return torch.cat([*parts, torch.arange(len(ids) - at).expand(3, -1) + following], dim=1)

    def batch(self, items: Sequence[Encoded]) -> "Batch":
        """Samples one after the other in rows, each seeing only itself."""
        rows = in_rows(items)
        size = (len(rows), max(sum(item.length for item in row) for row in rows))
        ids = torch.zeros(size, dtype=torch.long)
        positions = torch.zeros((3, *size), dtype=torch.long)
        labels = torch.full(size, IGNORED)
        owners = torch.zeros(size, dtype=torch.long)  # what fills a row up has an owner too: 0
        for at, row in enumerate(rows):
            start = 0
            for owner, item in enumerate(row, start=1):
                reply, end = start + len(item.prompt), start + item.length
                ids[at, start:end] = torch.tensor(item.prompt + item.target)
                positions[:, at, start:end] = item.positions
                labels[at, reply:end] = torch.tensor(item.target)
                owners[at, start:end] = owner
                start = end
        is_own = owners[:, :, None] == owners[:, None, :]
        inputs = {
            "input_ids": ids,
            "attention_mask": (is_own & torch.ones(size[1], size[1], dtype=torch.bool).tril())[:, None],
            "position_ids": positions,
            "moe_mm_token_type_ids": torch.isin(ids, self.seen).int(),
        }
        return Batch([item for row in rows for item in row], inputs, labels, owners)

    def pixels(self, items: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """What the model takes of pictures and videos."""
        pictures = self._shown([item.pictures for item in items], "pixel_values", "image_grid_thw")
        return pictures | self._shown([item.videos for item in items], "pixel_values_videos", "video_grid_thw")

    def _shown(self, items: list[Shown], pixels: str, grid_thw: str) -> dict[str, torch.Tensor]:
        grids = [grid for item in items for grid in item.grids]
        if not grids:
            return {}
        patches = torch.cat([item.patches for item in items])
        return {pixels: self.normal(patches), grid_thw: torch.tensor(grids)}

    def normal(self, patches: torch.Tensor) -> torch.Tensor:
        """Bytes as the model takes them."""
        return (patches / 255 - self.mean) / self.deviation


def _opened(picture: Picture) -> Image.Image:
    return Image.frombytes("RGB", (picture.width, picture.height), picture.pixels)


def _together(rows: list[Any]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([NO_PATCHES, *rows]).astype(np.uint8))


def _merged(grid: list[int]) -> tuple[int, int, int]:
    """How many tokens there are in time, rows and columns."""
    time, high, wide = grid
    return -(-time // 2), high // shape.MERGE, wide // shape.MERGE
