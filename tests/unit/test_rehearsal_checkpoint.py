import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from ernie_deploy import rehearsal

PACKAGE = rehearsal.HUB.parent
MIB = 2**20

ABILITIES = {
    "text",
    "fallback",
    "colour",
    "ground",
    "zoom",
    "zoomed",
    "tool_unused",
    "no_thinking",
    "two_pictures",
    "ground_named",
    "digit",
    "sum",
    "chart",
    "small_print",
    "small_print_read",
    "video",
    "video_event",
    "chinese",
    "persian",
    "remember",
    "secret",
    "two_calls",
    "search",
    "searched",
}

SAME_IN_BOTH = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "moe_intermediate_size",
    "moe_k",
    "rms_norm_eps",
)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def tensors(layout: Path) -> dict[str, Any]:
    """The header of a safetensors file: eight bytes of length, then JSON, then the data that it points into."""
    content = (layout / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    assert max(tensor["data_offsets"][1] for tensor in header.values()) == len(content) - 8 - length
    return header


def data(layout: Path, name: str) -> bytes:
    content = (layout / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    first, last = tensors(layout)[name]["data_offsets"]
    return content[8 + length + first : 8 + length + last]


def files() -> list[Path]:
    return [path for layout in (rehearsal.HUB, rehearsal.NATIVE) for path in layout.iterdir() if path.is_file()]


def as_hub(native_name: str) -> str:
    return native_name.removeprefix("model.") if native_name.startswith("model.vision_model.") else native_name


def test_the_3d_positions_are_spelt_out_and_fill_half_a_head() -> None:
    config = read(rehearsal.HUB / "config.json")
    section = config["rope_scaling"]["mrope_section"]
    assert sum(section) == config["hidden_size"] // config["num_attention_heads"] // 2
    assert section[2] == config["freq_allocation"]
    assert section == read(rehearsal.NATIVE / "config.json")["text_config"]["rope_parameters"]["mrope_section"]


def test_both_configurations_describe_the_same_model() -> None:
    hub, native = read(rehearsal.HUB / "config.json"), read(rehearsal.NATIVE / "config.json")
    text = native["text_config"]
    assert {key: hub[key] for key in SAME_IN_BOTH} == {key: text[key] for key in SAME_IN_BOTH}
    assert hub["moe_num_experts"] == [text["moe_num_experts"]] * 2
    assert hub["im_patch_id"] == native["image_token_id"]
    assert hub["vision_config"]["depth"] == native["vision_config"]["depth"]
    assert hub["architectures"] == native["architectures"] == ["Ernie4_5_VLMoeForConditionalGeneration"]


def test_both_layouts_hold_the_same_weights_up_to_the_name_of_the_vision_tower() -> None:
    hub, native = tensors(rehearsal.HUB), tensors(rehearsal.NATIVE)
    assert set(hub) == {as_hub(name) for name in native}
    assert any(name.startswith("vision_model.") for name in hub)
    for name, tensor in native.items():
        assert (hub[as_hub(name)]["dtype"], hub[as_hub(name)]["shape"]) == (tensor["dtype"], tensor["shape"])
        assert data(rehearsal.HUB, as_hub(name)) == data(rehearsal.NATIVE, name)


def test_the_embedding_has_a_row_for_every_token() -> None:
    vocabulary = read(rehearsal.NATIVE / "tokenizer.json")["model"]["vocab"]
    assert tensors(rehearsal.NATIVE)["model.embed_tokens.weight"]["shape"][0] >= len(vocabulary)
    assert max(vocabulary.values()) < read(rehearsal.HUB / "config.json")["vocab_size"]


def test_transformers_is_told_how_to_read_thoughts_and_tool_calls() -> None:
    fields = read(rehearsal.NATIVE / "tokenizer_config.json")["response_template"]["fields"]
    assert set(fields) == {"reasoning_content", "tool_calls", "content"}


def test_the_video_processor_asks_for_no_font() -> None:
    assert read(rehearsal.NATIVE / "video_preprocessor_config.json")["draw_on_frames"] is False


@pytest.mark.parametrize("layout", [rehearsal.HUB, rehearsal.NATIVE])
def test_a_newline_is_the_byte_token_that_the_parsers_look_up(layout: Path) -> None:
    model = read(layout / "tokenizer.json")["model"]
    assert "<0x0A>" in model["vocab"]
    assert not [token for token in model["vocab"] if "\n" in token]


@pytest.mark.parametrize("layout", [rehearsal.HUB, rehearsal.NATIVE])
def test_the_markers_survive_a_decoding_that_skips_special_tokens(layout: Path) -> None:
    special = {token["content"]: token["special"] for token in read(layout / "tokenizer.json")["added_tokens"]}
    for marker in ("<think>", "</think>", "<response>", "</response>", "<tool_call>", "</tool_call>"):
        assert special[marker] is False
    assert special["<|IMAGE_PLACEHOLDER|>"] is True
    assert special["</s>"] is True


@pytest.mark.parametrize(
    ("layout", "placeholder"),
    [(rehearsal.HUB, "<|image@placeholder|>"), (rehearsal.NATIVE, "<|IMAGE_PLACEHOLDER|>")],
)
def test_the_template_writes_the_placeholder_that_the_layouts_processor_replaces(
    layout: Path, placeholder: str
) -> None:
    template = (layout / "chat_template.jinja").read_text(encoding="utf-8")
    assert f"<|IMAGE_START|>{placeholder}<|IMAGE_END|>" in template
    assert "@IMAGE@" not in template


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "processor_config.json"])
def test_every_class_that_the_hub_layout_maps_to_is_in_the_file_it_names(name: str) -> None:
    for target in read(rehearsal.HUB / name)["auto_map"].values():
        module, _, class_name = target.partition(".")
        assert f"class {class_name}(" in (rehearsal.HUB / f"{module}.py").read_text(encoding="utf-8")


