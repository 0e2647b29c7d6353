"""What closed eyes make of a sample, kept from its first use: every sample is practised several times."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from encoding import Encoded, Encoder

Seen = tuple[list[torch.Tensor], list[torch.Tensor]]
"""Features (token, hidden) of every picture, and of every video."""


class Glimpses:
    """Features by sample. The eyes of `model` must not change any more."""

    def __init__(self, model: Any, encoder: Encoder) -> None:
        self.model, self.encoder = model, encoder
        self.kept: dict[int, Seen] = {}

    def of(self, items: Sequence[Encoded]) -> dict[str, Any]:
        """As the library's model takes them in place of pixels.

        items: must outlive this object, which knows them by identity.
        """
        new = [item for item in items if id(item) not in self.kept]
        self.kept |= zip(map(id, new), self._look(new), strict=True)
        pictures, videos = ([each for item in items for each in self.kept[id(item)][kind]] for kind in (0, 1))
        seen = {"image": pictures, "video": videos}
        return {kind: SimpleNamespace(pooler_output=features) for kind, features in seen.items() if features}

    def _look(self, items: Sequence[Encoded]) -> list[Seen]:
        pixels, eyes = self.encoder.pixels(items), self.model.model
        pictures: list[torch.Tensor] = []
        videos: list[torch.Tensor] = []
        with torch.no_grad():
            if "pixel_values" in pixels:
                pictures += eyes.get_image_features(pixels["pixel_values"], pixels["image_grid_thw"]).pooler_output
            if "pixel_values_videos" in pixels:
                found = eyes.get_video_features(pixels["pixel_values_videos"], pixels["video_grid_thw"])
                videos += found.pooler_output
        next_picture, next_video = iter(pictures).__next__, iter(videos).__next__
        return [
            ([next_picture() for _ in item.pictures.grids], [next_video() for _ in item.videos.grids]) for item in items
        ]
