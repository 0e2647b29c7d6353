"""Image processor and processor of a rehearsal checkpoint of the ERNIE-4.5-VL-MoE architecture.

Written from the interface that serving engines rely on, with numpy and Pillow only: no torchvision, font or network.

* `image_processor.size` is {"min_pixels", "max_pixels"}; `image_mean`, `image_std`, `rescale_factor`;
* `processor(text, images, videos)` gives `input_ids`, `images` (patches of raw pixels, NOT normalised: the engine does
  that) and `grid_thw`;
* `processor.spatial_conv_size` and `temporal_conv_size`;
* `processor.supports_video_metadata`: videos come as (frames, metadata), and the second is drawn onto each frame, as
  the original processor of this family does with its time stamps.
"""

# ruff: noqa: N801, the classes are named as engines know them
import math
from typing import ClassVar

import numpy as np
from PIL import Image
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.processing_utils import ProcessorMixin

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]

# Five dots wide, seven high, top row first. The same table as in `ernie_deploy.rehearsal.scenes`; a test keeps them
# equal, for the model reads both with the same eyes.
GLYPHS = {
    "0": (".###.", "#...#", "#..##", "#.#.#", "##..#", "#...#", ".###."),
    "1": ("..#..", ".##..", "..#..", "..#..", "..#..", "..#..", ".###."),
    "2": (".###.", "#...#", "....#", "...#.", "..#..", ".#...", "#####"),
    "3": ("#####", "...#.", "..#..", "...#.", "....#", "#...#", ".###."),
    "4": ("...#.", "..##.", ".#.#.", "#..#.", "#####", "...#.", "...#."),
    "5": ("#####", "#....", "####.", "....#", "....#", "#...#", ".###."),
    "6": ("..##.", ".#...", "#....", "####.", "#...#", "#...#", ".###."),
    "7": ("#####", "....#", "...#.", "..#..", ".#...", ".#...", ".#..."),
    "8": (".###.", "#...#", "#...#", ".###.", "#...#", "#...#", ".###."),
    "9": (".###.", "#...#", "#...#", ".####", "....#", "...#.", ".##.."),
}
GLYPH_SCALE = 3
CELL = 28
"""Pixels on each side of what becomes one token: a glyph in the middle of it is one thing to learn."""


def seconds_of(frame_indices, fps):
    """In which second of the video each sampled frame stands."""
    return [math.floor(index / fps) for index in frame_indices]


