"""The dimensions of a model, out of its config.json, in both layouts of this family. Pure; nothing is believed."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from ernie_deploy.architecture.shape import Architecture, Count, Dimension
from ernie_deploy.weights.reading import MISSING, in_words, shown

FAMILY: Final = "ernie4_5"
_Layers = Annotated[int, Meta(ge=1, le=1024)]
# Far beyond any model; code that looks for the numbers that divide them goes through all.
_Heads = Annotated[int, Meta(ge=1, le=4096)]
_Last = Annotated[int, Meta(ge=-1, le=1 << 16)]


class Dimensions(NamedTuple):
    """What config.json says, or why it says nothing; `is_wrong` when it says what cannot be, not when it is silent."""

    architecture: Architecture | None
    why_not: str = ""
    is_wrong: bool = False


class _Text(msgspec.Struct, frozen=True):
    """The language model. One number or, for text and for pictures, two; engines take null for "not given"."""

    hidden_size: Dimension
    num_hidden_layers: _Layers
    num_attention_heads: _Heads
    num_key_value_heads: _Heads | None
    intermediate_size: Dimension
    vocab_size: Dimension
    max_position_embeddings: Dimension
    head_dim: Dimension | None = None
    tie_word_embeddings: bool | None = None
    moe_num_experts: Count | tuple[Count, ...] | None = None
    moe_intermediate_size: Dimension | tuple[Dimension, ...] | None = None
    moe_k: Count | None = None
    moe_num_shared_experts: Count | None = None
    moe_layer_start_index: Count | tuple[Count, ...] | None = None
    moe_layer_end_index: _Last | tuple[_Last, ...] | None = None
    moe_layer_interval: Dimension | None = None
    mlp_layer_types: tuple[str, ...] | None = None
    spatial_conv_size: Dimension | None = None
    temporal_conv_size: Dimension | None = None


class _Sight(msgspec.Struct, frozen=True):
    """The vision tower; its width is `embed_dim` in one layout and `hidden_size` in the other."""

    depth: Count
    num_heads: Dimension
    embed_dim: Dimension | None = None
    hidden_size: Dimension | None = None
    intermediate_size: Dimension | None = None
    mlp_ratio: Annotated[float, Meta(gt=0, le=1024)] | None = None
    patch_size: Dimension | None = None
    in_channels: Dimension | None = None
    spatial_merge_size: Dimension | None = None
    temporal_merge_size: Dimension | None = None


def dimensions(config: Mapping[str, Any]) -> Dimensions:
    """The dimensions of a model of this family. Never an error: a configuration can hold anything."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        return Dimensions(None, "config.json does not name a model_type")
    if not model_type.startswith(FAMILY):
        return Dimensions(None, f"config.json is of a {shown(model_type)}, which is not of this family")
    if "vl" in model_type and not config.get("vision_config"):
        return Dimensions(None, "config.json has no vision_config")
    is_nested = "text_config" in config
    place = "text_config" if is_nested else ""
    try:
        text = msgspec.convert(_text(config) if is_nested else config, _Text)
        place = "vision_config"
        sight = msgspec.convert(config["vision_config"], _Sight) if config.get("vision_config") else None
        place = ""
        if reason := _missing(text, sight):
            return Dimensions(None, f"config.json has {reason}")
        if reason := _contradiction(text, sight):
            return Dimensions(None, f"config.json: {reason}", is_wrong=True)
        return Dimensions(msgspec.convert(_derived(text, sight), Architecture))
    except msgspec.ValidationError as error:
        is_wrong = not str(error).startswith(MISSING)
        return Dimensions(None, f"config.json: {in_words(error, within=place)}", is_wrong=is_wrong)
    except UnicodeEncodeError:
        # Half of a character, which JSON can spell and no text can hold.
        return Dimensions(None, f"config.json: {place or 'a value'} holds text that is not Unicode", is_wrong=True)


def _text(config: Mapping[str, Any]) -> object:
    """What the whole model says of its two embeddings is stronger than what its language model says."""
    text = config["text_config"]
    tied = config.get("tie_word_embeddings")
    return text if tied is None or not isinstance(text, dict) else text | {"tie_word_embeddings": tied}


