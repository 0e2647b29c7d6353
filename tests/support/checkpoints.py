"""Model directories of any size that take no room: real headers, and in the place of the tensors a hole in the file."""

import json
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from ernie_deploy.architecture.shape import Architecture, Vision

Shapes = Mapping[str, tuple[int, ...]]
HUB_CONFIG = {
    "model_type": "ernie4_5_moe_vl",
    "torch_dtype": "bfloat16",
    "vocab_size": 103424,
    "hidden_size": 2560,
    "intermediate_size": 12288,
    "max_position_embeddings": 131072,
    "num_hidden_layers": 28,
    "num_attention_heads": 20,
    "num_key_value_heads": 4,
    "tie_word_embeddings": True,
    "rope_scaling": {"type": "default", "mrope_section": [22, 22, 20]},
    "moe_num_experts": [64, 64],
    "moe_intermediate_size": [1536, 512],
    "moe_k": 6,
    "moe_layer_start_index": [1, 1],
    "moe_layer_end_index": [29, 28],
    "moe_layer_interval": 1,
    "moe_num_shared_experts": 2,
    "spatial_conv_size": 2,
    "temporal_conv_size": 2,
    "vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": 1280, "mlp_ratio": 4, "num_heads": 16},
}
"""The 28B model's dimensions as its config.json gives them; the ends of its layers lie beyond the last one."""


def write(directory: Path, config: Mapping[str, object], tensors: Shapes, *, shards: int = 12) -> Path:
    """A whole model of these bf16 tensors."""
    documents: dict[str, object] = {
        "config.json": config,
        "tokenizer.json": {},
        "tokenizer_config.json": {"chat_template": "{{ messages }}"},
        "preprocessor_config.json": {},
    }
    weight_map: dict[str, str] = {}
    names = list(tensors)
    step = -(-len(names) // shards)
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        held = names[number * step : (number + 1) * step]
        write_header(directory / file, {name: tensors[name] for name in held})
        weight_map |= dict.fromkeys(held, file)
    documents["model.safetensors.index.json"] = {"weight_map": weight_map}
    for name, document in documents.items():
        (directory / name).write_text(json.dumps(document))
    return directory


def write_header(path: Path, tensors: Shapes) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors.items():
        begins, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begins, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + end)


def tensors_of(shape: Architecture) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the hub's layout."""
    hidden = shape.hidden_size
    tensors: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (shape.vocab_size, hidden)}
    for layer in range(shape.num_hidden_layers):
        tensors |= _layer(shape, layer)
    tensors["model.norm.weight"] = (hidden,)
    if shape.vision:
        tensors |= _resampler(shape.vision, hidden)
        tensors |= _tower(shape.vision)
    if not shape.tie_word_embeddings:
        tensors["lm_head.weight"] = (shape.vocab_size, hidden)
    return tensors


def _layer(shape: Architecture, layer: int) -> dict[str, tuple[int, ...]]:
    hidden, at = shape.hidden_size, f"model.layers.{layer}"
    queries, keys = shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
    tensors: dict[str, tuple[int, ...]] = {
        f"{at}.input_layernorm.weight": (hidden,),
        f"{at}.post_attention_layernorm.weight": (hidden,),
        f"{at}.self_attn.q_proj.weight": (queries, hidden),
        f"{at}.self_attn.k_proj.weight": (keys, hidden),
        f"{at}.self_attn.v_proj.weight": (keys, hidden),
        f"{at}.self_attn.o_proj.weight": (hidden, queries),
    }
    if layer < shape.num_hidden_layers - shape.num_moe_layers:
        return tensors | _ffn(f"{at}.mlp", hidden, shape.intermediate_size)
    number = 0
    for kind, (experts, size) in enumerate(zip(shape.moe_num_experts, shape.moe_intermediate_size, strict=True)):
        tensors[f"{at}.mlp.gate.weight" + (f"_{kind}" if kind else "")] = (hidden, experts)
        for _ in range(experts):
            tensors |= _ffn(f"{at}.mlp.experts.{number}", hidden, size)
            number += 1
    tensors[f"{at}.mlp.moe_statics.e_score_correction_bias"] = (len(shape.moe_num_experts), shape.moe_num_experts[0])
    if shared := shape.moe_num_shared_experts * shape.moe_intermediate_size[0]:
        tensors |= _ffn(f"{at}.mlp.shared_experts", hidden, shared)
    return tensors


def _ffn(at: str, hidden: int, size: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{at}.gate_proj.weight": (size, hidden),
        f"{at}.up_proj.weight": (size, hidden),
        f"{at}.down_proj.weight": (hidden, size),
    }


def _resampler(vision: Vision, hidden: int) -> dict[str, tuple[int, ...]]:
    at, merged = "model.resampler_model", vision.embed_dim * vision.spatial_merge_size**2
    linear = _linear(f"{at}.temporal_linear.0", merged, vision.temporal_merge_size * merged)
    for name in ("spatial_linear.0", "spatial_linear.2", "temporal_linear.2"):
        linear |= _linear(f"{at}.{name}", merged, merged)
    for name in ("spatial_linear.3", "temporal_linear.3"):
        linear |= _linear(f"{at}.{name}", merged)
    return linear | _linear(f"{at}.mlp", hidden, merged) | {f"{at}.after_norm.weight": (hidden,)}


def _tower(vision: Vision) -> dict[str, tuple[int, ...]]:
    width, inner = vision.embed_dim, vision.intermediate_size
    patch = vision.in_channels * vision.patch_size**2
    tensors = _linear("vision_model.ln", width) | {"vision_model.patch_embed.proj.weight": (width, patch)}
    for number in range(vision.depth):
        at = f"vision_model.blocks.{number}"
        tensors |= _linear(f"{at}.norm1", width) | _linear(f"{at}.norm2", width)
        tensors |= _linear(f"{at}.attn.qkv", 3 * width, width) | _linear(f"{at}.attn.proj", width, width)
        tensors |= _linear(f"{at}.mlp.fc1", inner, width) | _linear(f"{at}.mlp.fc2", width, inner)
    return tensors


def _linear(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return dict(_weight_and_bias(name, shape))


def _weight_and_bias(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]
