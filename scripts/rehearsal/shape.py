"""The shape of the rehearsal model, as the two configurations that engines read."""

from typing import Any

from transformers import Ernie4_5_VLMoeConfig, PreTrainedTokenizerFast

HIDDEN = 128
LAYERS = 3
HEADS = 4  # of 32 each: vLLM's CPU attention only takes head sizes of 32, 64, 80, 96, 112, 128 ...
KEY_VALUE_HEADS = 2
INTERMEDIATE = 384
EXPERTS = 4  # for text, and as many for vision
EXPERTS_PER_TOKEN = 2
EXPERT_INTERMEDIATE = (64, 64)
SHARED_EXPERTS = 1
CONTEXT = 8192

VISION_HIDDEN = 64
VISION_LAYERS = 2
VISION_HEADS = 2
VISION_RATIO = 2

ROPE_THETA = 500000.0
TIME_FREQUENCIES = 4
SPACE_FREQUENCIES = (HIDDEN // HEADS // 2 - TIME_FREQUENCIES) // 2
MROPE_SECTION = (SPACE_FREQUENCIES, SPACE_FREQUENCIES, TIME_FREQUENCIES)
"""Rotary frequencies for height, width and time: half a head in all."""

# 0.02, the usual value, is for wide models: with it this narrow one did not learn to see at all in its five minutes.
INITIALIZER_RANGE = 0.05

PATCH = 14
MERGE = 2
LEAST_PIXELS = 56 * 56
MOST_PIXELS = 28 * 28 * 144
"""Larger pictures are shrunk to this, which is the range that was practised."""


def native_config(vocabulary: PreTrainedTokenizerFast) -> Ernie4_5_VLMoeConfig:
    """Nested, as the transformers library has it."""
    number_of = vocabulary.convert_tokens_to_ids
    return Ernie4_5_VLMoeConfig(
        text_config={
            "vocab_size": -(-len(vocabulary) // 64) * 64,
            "hidden_size": HIDDEN,
            "intermediate_size": INTERMEDIATE,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": KEY_VALUE_HEADS,
            "max_position_embeddings": CONTEXT,
            "initializer_range": INITIALIZER_RANGE,
            "moe_num_experts": EXPERTS,
            "moe_k": EXPERTS_PER_TOKEN,
            "moe_intermediate_size": list(EXPERT_INTERMEDIATE),
            "moe_num_shared_experts": SHARED_EXPERTS,
            "tie_word_embeddings": True,
            "pad_token_id": vocabulary.pad_token_id,
            "bos_token_id": vocabulary.bos_token_id,
            "eos_token_id": vocabulary.eos_token_id,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": ROPE_THETA,
                "mrope_section": list(MROPE_SECTION),
            },
        },
        vision_config={
            "depth": VISION_LAYERS,
            "hidden_size": VISION_HIDDEN,
            "num_heads": VISION_HEADS,
            "intermediate_size": VISION_HIDDEN * VISION_RATIO,
            "initializer_range": INITIALIZER_RANGE,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
        },
        image_token_id=number_of("<|IMAGE_PLACEHOLDER|>"),
        image_start_token_id=number_of("<|IMAGE_START|>"),
        image_end_token_id=number_of("<|IMAGE_END|>"),
        video_token_id=number_of("<|VIDEO_PLACEHOLDER|>"),
        video_start_token_id=number_of("<|VIDEO_START|>"),
        video_end_token_id=number_of("<|VIDEO_END|>"),
        tie_word_embeddings=True,
        dtype="float32",
    )


def hub_config(native: Ernie4_5_VLMoeConfig) -> dict[str, Any]:
    """Flat, as in the original repositories: the one layout that vLLM understands."""
    text = native.text_config
    last = text.num_hidden_layers - 1
    return {
        "architectures": ["Ernie4_5_VLMoeForConditionalGeneration"],
        "model_type": "ernie4_5_moe_vl",
        "auto_map": {"AutoConfig": "configuration_ernie4_5_vl.Ernie4_5_VLMoEConfig"},
        "dtype": "bfloat16",
        "vocab_size": text.vocab_size,
        "hidden_size": text.hidden_size,
        "intermediate_size": text.intermediate_size,
        "max_position_embeddings": text.max_position_embeddings,
        "num_hidden_layers": text.num_hidden_layers,
        "num_attention_heads": text.num_attention_heads,
        "num_key_value_heads": text.num_key_value_heads,
        "hidden_act": text.hidden_act,
        "rms_norm_eps": text.rms_norm_eps,
        "rope_theta": ROPE_THETA,
        # Without mrope_section vLLM falls back to 1-D positions, silently: text stays right, pictures drift.
        "rope_scaling": {"type": "default", "mrope_section": list(MROPE_SECTION)},
        "freq_allocation": TIME_FREQUENCIES,
        "rope_3d": True,
        "use_bias": False,
        "tie_word_embeddings": True,
        "use_cache": True,
        "pad_token_id": text.pad_token_id,
        "bos_token_id": text.bos_token_id,
        "eos_token_id": text.eos_token_id,
        "moe_num_experts": [text.moe_num_experts] * 2,
        "moe_intermediate_size": list(text.moe_intermediate_size),
        "moe_k": text.moe_k,
        "moe_layer_start_index": [1, 1],
        "moe_layer_end_index": [last, last],
        "moe_layer_interval": 1,
        "moe_num_shared_experts": text.moe_num_shared_experts,
        "moe_gate": "topk",
        "moe_use_aux_free": True,
        "im_patch_id": native.image_token_id,
        "image_start_token_id": native.image_start_token_id,
        "image_end_token_id": native.image_end_token_id,
        "video_start_token_id": native.video_start_token_id,
        "video_end_token_id": native.video_end_token_id,
        "pixel_hidden_size": native.vision_config.hidden_size,
        "spatial_conv_size": MERGE,
        "temporal_conv_size": 2,
        "use_temporal_conv": True,
        "vision_config": {
            "model_type": "DFNRope_vision_transformer",
            "depth": native.vision_config.depth,
            "embed_dim": native.vision_config.hidden_size,
            "hidden_size": native.vision_config.hidden_size,
            "hidden_act": native.vision_config.hidden_act,
            "mlp_ratio": VISION_RATIO,
            "num_heads": native.vision_config.num_heads,
            "in_channels": 3,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
        },
    }
