"""Lets a torchvision built for CUDA work beside a torch built for the CPU: pictures are read by Pillow.

Written into an engine's site-packages and imported by a `.pth` file at each start of its Python, so this module must
cost nothing until torchvision is imported, and do nothing where torchvision's own native libraries could be loaded.
"""

import io
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_operators: list[object] = []  # a torch.library.Library takes its operators with it when it is collected


def declare_missing_operators(_extension: ModuleType) -> None:
    """torchvision describes the shapes of these two as it is imported, and dies where nobody has declared them."""
    torch = import_module("torch")
    if hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _operators.append(library)


def read_pictures_with_pillow(image: ModuleType) -> None:
    torch = import_module("torch")
    if not hasattr(torch.ops.image, "decode_image"):
        image.__dict__["decode_image"] = decode_image


def decode_image(input: Any, mode: object = None, apply_exif_orientation: bool = False) -> Any:  # noqa: ARG001
    """Bytes in a tensor, or a path, to an RGB tensor of shape (3, height, width): all that transformers asks for."""
    torch, numpy = import_module("torch"), import_module("numpy")
    pillow, pillow_ops = import_module("PIL.Image"), import_module("PIL.ImageOps")
    data = input.numpy().tobytes() if isinstance(input, torch.Tensor) else Path(input).read_bytes()
    picture = pillow.open(io.BytesIO(data))
    if apply_exif_orientation:
        picture = pillow_ops.exif_transpose(picture)
    return torch.from_numpy(numpy.array(picture.convert("RGB"))).permute(2, 0, 1)


AFTER_IMPORT: dict[str, Callable[[ModuleType], None]] = {
    "torchvision.extension": declare_missing_operators,
    "torchvision.io.image": read_pictures_with_pillow,
}


class Then(Loader):
    """A loader that does what `loader` does, and then one thing more."""

    def __init__(self, loader: Loader, action: Callable[[ModuleType], None]) -> None:
        self.loader = loader
        self.action = action

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        self.action(module)


class Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        action = AFTER_IMPORT.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if action else None
        if spec is None or spec.loader is None or action is None:
            return None
        spec.loader = Then(spec.loader, action)
        return spec


sys.meta_path.insert(0, Finder())
