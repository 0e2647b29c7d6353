"""The dimensions of a model of this family, and what follows from them: parameters by part, KV bytes per token.

Pure arithmetic on what config.json says. For the rehearsal model it agrees with the headers of the checkpoint to the
last parameter; the weights of the 28B model were never at hand.
"""

from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

Part = Literal[
    "embeddings",
    "attention",
    "dense_ffn",
    "text_experts",
    "vision_experts",
    "shared_experts",
    "routers",
    "norms",
    "vision_tower",
    "resampler",
    "lm_head",
    "other",
]
"""What a checkpoint consists of. `norms` are those of the language model, `other` is what nothing here explains."""

PARTS: Final[tuple[Part, ...]] = get_args(Part)
# No model has more of anything; what lies beyond is a damaged or hostile file.
Dimension = Annotated[int, Meta(ge=1, le=1 << 24)]
Count = Annotated[int, Meta(ge=0, le=1 << 16)]
Heads = Annotated[int, Meta(ge=1, le=4096)]


class Vision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tower that looks at pictures, and how its patches are merged into tokens."""

    depth: Count
    embed_dim: Dimension
    num_heads: Heads
    intermediate_size: Dimension
    patch_size: Dimension = 14
    in_channels: Dimension = 3
    spatial_merge_size: Dimension = 2
    temporal_merge_size: Dimension = 2


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model's dimensions, by the names of config.json.

    `moe_num_experts` and `moe_intermediate_size` are for text and, in a model that sees, for pictures; both are empty
    in a dense model. The first `num_dense_layers` layers have an ordinary FFN of `intermediate_size`.
    """

    hidden_size: Dimension
    num_hidden_layers: Annotated[int, Meta(ge=1, le=1024)]
    num_attention_heads: Heads
    num_key_value_heads: Heads
    head_dim: Dimension
    intermediate_size: Dimension
    vocab_size: Dimension
    max_position_embeddings: Dimension
    tie_word_embeddings: bool = True
    num_dense_layers: Count = 0
    moe_num_experts: Annotated[tuple[Count, ...], Meta(max_length=2)] = ()
    moe_intermediate_size: Annotated[tuple[Dimension, ...], Meta(max_length=2)] = ()
    moe_k: Count = 0
    moe_num_shared_experts: Count = 0
    vision: Vision | None = None

    def __post_init__(self) -> None:
        """Refuse what is possible alone and not together: sizes that follow from it would be negative, or none."""
        if len(self.moe_num_experts) != len(self.moe_intermediate_size):
            raise ValueError("moe_num_experts and moe_intermediate_size are not of the same length")
        if self.num_dense_layers > self.num_hidden_layers:
            raise ValueError("num_dense_layers is more than num_hidden_layers")

    @property
    def num_moe_layers(self) -> int:
        return self.num_hidden_layers - self.num_dense_layers if self.moe_num_experts else 0

    @property
    def qkv_size(self) -> int:
        """Numbers that the attention of one layer computes per token before it attends."""
        return (self.num_attention_heads + 2 * self.num_key_value_heads) * self.head_dim


def parameters(shape: Architecture) -> dict[Part, int]:
    """How many parameters each part has; parts that the model lacks are left out."""
    hidden, moe_layers = shape.hidden_size, shape.num_moe_layers
    dense_layers = shape.num_hidden_layers - moe_layers
    experts = tuple(zip(shape.moe_num_experts, shape.moe_intermediate_size, strict=False))
    each = [moe_layers * number * 3 * hidden * size for number, size in experts]
    shared_size = shape.moe_num_shared_experts * (shape.moe_intermediate_size or (0,))[0]
    # A router has a row per expert and a bias that balances the load.
    routers = moe_layers * sum(number * (hidden + 1) for number, _ in experts)
    attention = hidden * shape.qkv_size + shape.num_attention_heads * shape.head_dim * hidden
    counts: dict[Part, int] = {
        "embeddings": shape.vocab_size * hidden,
        "attention": shape.num_hidden_layers * attention,
        "dense_ffn": dense_layers * 3 * hidden * shape.intermediate_size,
        "text_experts": each[0] if each else 0,
        "vision_experts": each[1] if len(each) > 1 else 0,
        "shared_experts": moe_layers * 3 * hidden * shared_size,
        "routers": routers,
        "norms": (2 * shape.num_hidden_layers + 1) * hidden,
        "vision_tower": _vision_tower(shape.vision) if shape.vision else 0,
        "resampler": _resampler(shape.vision, hidden) if shape.vision else 0,
        "lm_head": 0 if shape.tie_word_embeddings else shape.vocab_size * hidden,
    }
    return {part: count for part, count in counts.items() if count}


def output_channels(shape: Architecture, part: Part) -> int:
    """How many rows the matrices of a part have: quantization by channel keeps a scale for each."""
    hidden, layers, moe = shape.hidden_size, shape.num_hidden_layers, shape.num_moe_layers
    sizes = (*shape.moe_intermediate_size, 0, 0)
    numbers = (*shape.moe_num_experts, 0, 0)
    rows: dict[Part, int] = {
        "attention": layers * (shape.qkv_size + hidden),
        "dense_ffn": (layers - moe) * (2 * shape.intermediate_size + hidden),
        "text_experts": moe * numbers[0] * (2 * sizes[0] + hidden),
        "vision_experts": moe * numbers[1] * (2 * sizes[1] + hidden),
        "shared_experts": moe * (2 * sizes[0] * shape.moe_num_shared_experts + hidden),
        "lm_head": shape.vocab_size,
    }
    return rows.get(part, 0)


def kv_bytes_per_token(shape: Architecture, *, bytes_per_value: int = 2, tensor_parallel_size: int = 1) -> int:
    """KV cache of one token on one card: key and value of every layer. 57,344 for the 28B model in bf16.

    More cards than heads hold copies of the same head.
    """
    heads = max(1, shape.num_key_value_heads // tensor_parallel_size)
    return 2 * shape.num_hidden_layers * heads * shape.head_dim * bytes_per_value


def tensor_parallel_sizes(shape: Architecture) -> tuple[int, ...]:
    """Over how many cards it can be spread: what divides both kinds of heads. 1, 2 and 4 for the 28B model."""
    heads = (shape.num_attention_heads, shape.num_key_value_heads)
    return tuple(size for size in range(1, shape.num_key_value_heads + 1) if not any(one % size for one in heads))


def _vision_tower(vision: Vision) -> int:
    width, inner = vision.embed_dim, vision.intermediate_size
    # Every linear map has a bias, every norm a weight and a bias; the patches are embedded without one.
    block = 4 * width * width + 4 * width + 2 * width * inner + inner + width + 4 * width
    patches = vision.in_channels * vision.patch_size**2 * width
    return vision.depth * block + patches + 2 * width


def _resampler(vision: Vision, hidden: int) -> int:
    """It merges 2 × 2 patches, then two frames, each by two linear maps and a norm; a last map has the text's width."""
    merged = vision.embed_dim * vision.spatial_merge_size**2
    square = merged * merged + merged
    over_time = vision.temporal_merge_size * merged * merged + merged
    norms = 2 * 2 * merged
    return 3 * square + over_time + norms + merged * hidden + hidden + hidden
