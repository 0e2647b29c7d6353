"""Writes the trained model in both layouts: `native` for transformers, `hub` for vLLM."""

import json
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

import shape
import tokenizer
import torch
from encoding import REMOTE_CODE, processing_module
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

PROCESSING = "processing_ernie4_5_vl"

TOKENS_BY_ROLE = {
    "image_token": "<|IMAGE_PLACEHOLDER|>",
    "image_start_token": "<|IMAGE_START|>",
    "image_end_token": "<|IMAGE_END|>",
    "video_token": "<|VIDEO_PLACEHOLDER|>",
    "video_start_token": "<|VIDEO_START|>",
    "video_end_token": "<|VIDEO_END|>",
}

# transformers knows how Qwen and Gemma write their thoughts and tool calls, not how ERNIE does. Without this template
# `transformers serve` returns everything as one text: no reasoning_content, no tool_calls.
RESPONSE_TEMPLATE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "\nAssistant: ",
    "fields": {
        "reasoning_content": {"open": "<think>", "close": "</think>", "content": "text"},
        "tool_calls": {
            "open_pattern": r"\s*<tool_call>",
            "close_pattern": r"</tool_call>\s*",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {
            "open_pattern": r"\s*<response>\s*",
            "close_pattern": r"\s*</response>\s*",
            "content": "text",
        },
    },
}


def write(out: Path, model: Any, vocabulary: PreTrainedTokenizerFast) -> None:
    """Write `out/native` and `out/hub`; the model itself is in bfloat16 afterwards."""
    write_native(out / "native", model, vocabulary)
    write_hub(out / "hub", out / "native" / "model.safetensors", model, vocabulary)
    # safetensors writes for the owner alone, but a package is read by everyone.
    for weights in out.glob("*/model.safetensors"):
        weights.chmod(0o644)


def write_native(folder: Path, model: Any, vocabulary: PreTrainedTokenizerFast) -> None:
    model.to(torch.bfloat16)
    model.generation_config.bos_token_id = vocabulary.bos_token_id
    model.generation_config.eos_token_id = [vocabulary.eos_token_id]
    model.generation_config.pad_token_id = vocabulary.pad_token_id
    model.save_pretrained(folder)
    write_tokenizer(folder, vocabulary, tokenizer.NATIVE_PLACEHOLDERS)

    settings = folder / "tokenizer_config.json"
    stated = json.loads(settings.read_text(encoding="utf-8"))
    # The processor asks the tokenizer for these by name; it does not know them from the model's configuration.
    stated |= {**TOKENS_BY_ROLE, "extra_special_tokens": TOKENS_BY_ROLE, "response_template": RESPONSE_TEMPLATE}
    write_json(settings, stated)

    processing = processing_module()
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "Ernie4_5_VLMoeImageProcessor",
            "processor_class": "Ernie4_5_VLMoeProcessor",
            # Areas in pixels, despite the names.
            "size": {"shortest_edge": shape.LEAST_PIXELS, "longest_edge": shape.MOST_PIXELS},
            "patch_size": shape.PATCH,
            "temporal_patch_size": 1,
            "merge_size": shape.MERGE,
            "image_mean": processing.CLIP_MEAN,
            "image_std": processing.CLIP_STD,
        },
    )
    write_json(folder / "processor_config.json", {"processor_class": "Ernie4_5_VLMoeProcessor"})
    write_json(
        folder / "video_preprocessor_config.json",
        {
            "video_processor_type": "Ernie4_5_VLMoeVideoProcessor",
            "patch_size": shape.PATCH,
            "merge_size": shape.MERGE,
            "temporal_patch_size": 2,
            "draw_on_frames": False,  # drawing the time on each frame would want a font file lying here
        },
    )


def write_hub(folder: Path, native_weights: Path, model: Any, vocabulary: PreTrainedTokenizerFast) -> None:
    folder.mkdir()
    write_tokenizer(folder, vocabulary, tokenizer.HUB_PLACEHOLDERS)
    weights = {hub_name(name): tensor for name, tensor in load_file(native_weights).items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    for module in REMOTE_CODE.glob("*.py"):
        shutil.copyfile(module, folder / module.name)
    write_json(folder / "config.json", shape.hub_config(model.config))
    write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": vocabulary.bos_token_id,
            "eos_token_id": vocabulary.eos_token_id,
            "pad_token_id": vocabulary.pad_token_id,
            "do_sample": False,
        },
    )
    processing = processing_module()
    processor = f"{PROCESSING}.Ernie4_5_VLProcessor"
    image_processor = f"{PROCESSING}.Ernie4_5_VLImageProcessor"
    write_json(
        folder / "preprocessor_config.json",
        {
            "auto_map": {"AutoProcessor": processor, "AutoImageProcessor": image_processor},
            "processor_class": "Ernie4_5_VLProcessor",
            "image_processor_type": "Ernie4_5_VLImageProcessor",
            "size": {"min_pixels": shape.LEAST_PIXELS, "max_pixels": shape.MOST_PIXELS},
            "patch_size": shape.PATCH,
            "merge_size": shape.MERGE,
            "rescale_factor": 1 / 255,
            "image_mean": processing.CLIP_MEAN,
            "image_std": processing.CLIP_STD,
        },
    )
    write_json(
        folder / "processor_config.json",
        {"auto_map": {"AutoProcessor": processor}, "processor_class": "Ernie4_5_VLProcessor"},
    )


def hub_name(native_name: str) -> str:
    """vLLM expects the vision tower beside the language model, transformers inside `model`."""
    vision = "model.vision_model."
    return native_name.removeprefix("model.") if native_name.startswith(vision) else native_name


def write_tokenizer(folder: Path, vocabulary: PreTrainedTokenizerFast, placeholders: tuple[str, str]) -> None:
    vocabulary.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(tokenizer.chat_template(placeholders), encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def size(out: Path) -> int:
    """Bytes of both layouts."""
    return sum(path.stat().st_size for layout in ("hub", "native") for path in (out / layout).iterdir())


def traces_of_this_machine(out: Path) -> list[str]:
    """Files that name a folder or the name of the machine that trained: the checkpoint is published."""
    own = {str(place) for place in (out.resolve(), Path.cwd(), Path.home(), Path(__file__).parent, sys.prefix)}
    words = [word.encode() for word in (*own, platform.node()) if len(word) > 3]
    files = [path for path in out.rglob("*") if path.is_file()]
    return [str(path.relative_to(out)) for path in files if any(word in path.read_bytes() for word in words)]