def _missing(text: _Text, sight: _Sight | None) -> str:
    """What has two names, and is there under neither."""
    if sight and not (sight.embed_dim or sight.hidden_size):
        return "neither vision_config.embed_dim nor vision_config.hidden_size"
    if sight and not (sight.intermediate_size or sight.mlp_ratio):
        return "neither vision_config.intermediate_size nor vision_config.mlp_ratio"
    if _experts(text, sight) and not (text.mlp_layer_types or _all(text.moe_layer_start_index)):
        return "neither mlp_layer_types nor moe_layer_start_index"
    return ""


def _contradiction(text: _Text, sight: _Sight | None) -> str:
    """What is possible alone and not together."""
    if text.num_attention_heads % (text.num_key_value_heads or text.num_attention_heads):
        return "num_key_value_heads does not divide num_attention_heads"
    if text.mlp_layer_types and len(text.mlp_layer_types) != text.num_hidden_layers:
        return "mlp_layer_types does not have an entry for each of num_hidden_layers"
    experts = _experts(text, sight)
    if len(experts) > 2:
        return "moe_num_experts has more than two kinds of experts"
    if experts and len(_sizes(text, len(experts))) != len(experts):
        return "moe_intermediate_size does not have an entry for each kind of experts in moe_num_experts"
    return ""


def _derived(text: _Text, sight: _Sight | None) -> dict[str, object]:
    experts = _experts(text, sight)
    return {
        "hidden_size": text.hidden_size,
        "num_hidden_layers": text.num_hidden_layers,
        "num_attention_heads": text.num_attention_heads,
        "num_key_value_heads": text.num_key_value_heads or text.num_attention_heads,
        "head_dim": text.head_dim or text.hidden_size // text.num_attention_heads,
        "intermediate_size": text.intermediate_size,
        "vocab_size": text.vocab_size,
        "max_position_embeddings": text.max_position_embeddings,
        "tie_word_embeddings": text.tie_word_embeddings is not False,
        "num_dense_layers": text.num_hidden_layers - _moe_layers(text) if experts else 0,
        "moe_num_experts": experts,
        "moe_intermediate_size": _sizes(text, len(experts)) if experts else (),
        "moe_k": (text.moe_k or 0) if experts else 0,
        "moe_num_shared_experts": (text.moe_num_shared_experts or 0) if experts else 0,
        "vision": _vision(text, sight) if sight else None,
    }


def _vision(text: _Text, sight: _Sight) -> dict[str, object]:
    width = sight.embed_dim or sight.hidden_size or 0
    given = {
        "patch_size": sight.patch_size,
        "in_channels": sight.in_channels,
        "spatial_merge_size": sight.spatial_merge_size or text.spatial_conv_size,
        "temporal_merge_size": sight.temporal_merge_size or text.temporal_conv_size,
    }
    return {
        "depth": sight.depth,
        "embed_dim": width,
        "num_heads": sight.num_heads,
        "intermediate_size": sight.intermediate_size or int(width * (sight.mlp_ratio or 0)),
        **{key: value for key, value in given.items() if value is not None},
    }


def _experts(text: _Text, sight: _Sight | None) -> tuple[int, ...]:
    """How many experts there are of each kind; one number holds for both kinds of a model that sees."""
    given = text.moe_num_experts or ()
    numbers = (given,) * (2 if sight else 1) if isinstance(given, int) else given
    return numbers if any(numbers) else ()


def _sizes(text: _Text, kinds: int) -> tuple[int, ...]:
    given = text.moe_intermediate_size or ()
    return (given,) * kinds if isinstance(given, int) else given


def _moe_layers(text: _Text) -> int:
    """How many layers have experts: a list of all layers, or from where to where; the end may lie beyond the last."""
    if text.mlp_layer_types:
        return sum(one != "dense" for one in text.mlp_layer_types)
    last = text.num_hidden_layers - 1
    ends = tuple(last if end == -1 else end for end in _all(text.moe_layer_end_index))
    layers = range(min(_all(text.moe_layer_start_index)), min(last, max(ends, default=last)) + 1)
    return sum((layer + 1) % (text.moe_layer_interval or 1) == 0 for layer in layers)


def _all(given: int | tuple[int, ...] | None) -> tuple[int, ...]:
    return () if given is None else (given,) if isinstance(given, int) else given
