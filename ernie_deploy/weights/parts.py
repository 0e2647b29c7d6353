"""Which part of a model a tensor belongs to, by its name, and how large each part is. Pure."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

from ernie_deploy.architecture.shape import PARTS, Part
from ernie_deploy.facts.values import PartSize
from ernie_deploy.weights.headers import Tensor

# The vision tower stands beside the language model in the hub's layout (`vision_model.`) and inside of it in the
# layout of transformers (`model.vision_model.`); Paddle's own layout says `ernie.` and joins gate_proj and up_proj.
_NAME: Final = re.compile(
    r"(?:(?:model|ernie|language_model)\.)*"
    r"(?:layers\.[0-9]+\.mlp\."
    r"(?:experts\.(?P<text_experts>[0-9]{1,6})\."
    r"|(?P<shared_experts>shared_experts)\."
    r"|(?P<routers>gate\.|moe_statics\.)"
    r"|(?P<dense_ffn>(?:gate|up|down|up_gate)_proj)\.)"
    r"|layers\.[0-9]+\.self_attn\.(?P<attention>(?:[qkvo]|qkv)_proj)\."
    r"|(?P<norms>norm|layers\.[0-9]+\.(?:input|post_attention)_layernorm)\."
    r"|(?P<vision_tower>vision_model)\."
    r"|(?P<resampler>resampler_model)\."
    r"|(?P<embeddings>embed_tokens)\."
    r"|(?P<lm_head>lm_head)\.)"
)


def part_of(name: str, *, text_experts: int | None = None) -> Part:
    """Experts are numbered through: those from `text_experts` on are for pictures. None: they cannot be told apart."""
    found = _NAME.match(name)
    part = found.lastgroup if found else "other"
    if part == "text_experts" and found and text_experts is not None and int(found[part]) >= text_experts:
        return "vision_experts"
    return cast("Part", part)


def part_sizes(tensors: Iterable[Mapping[str, Tensor]], *, text_experts: int | None) -> dict[Part, PartSize]:
    """The parts of all these files, in the order of PARTS; a part without tensors is left out."""
    counts, sizes = dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0)
    for one in tensors:
        for name, tensor in one.items():
            part = part_of(name, text_experts=text_experts)
            begins, ends = tensor.data_offsets
            counts[part] += math.prod(tensor.shape)
            sizes[part] += ends - begins
    return {part: PartSize(counts[part], sizes[part]) for part in PARTS if counts[part]}