def draw_number(array, number):
    """Write a number into the first cells of a (height, width, channel) picture, one digit in each, in place.

    Where the first row has fewer cells than the number has digits, all of them go into its first cell, smaller.
    """
    digits = str(number)
    if array.shape[1] // CELL >= len(digits):
        for cell, digit in enumerate(digits):
            draw_digits(array[:CELL, cell * CELL : (cell + 1) * CELL], digit, GLYPH_SCALE)
    else:
        draw_digits(array[:CELL, :CELL], digits, max(1, CELL // (6 * len(digits))))


def draw_digits(cell, digits, scale):
    """Into the middle of one cell, in place: black on a light ground, white on a dark one."""
    dots = np.array([list(".".join(rows)) for rows in zip(*(GLYPHS[digit] for digit in digits), strict=True)]) == "#"
    ink = dots.repeat(scale, axis=0).repeat(scale, axis=1)[:CELL, :CELL]
    top, left = ((CELL - side) // 2 for side in ink.shape)
    luminance = cell.reshape(-1, 3).mean(axis=0) @ (0.299, 0.587, 0.114)
    cell[top : top + ink.shape[0], left : left + ink.shape[1]][ink] = 0 if luminance >= 128 else 255


def fitted_size(height, width, unit, min_pixels, max_pixels):
    """Both sides as multiples of `unit`; their product within the bounds as far as the aspect ratio allows."""
    if max(height, width) / min(height, width) > 200:
        raise ValueError("aspect ratio above 200")

    def snapped(rounding, scale):
        return tuple(max(unit, unit * rounding(side * scale / unit)) for side in (height, width))

    fitted_height, fitted_width = snapped(round, 1.0)
    if fitted_height * fitted_width > max_pixels:
        return snapped(math.floor, math.sqrt(max_pixels / (height * width)))
    if fitted_height * fitted_width < min_pixels:
        return snapped(math.ceil, math.sqrt(min_pixels / (height * width)))
    return fitted_height, fitted_width


class Ernie4_5_VLImageProcessor(BaseImageProcessor):
    """Pictures to patches, in the order in which the vision tower merges them."""

    model_input_names: ClassVar = ["images", "grid_thw"]

    def __init__(
        self,
        size=None,
        min_pixels=None,
        max_pixels=None,
        patch_size=14,
        merge_size=2,
        rescale_factor=1 / 255,
        image_mean=None,
        image_std=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.size = dict(size or {"min_pixels": 56 * 56, "max_pixels": 28 * 28 * 6177})
        # What an engine forwards from --mm-processor-kwargs '{"max_pixels": N}'.
        if min_pixels is not None:
            self.size["min_pixels"] = min_pixels
        if max_pixels is not None:
            self.size["max_pixels"] = max_pixels
        self.patch_size = patch_size
        self.merge_size = merge_size
        self.rescale_factor = rescale_factor
        self.image_mean = list(image_mean or CLIP_MEAN)
        self.image_std = list(image_std or CLIP_STD)

    @property
    def factor(self):
        return self.patch_size * self.merge_size

    def resized(self, height, width, size=None):
        bounds = size or self.size
        return fitted_size(height, width, self.factor, bounds["min_pixels"], bounds["max_pixels"])

    def patches(self, array):
        """(height, width, channel) bytes, the sides multiples of `factor` → (patch, channel × row × column)."""
        patch, merge = self.patch_size, self.merge_size
        height, width, channels = array.shape
        rows, columns = height // patch, width // patch
        cut = array.astype(np.float32).transpose(2, 0, 1)
        cut = cut.reshape(channels, rows // merge, merge, patch, columns // merge, merge, patch)
        cut = cut.transpose(1, 4, 2, 5, 0, 3, 6)
        return cut.reshape(rows * columns, channels * patch * patch), rows, columns

    def fitted(self, image, size=None):
        """A picture, or its pixels, as pixels of a size that can be cut into cells."""
        if not isinstance(image, Image.Image):
            image = Image.fromarray(np.asarray(image).astype(np.uint8))
        height, width = self.resized(image.height, image.width, size)
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))

    def preprocess(self, images, size=None, **_unused):
        pictures, grids = [], []
        for image in images:
            patches, rows, columns = self.patches(self.fitted(image, size))
            pictures.append(patches)
            grids.append([1, rows, columns])
        return pictures, grids

    def preprocess_video(self, frames, seconds=None, size=None):
        """Frames of one size, and the number to draw onto each → (patches, [frames, rows, columns]).

        The model merges frames in pairs, so the last of an odd number comes twice. The bounds in `size` hold for each
        frame alone.
        """
        cut = []
        for frame, second in zip(frames, seconds or [None] * len(frames), strict=True):
            pixels = self.fitted(frame, size).copy()
            if second is not None:
                draw_number(pixels, second)
            patches, rows, columns = self.patches(pixels)
            cut.append(patches)
        if len(cut) % 2:
            cut.append(cut[-1])
        return np.concatenate(cut), [len(cut), rows, columns]

    def __call__(self, images, **kwargs):
        pictures, grids = self.preprocess(images, **kwargs)
        data = {"images": np.concatenate(pictures), "grid_thw": np.array(grids, dtype=np.int64)}
        return BatchFeature(data, tensor_type=kwargs.get("return_tensors"))


class Ernie4_5_VLProcessor(ProcessorMixin):
    """Text, pictures and videos to what the model takes, with one placeholder per patch after merging."""

    attributes: ClassVar = ["image_processor", "tokenizer"]
    valid_kwargs: ClassVar = ["chat_template", "spatial_conv_size", "temporal_conv_size"]
    image_processor_class = "AutoImageProcessor"
    tokenizer_class = "AutoTokenizer"

    # Asked for by engines: without it they hand over the frames alone, and nothing tells when they were.
    supports_video_metadata = True

    IMAGE = "<|image@placeholder|>"
    VIDEO = "<|video@placeholder|>"
    PATCH = "<|IMAGE_PLACEHOLDER|>"

    def __init__(
        self,
        image_processor=None,
        tokenizer=None,
        chat_template=None,
        spatial_conv_size=2,
        temporal_conv_size=2,
        **_unused,
    ):
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self.spatial_conv_size = spatial_conv_size
        self.temporal_conv_size = temporal_conv_size

    def __call__(self, text=None, images=None, videos=None, size=None, min_pixels=None, max_pixels=None, **kwargs):
        size = self.image_processor.size | (size or {})
        bounds = {"min_pixels": min_pixels, "max_pixels": max_pixels}
        size |= {key: value for key, value in bounds.items() if value is not None}
        text = text[0] if isinstance(text, (list, tuple)) else (text or "")
        pictures, grids = [], []
        merge = self.spatial_conv_size**2
        for image in images or []:
            patches, ((_, rows, columns),) = self.image_processor.preprocess([image], size=size)
            pictures += patches
            grids.append([1, rows, columns])
            text = text.replace(self.IMAGE, self.PATCH * (rows * columns // merge), 1)
        for video in videos or []:
            frames, told = video if isinstance(video, tuple) else (video, None)
            seconds = seconds_of(told["frames_indices"], told["fps"]) if told and told["fps"] > 0 else None
            patches, grid = self.image_processor.preprocess_video(frames, seconds, size)
            pictures.append(patches)
            grids.append(grid)
            tokens = math.prod(grid) // merge // self.temporal_conv_size
            text = text.replace(self.VIDEO, self.PATCH * tokens, 1)
        data = {"input_ids": np.array([self.tokenizer(text, add_special_tokens=False)["input_ids"]], dtype=np.int64)}
        if pictures:
            data["images"] = np.concatenate(pictures)
            data["grid_thw"] = np.array(grids, dtype=np.int64)
        features = BatchFeature(data, tensor_type=kwargs.get("return_tensors"))
        # Engines index both keys, also for a prompt without a picture.
        for key in ("images", "grid_thw"):
            features.data.setdefault(key, None)
        return features


__all__ = ["Ernie4_5_VLImageProcessor", "Ernie4_5_VLProcessor"]
