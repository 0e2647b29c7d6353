import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_deploy import rehearsal
from ernie_deploy.architecture.shape import Architecture, Vision, parameters
from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.weights.config import dimensions
from ernie_deploy.weights.snapshot import inspect
from tests.support import checkpoints

HUB: dict[str, Any] = checkpoints.HUB_CONFIG
NATIVE: dict[str, Any] = json.loads((rehearsal.NATIVE / "config.json").read_text(encoding="utf-8"))
TEXT = {key: value for key, value in HUB.items() if key != "vision_config"} | {
    "model_type": "ernie4_5_moe",
    "moe_num_experts": 64,
    "moe_intermediate_size": 1536,
    "moe_layer_start_index": 1,
    "moe_layer_end_index": -1,
}
DENSE = {
    "model_type": "ernie4_5",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 18,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "vocab_size": 103424,
    "max_position_embeddings": 131072,
}


def shape(config: dict[str, Any]) -> Architecture:
    found = dimensions(config)
    assert found.architecture, found.why_not
    return found.architecture


@pytest.mark.parametrize(
    ("config", "model"),
    [
        (HUB, "baidu/ERNIE-4.5-VL-28B-A3B-Thinking"),
        (TEXT, "baidu/ERNIE-4.5-21B-A3B-PT"),
        (DENSE, "baidu/ERNIE-4.5-0.3B-PT"),
    ],
)
def test_a_configuration_gives_the_dimensions_of_the_catalog(config: dict[str, Any], model: str) -> None:
    assert shape(config) == architectures()[model]


def test_the_nested_layout_is_read_too() -> None:
    found = shape(NATIVE)
    assert found.vision == Vision(depth=2, embed_dim=64, num_heads=2, intermediate_size=128)
    assert (found.num_moe_layers, found.moe_num_experts, found.head_dim) == (2, (4, 4), 32)


def test_what_the_whole_model_says_of_its_embeddings_is_stronger() -> None:
    untied = shape(NATIVE | {"tie_word_embeddings": False})
    text = NATIVE["text_config"]
    assert parameters(untied)["lm_head"] == text["vocab_size"] * text["hidden_size"]
    assert "lm_head" not in parameters(shape(NATIVE))


@pytest.mark.parametrize(
    ("changes", "moe_layers"),
    [
        ({}, 27),
        ({"moe_layer_start_index": 3}, 25),
        ({"moe_layer_start_index": [3, 5], "moe_layer_end_index": [10, 20]}, 18),
        ({"moe_layer_end_index": None}, 27),
        ({"moe_layer_end_index": -1}, 27),
        ({"moe_layer_interval": 2}, 14),
        ({"moe_layer_start_index": 40}, 0),
        ({"mlp_layer_types": ["dense"] * 4 + ["sparse"] * 24}, 24),
        ({"moe_num_experts": 0}, 0),
        ({"moe_num_experts": [0, 0]}, 0),
        ({"moe_num_experts": None, "moe_intermediate_size": None}, 0),
    ],
)
def test_layers_with_experts_are_counted_as_the_engines_do(changes: dict[str, Any], moe_layers: int) -> None:
    assert shape(HUB | changes).num_moe_layers == moe_layers


