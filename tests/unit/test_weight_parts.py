import struct
from pathlib import Path

import msgspec
import pytest

from ernie_deploy import rehearsal
from ernie_deploy.architecture.shape import PARTS, Architecture, Part, parameters
from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.facts.values import ModelFacts
from ernie_deploy.weights.parts import part_of
from ernie_deploy.weights.snapshot import inspect
from tests.support import checkpoints

LAYOUTS = pytest.mark.parametrize("layout", [rehearsal.HUB, rehearsal.NATIVE], ids=["hub", "native"])
THINKING = architectures()["baidu/ERNIE-4.5-VL-28B-A3B-Thinking"]


def shape_of(model: ModelFacts) -> Architecture:
    assert model.architecture
    return model.architecture


def counted(model: ModelFacts) -> dict[Part, int]:
    return {part: size.parameters for part, size in model.parts.items()}


@LAYOUTS
def test_the_headers_of_the_rehearsal_model_agree_with_its_dimensions_part_by_part(layout: Path) -> None:
    found = inspect(layout)
    assert counted(found) == parameters(shape_of(found))


@LAYOUTS
def test_every_byte_of_the_weights_belongs_to_a_part(layout: Path) -> None:
    content = (layout / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    assert sum(size.stored_bytes for size in inspect(layout).parts.values()) == len(content) - 8 - length


def test_both_layouts_have_the_same_parts_and_dimensions() -> None:
    hub, native = inspect(rehearsal.HUB), inspect(rehearsal.NATIVE)
    assert (hub.parts, hub.architecture) == (native.parts, native.architecture)
    assert hub.fingerprint != native.fingerprint


def test_the_28b_model_is_counted_to_the_last_parameter_and_byte(tmp_path: Path) -> None:
    found = inspect(checkpoints.write(tmp_path, checkpoints.HUB_CONFIG, checkpoints.tensors_of(THINKING)))
    assert found.problems == ()
    assert found.architecture == THINKING
    assert counted(found) == parameters(THINKING)
    assert sum(size.parameters for size in found.parts.values()) == 29_399_294_336
    assert sum(size.stored_bytes for size in found.parts.values()) == 58_798_588_672


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model.embed_tokens.weight", "embeddings"),
        ("lm_head.weight", "lm_head"),
        ("model.norm.weight", "norms"),
        ("model.layers.27.post_attention_layernorm.weight", "norms"),
        ("model.layers.0.self_attn.q_proj.weight", "attention"),
        ("ernie.layers.0.self_attn.qkv_proj.weight", "attention"),
        ("model.layers.0.mlp.gate_proj.weight", "dense_ffn"),
        ("ernie.layers.0.mlp.up_gate_proj.weight", "dense_ffn"),
        ("model.layers.1.mlp.experts.63.down_proj.weight", "text_experts"),
        ("model.layers.1.mlp.experts.63.down_proj.weight_scale", "text_experts"),
        ("model.layers.1.mlp.experts.64.down_proj.weight", "vision_experts"),
        ("ernie.layers.1.mlp.experts.127.up_gate_proj.weight", "vision_experts"),
        ("model.layers.1.mlp.shared_experts.gate_proj.weight", "shared_experts"),
        ("model.layers.1.mlp.gate.weight", "routers"),
        ("model.layers.1.mlp.gate.weight_1", "routers"),
        ("model.layers.1.mlp.moe_statics.e_score_correction_bias", "routers"),
        ("vision_model.blocks.0.norm1.weight", "vision_tower"),
        ("model.vision_model.blocks.0.attn.qkv.bias", "vision_tower"),
        ("model.resampler_model.after_norm.weight", "resampler"),
        ("ernie.resampler_model.mlp.bias", "resampler"),
        ("model.mtp_block.0.self_attn.q_proj.weight", "other"),
        ("model.layers.1.mlp.experts.gate_up_proj", "other"),
        ("model.layers.1.mlp.experts.12345678.down_proj.weight", "other"),
        ("my.model.norm.weight", "other"),
        ("", "other"),
    ],
)
def test_a_name_tells_the_part(name: str, part: str) -> None:
    assert part_of(name, text_experts=64) == part
    assert part in PARTS


def test_without_dimensions_no_expert_is_taken_for_one_of_pictures() -> None:
    assert part_of("model.layers.1.mlp.experts.127.down_proj.weight") == "text_experts"


def test_a_tensor_that_nothing_explains_is_counted_too(tmp_path: Path) -> None:
    tensors = {"model.norm.weight": (8,), "model.something.new": (3, 5), "model.empty": (0, 5)}
    found = inspect(checkpoints.write(tmp_path, checkpoints.HUB_CONFIG, tensors, shards=1))
    assert found.problems == ()
    assert {part: (size.parameters, size.stored_bytes) for part, size in found.parts.items()} == {
        "norms": (8, 16),
        "other": (15, 30),
    }


def test_weights_that_are_not_whole_have_no_parts(tmp_path: Path) -> None:
    model = checkpoints.write(tmp_path, checkpoints.HUB_CONFIG, {"a": (8,), "b": (8,)}, shards=2)
    assert inspect(model).parts
    (model / "model-00002-of-00002.safetensors").unlink()
    assert (inspect(model).parts, inspect(model).fingerprint) == ({}, "")


def test_a_tensor_that_two_files_hold_is_not_counted_twice(tmp_path: Path) -> None:
    model = checkpoints.write(tmp_path, checkpoints.HUB_CONFIG, {"a": (8,), "b": (8,)}, shards=2)
    checkpoints.write_header(model / "model-00002-of-00002.safetensors", {"a": (8,), "b": (8,)})
    found = inspect(model)
    assert found.problems == (
        "model-00002-of-00002.safetensors holds 1 tensors that another shard holds too, a among them",
    )
    assert found.parts == {}


def test_the_fingerprint_is_of_names_sizes_and_headers(tmp_path: Path) -> None:
    model = checkpoints.write(tmp_path, checkpoints.HUB_CONFIG, {"a": (8,)}, shards=1)
    seen = {inspect(model).fingerprint}
    (only,) = model.glob("*.safetensors")
    only.write_bytes(only.read_bytes()[:-1] + b"1")
    assert {inspect(model).fingerprint} == seen
    checkpoints.write_header(only, {"a": (2, 4)})
    seen.add(inspect(model).fingerprint)
    (model / "model.safetensors.index.json").unlink()
    only.rename(model / "model.safetensors")
    seen.add(inspect(model).fingerprint)
    assert len(seen) == 3
    assert all(len(bytes.fromhex(one)) == 8 for one in seen)


def test_facts_of_an_earlier_release_are_still_read() -> None:
    earlier = b'{"path": "/m", "size_bytes": 1, "model_type": "ernie4_5_moe_vl", "dtype": "", "problems": [], "id": ""}'
    found = msgspec.json.decode(earlier, type=ModelFacts)
    assert (found.parts, found.architecture, found.fingerprint) == ({}, None, "")


def test_parts_and_dimensions_travel_as_json() -> None:
    found = inspect(rehearsal.HUB)
    assert msgspec.json.decode(msgspec.json.encode(found), type=ModelFacts) == found


@pytest.mark.parametrize(
    "parts", [{"brain": {"parameters": 1, "stored_bytes": 2}}, {"other": {"parameters": -1, "stored_bytes": 0}}]
)
def test_facts_of_parts_that_cannot_be_are_refused(parts: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"path": "/m", "parts": parts}, ModelFacts)