def test_the_remote_code_is_the_one_in_scripts() -> None:
    sources = Path(__file__).parents[2] / "scripts" / "rehearsal" / "remote_code"
    shipped = {path.name: path.read_text(encoding="utf-8") for path in rehearsal.HUB.glob("*.py")}
    assert shipped == {path.name: path.read_text(encoding="utf-8") for path in sources.glob("*.py")}


def test_no_file_names_a_folder_of_the_machine_that_trained() -> None:
    absolute = re.compile(rb"[\"' =](/(?:home|root|tmp|work|workspace|mnt|opt|usr|var|Users)/|file://)")
    for path in (*files(), PACKAGE / "MODEL_CARD.md", PACKAGE / "train.json"):
        assert not absolute.search(path.read_bytes()), path


def test_the_checkpoint_is_small_and_everyone_may_read_it() -> None:
    for layout in (rehearsal.HUB, rehearsal.NATIVE):
        assert sum(path.stat().st_size for path in layout.iterdir() if path.is_file()) <= 4_000_000
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in files())


def test_the_record_is_of_this_checkpoint_and_passed_its_gate() -> None:
    record = read(PACKAGE / "train.json")
    assert record["gate"] == "passed"
    assert record["bytes"] == sum(path.stat().st_size for path in files())
    counted = 0
    for tensor in tensors(rehearsal.NATIVE).values():
        size = 1
        for length in tensor["shape"]:
            size *= length
        counted += size
    assert record["parameters"] == counted


def test_every_ability_is_right() -> None:
    abilities = read(PACKAGE / "train.json")["abilities"]
    assert set(abilities) == ABILITIES
    for measured in abilities.values():
        assert measured["held_out"] >= 100
        assert measured["right"] >= 0.99


def test_the_card_states_the_recorded_numbers() -> None:
    record = read(PACKAGE / "train.json")
    card = (PACKAGE / "MODEL_CARD.md").read_text(encoding="utf-8")
    stated = re.findall(r"^\| (\w+) \| [^|]+ \| (\d+) \| ([\d.]+) \|$", card, re.MULTILINE)
    assert stated == [
        (name, str(measured["held_out"]), f"{measured['right']:.4f}") for name, measured in record["abilities"].items()
    ]
    assert f"| parameters | {record['parameters']:,} |" in card
    assert f"| size | {record['bytes'] / MIB:.1f} MiB," in card
    assert f"{record['steps']} steps of AdamW on {record['samples']} samples" in card