def test_null_means_what_the_engines_take_it_for() -> None:
    found = shape(HUB | {"head_dim": None, "num_key_value_heads": None, "tie_word_embeddings": None})
    assert (found.head_dim, found.num_key_value_heads, found.tie_word_embeddings) == (128, 20, True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden_size": -1}, "config.json: hidden_size: expected int >= 1"),
        ({"hidden_size": 0}, "config.json: hidden_size: expected int >= 1"),
        ({"hidden_size": 2**25}, "config.json: hidden_size: expected int <= 16777216"),
        ({"hidden_size": 10**300}, "config.json: hidden_size: "),
        ({"hidden_size": "2560"}, "config.json: hidden_size: expected int, got str"),
        ({"hidden_size": True}, "config.json: hidden_size: expected int, got bool"),
        ({"hidden_size": math.nan}, "config.json: hidden_size: expected int, got float"),
        ({"num_hidden_layers": 10**6}, "config.json: num_hidden_layers: expected int <= 1024"),
        ({"num_key_value_heads": 3}, "config.json: num_key_value_heads does not divide num_attention_heads"),
        ({"num_attention_heads": 8192}, "config.json: num_attention_heads: expected int <= 4096"),
        ({"num_attention_heads": 4096}, "config.json: head_dim: expected int >= 1"),
        ({"moe_num_experts": [64, -1]}, "config.json: moe_num_experts[1]: expected int >= 0"),
        ({"moe_num_experts": [1, 2, 3]}, "config.json: moe_num_experts has more than two kinds of experts"),
        ({"moe_intermediate_size": [1536]}, "config.json: moe_intermediate_size does not have an entry for each"),
        ({"moe_layer_start_index": -1}, "config.json: moe_layer_start_index: expected int >= 0"),
        ({"mlp_layer_types": ["dense"]}, "config.json: mlp_layer_types does not have an entry for each"),
        ({"vision_config": [1]}, "config.json: vision_config: expected object, got array"),
        ({"vision_config": HUB["vision_config"] | {"depth": "32"}}, "config.json: vision_config.depth: expected int"),
        ({"vision_config": HUB["vision_config"] | {"mlp_ratio": math.nan}}, "config.json: vision_config.mlp_ratio: "),
        ({"vision_config": HUB["vision_config"] | {"mlp_ratio": math.inf}}, "config.json: vision_config.mlp_ratio: "),
        ({"vision_config": HUB["vision_config"] | {"mlp_ratio": 1e-9}}, "vision.intermediate_size: expected int >= 1"),
        ({"text_config": {"hidden_size": "\ud800"}}, "config.json: text_config"),
        ({"vision_config": "\ud800"}, "config.json: vision_config holds text that is not Unicode"),
        ({"text_config": 5}, "config.json: text_config: expected object, got int"),
    ],
)
def test_dimensions_that_cannot_be_are_refused_and_named(changes: dict[str, Any], says: str) -> None:
    found = dimensions(HUB | changes)
    assert found.architecture is None
    assert says in found.why_not
    assert found.is_wrong


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "config.json does not name a model_type"),
        ({"model_type": "qwen3"}, "config.json is of a qwen3, which is not of this family"),
        ({"model_type": "ernie4_5_moe_vl"}, "config.json has no vision_config"),
        ({"model_type": "ernie4_5"}, "config.json: hidden_size is missing"),
        (NATIVE | {"text_config": {}}, "config.json: text_config.hidden_size is missing"),
        (HUB | {"vision_config": {"depth": 1, "num_heads": 1}}, "config.json has neither vision_config.embed_dim nor"),
        (HUB | {"moe_layer_start_index": None}, "config.json has neither mlp_layer_types nor moe_layer_start_index"),
    ],
)
def test_dimensions_that_are_not_there_are_no_fault_of_the_model(config: dict[str, Any], says: str) -> None:
    found = dimensions(config)
    assert found.architecture is None
    assert found.why_not.startswith(says)
    assert not found.is_wrong


def test_wrong_dimensions_are_a_problem_of_the_model_and_missing_ones_are_not(tmp_path: Path) -> None:
    tensors = {"model.norm.weight": (8,)}
    wrong = inspect(checkpoints.write(tmp_path, HUB | {"hidden_size": -5}, tensors, shards=1))
    assert wrong.problems == ("config.json: hidden_size: expected int >= 1",)
    without = {key: value for key, value in HUB.items() if key != "hidden_size"}
    missing = inspect(checkpoints.write(tmp_path, without, tensors, shards=1))
    assert missing.problems == ()
    assert missing.architecture_problem == "config.json: hidden_size is missing"


def test_a_text_that_no_json_can_hold_does_not_reach_the_facts(tmp_path: Path) -> None:
    model = checkpoints.write(tmp_path, HUB | {"model_type": "\ud800", "torch_dtype": "\x1b[2J"}, {}, shards=1)
    found = inspect(model)
    assert (found.model_type, found.dtype) == ("", "")
    assert msgspec.json.encode(found)


ANYTHING: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    1,
    7,
    2**24,
    2**63,
    -(2**64),
    0.5,
    math.nan,
    -math.inf,
    "",
    "28",
    "\x1b",
    [],
    {},
)
anything = st.sampled_from((*ANYTHING, *([one] for one in ANYTHING), *({"depth": one} for one in ANYTHING), [2, 2, 2]))


@settings(max_examples=100)
@given(
    st.sampled_from([HUB, NATIVE["text_config"] | {"model_type": "ernie4_5"}, TEXT, DENSE]),
    st.dictionaries(st.sampled_from([*HUB, "text_config", "mlp_layer_types", "head_dim"]), anything, max_size=3),
    st.dictionaries(st.sampled_from([*NATIVE["vision_config"], "embed_dim", "mlp_ratio"]), anything, max_size=3),
)
def test_no_configuration_is_an_error(config: dict[str, Any], changes: dict[str, Any], sight: dict[str, Any]) -> None:
    vision = {"vision_config": HUB["vision_config"] | sight} if sight else {}
    found = dimensions(config | vision | changes)
    assert (found.architecture is None) == bool(found.why_not)
    assert found.why_not.isprintable()
    if found.architecture:
        assert min(parameters(found.architecture).values()) > 0
        assert msgspec.convert(msgspec.to_builtins(found.architecture), Architecture) == found.architecture
