"""Flat configuration of a rehearsal checkpoint of the ERNIE-4.5-VL-MoE architecture.

Only carries values: the names of the fields, and their defaults, are the ones that serving engines read from the
config.json of the original repositories.
"""

# ruff: noqa: N801, the class is named as engines know it
from typing import ClassVar

from transformers import PretrainedConfig

DEFAULTS = {
    "vocab_size": 103424,
    "hidden_size": 2560,
    "intermediate_size": 12288,
    "max_position_embeddings": 131072,
    "num_hidden_layers": 28,
    "num_attention_heads": 20,
    "num_key_value_heads": 4,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "freq_allocation": 20,
    "use_bias": False,
    "moe_num_experts": (64, 64),
    "moe_intermediate_size": (1536, 512),
    "moe_k": 6,
    "moe_layer_start_index": (1, 1),
    "moe_layer_end_index": (27, 27),
    "moe_layer_interval": 1,
    "moe_num_shared_experts": 2,
    "moe_use_aux_free": True,
    "im_patch_id": 100295,
    "image_start_token_id": 101304,
    "image_end_token_id": 101305,
    "video_start_token_id": 101306,
    "video_end_token_id": 101307,
    "pixel_hidden_size": 1280,
    "spatial_conv_size": 2,
    "temporal_conv_size": 2,
    "use_temporal_conv": True,
}


class DFNRopeVisionTransformerConfig(PretrainedConfig):
    """The vision tower."""

    model_type = "DFNRope_vision_transformer"
    base_config_key = "vision_config"

    def __init__(
        self,
        depth=32,
        embed_dim=1280,
        hidden_size=1280,
        hidden_act="quick_gelu",
        mlp_ratio=4,
        num_heads=16,
        in_channels=3,
        patch_size=14,
        spatial_merge_size=2,
        **kwargs,
    ):
        self.depth = depth
        self.embed_dim = embed_dim
        self.hidden_size = hidden_size
        self.hidden_act = hidden_act
        self.mlp_ratio = mlp_ratio
        self.num_heads = num_heads
        self.in_channels = in_channels
        self.patch_size = patch_size
        self.spatial_merge_size = spatial_merge_size
        super().__init__(**kwargs)


class Ernie4_5_VLMoEConfig(PretrainedConfig):
    """The whole model; every key of `DEFAULTS` is an attribute."""

    model_type = "ernie4_5_moe_vl"
    sub_configs: ClassVar = {"vision_config": DFNRopeVisionTransformerConfig}

    def __init__(self, vision_config=None, **kwargs):
        if vision_config is None:
            vision_config = {}
        if isinstance(vision_config, dict):
            vision_config = DFNRopeVisionTransformerConfig(**vision_config)
        self.vision_config = vision_config
        for key, default in DEFAULTS.items():
            value = kwargs.pop(key, default)
            setattr(self, key, list(value) if isinstance(value, tuple) else value)
        super().__init__(**kwargs)


__all__ = ["DFNRopeVisionTransformerConfig", "Ernie4_5_VLMoEConfig"]
