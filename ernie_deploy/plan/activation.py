"""What one step keeps in memory at its worst moment: derived from the tensors that live at the same time. Pure.

The profile run of an engine measures this; here it is counted. Kernels need workspaces and allocators leave gaps, so
the real peak lies between the factors in fit.yaml times these.
"""

from ernie_deploy.architecture.shape import Architecture, Vision
from ernie_deploy.architecture.tokens import PATCHES_PER_TOKEN

BF16 = 2
FP32 = 4
# The stream through the layers, its norm, what is added to it, and the embedded input.
STREAMS = 4
# Scores of the last token of each sequence, and two copies while one is drawn.
COPIES_OF_SCORES = 3


def prefill_bytes(shape: Architecture, *, tokens: int, sequences: int, tensor_parallel_size: int = 1) -> int:
    """The language model at its widest: the experts' inputs, insides and outputs, attention, or a dense layer."""
    cards, hidden = tensor_parallel_size, shape.hidden_size
    attention = (shape.qkv_size + shape.num_attention_heads * shape.head_dim) // cards
    widest = max(attention, _split(3 * shape.intermediate_size, cards))
    if shape.moe_num_experts:
        inside = _split(3 * max(shape.moe_intermediate_size), cards)
        shared = _split(3 * shape.moe_num_shared_experts * shape.moe_intermediate_size[0], cards)
        widest = max(widest, shape.moe_k * (2 * hidden + inside) + shared)
    scores = COPIES_OF_SCORES * sequences * shape.vocab_size * FP32
    return tokens * (STREAMS * hidden + widest) * BF16 + scores


def picture_bytes(vision: Vision, *, tokens: int, tensor_parallel_size: int = 1) -> int:
    """The vision tower at its widest over so many image tokens at once: attention with rotary values, or the MLP."""
    cards, width = tensor_parallel_size, vision.embed_dim
    patches = tokens * PATCHES_PER_TOKEN
    attention = _split(4 * width * BF16 + 2 * width * FP32, cards)
    mlp = _split(2 * vision.intermediate_size * BF16, cards)
    pixels = vision.in_channels * vision.patch_size**2 * BF16
    return patches * (3 * width * BF16 + max(attention, mlp) + pixels)


def _split(size: int, cards: int) -> int:
    return -(-size // cards)
