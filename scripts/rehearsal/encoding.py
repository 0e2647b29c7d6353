"""From samples to tensors: token ids, patches, and how much each token of the reply counts."""

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizer
import torch
from samples import Sample
from transformers import PreTrainedTokenizerFast

from ernie_deploy.rehearsal import grammar

REMOTE_CODE = Path(__file__).with_name("remote_code")

# The few tokens that carry information count more than the fixed frame around them. Without this the model learnt the
# frame and guessed the colours: 16 % right after 270 s, where it now has all of them after 160 s.
INFORMATIVE = re.compile("|".join([*grammar.QUADRANTS, *grammar.COLOURS, r"\d+"]))
INFORMATIVE_WEIGHT = 6.0

IGNORED = -100
NO_PATCHES = np.empty((0, 3 * 14 * 14), np.float32)


@dataclass(frozen=True)
class Encoded:
    """One sample as numbers: `patches` are bytes (patch, channel × row × column), `grids` are (time, rows, columns)."""

    ability: str
    prompt: list[int]
    target: list[int]
    weights: list[float]
    patches: torch.Tensor
    grids: list[list[int]]

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.target)

    @property
    def question(self) -> tuple[tuple[int, ...], bytes]:
        """Equal for two samples that show and ask the same."""
        return tuple(self.prompt), self.patches.numpy().tobytes()


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
        processing = processing_module()
        self.vocabulary = vocabulary
        self.pictures = processing.Ernie4_5_VLImageProcessor()
        self.patch = int(vocabulary.convert_tokens_to_ids("<|IMAGE_PLACEHOLDER|>"))
        self.edges = torch.tensor(vocabulary.convert_tokens_to_ids(["<|IMAGE_START|>", "<|IMAGE_END|>"]))
        pixels_per_patch = self.pictures.patch_size**2
        self.mean = torch.tensor(processing.CLIP_MEAN).repeat_interleave(pixels_per_patch)
        self.deviation = torch.tensor(processing.CLIP_STD).repeat_interleave(pixels_per_patch)

    def encode(self, sample: Sample) -> Encoded:
        rows, grids = self.pictures.preprocess(sample.images)
        text = tokenizer.prompt(sample)
        for _, high, wide in grids:
            tokens = high * wide // self.pictures.merge_size**2
            text = text.replace(tokenizer.HUB_PLACEHOLDERS[0], "<|IMAGE_PLACEHOLDER|>" * tokens, 1)
        reply = self.vocabulary(sample.target, add_special_tokens=False, return_offsets_mapping=True)
        informative = [found.span() for found in INFORMATIVE.finditer(sample.target)]
        weights = [
            INFORMATIVE_WEIGHT if any(start < last and first < end for first, last in informative) else 1.0
            for start, end in reply["offset_mapping"]
        ]
        return Encoded(
            ability=sample.ability,
            prompt=self.vocabulary(text, add_special_tokens=False)["input_ids"],
            target=[*reply["input_ids"], self.vocabulary.eos_token_id],
            weights=[*weights, 1.0],
            patches=torch.from_numpy(np.concatenate([NO_PATCHES, *rows]).astype(np.uint8)),
            grids=grids,
        )

    def batch(self, items: Sequence[Encoded]) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
        """What the model takes, the labels, and the weights of the labels; padded on the right."""
        shape = (len(items), max(item.length for item in items))
        ids = torch.zeros(shape, dtype=torch.long)
        attention = torch.zeros(shape, dtype=torch.long)
        labels = torch.full(shape, IGNORED)
        weights = torch.zeros(shape)
        for row, item in enumerate(items):
            reply = slice(len(item.prompt), item.length)
            ids[row, : item.length] = torch.tensor(item.prompt + item.target)
            attention[row, : item.length] = 1
            labels[row, reply] = torch.tensor(item.target)
            weights[row, reply] = torch.tensor(item.weights)
        is_patch = ids == self.patch
        inputs = {
            "input_ids": ids,
            "attention_mask": attention,
            "mm_token_type_ids": is_patch.int(),
            # The vision experts also take the two tokens around a picture, the 3-D positions do not.
            "moe_mm_token_type_ids": (is_patch | torch.isin(ids, self.edges)).int(),
        }
        grids = [grid for item in items for grid in item.grids]
        if grids:
            patches = torch.cat([item.patches for item in items])
            inputs["pixel_values"] = (patches / 255 - self.mean) / self.deviation
            inputs["image_grid_thw"] = torch.tensor(grids)
        return inputs, labels, weights
