"""The same model, computed faster on a CPU.

The library calls attention once per picture and frame, and once per expert with the tokens that chose it: hundreds of
small calls a step. Here pictures of one size attend in one call, and every expert sees every token with a weight that
may be zero. The weights are the model's own; what is exported is measured with the library's own code.
"""

from functools import partial
from typing import Any

import torch
from transformers.models.ernie4_5_vl_moe import modeling_ernie4_5_vl_moe as library


def hasten(model: Any) -> None:
    """Replace how the experts and the vision attention of this one model are computed."""
    for module in model.modules():
        if isinstance(module, library.Ernie4_5_VLMoeMoeBlock):
            module.forward = partial(experts, module)
        elif isinstance(module, library.Ernie4_5_VLMoeVisionAttention):
            module.forward = partial(vision_attention, module)


def experts(block: Any, hidden: torch.Tensor, types: torch.Tensor | None = None) -> tuple[torch.Tensor, None]:
    """types: 0 where the text experts work, else those for pictures."""
    flat = hidden.reshape(-1, hidden.shape[-1])
    routed = torch.zeros_like(flat)
    is_seen = torch.zeros(len(flat), dtype=torch.bool) if types is None else types.reshape(-1).bool()
    for sparse, chosen in ((block.text_moe, ~is_seen), (block.vision_moe, is_seen)):
        (places,) = chosen.nonzero(as_tuple=True)
        if len(places):
            routed = routed.index_copy(0, places, _all_experts(sparse, flat.index_select(0, places)).to(flat.dtype))
    return (routed + block.shared_experts(flat)).view_as(hidden), None


def _all_experts(sparse: Any, tokens: torch.Tensor) -> torch.Tensor:
    _, weights, chosen = sparse.gate(tokens)
    count, width, hidden = sparse.experts.gate_up_proj.shape
    share = torch.zeros(len(tokens), count, dtype=weights.dtype).scatter(1, chosen, weights)
    raised = torch.nn.functional.linear(tokens, sparse.experts.gate_up_proj.reshape(count * width, hidden))
    gate, up = raised.view(len(tokens), count, 2, width // 2).unbind(2)
    inner = sparse.experts.act_fn(gate) * up * share[..., None]
    return inner.flatten(1) @ sparse.experts.down_proj.transpose(1, 2).reshape(-1, hidden)


def vision_attention(
    attention: Any, hidden: torch.Tensor, cu_seqlens: torch.Tensor, position_embeddings: Any, **_unused: Any
) -> torch.Tensor:
    """cu_seqlens: where each picture or frame starts, and the end."""
    shape = (len(hidden), 3, attention.num_heads, -1)
    query, key, value = attention.qkv(hidden).reshape(shape).unbind(1)
    query, key = library.apply_rotary_pos_emb_vision(query, key, *position_embeddings)
    starts, lengths = cu_seqlens[:-1].long(), cu_seqlens.diff().long()
    orders, seen = [], []
    for length in lengths.unique().tolist():
        own = starts[lengths == length]
        order = (own[:, None] + torch.arange(length)).flatten()
        parts = [each.index_select(0, order).view(len(own), length, *each.shape[1:]) for each in (query, key, value)]
        together = torch.nn.functional.scaled_dot_product_attention(
            *(each.transpose(1, 2) for each in parts), scale=attention.scaling
        )
        orders.append(order)
        seen.append(together.transpose(1, 2).reshape(len(order), -1))
    back = torch.cat(orders).argsort()
    return attention.proj(torch.cat(seen).index_select(0, back))
