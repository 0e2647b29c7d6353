"""How the weights begin, where that differs from the library's way. All of it is there to learn sooner."""

from typing import Any

import torch

EMBEDDING_RANGE = 0.2
"""As wide as what the first layer adds to a token, so that the token is not lost in it: words are copied far sooner."""

ALIKE = 0.7
"""How much of a query's weights is its key's at first: a token then looks at tokens like it, and takes them over."""


def start(model: Any) -> None:
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=EMBEDDING_RANGE)
    for layer in model.model.language_model.layers:
        _look_at_the_like(layer.self_attn)


def _look_at_the_like(attention: Any) -> None:
    """Queries resemble keys, and what is put out resembles the values turned back into the token they came from."""
    width = attention.head_dim
    per_key = attention.q_proj.out_features // attention.k_proj.out_features
    for heads, shared in (
        (attention.q_proj.weight, attention.k_proj.weight),
        (attention.o_proj.weight.T, attention.v_proj.weight),
    ):
        each = shared.unflatten(0, (-1, width)).repeat_interleave(per_key, dim=0).flatten(0, 1)
        with torch.no_grad():
            heads.copy_(ALIKE * each + (1 - ALIKE) * heads)
