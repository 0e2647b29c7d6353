"""Is a model directory whole? Looks at names, sizes and headers; never loads a tensor, never believes a size unchecked.

A problem that concerns one engine only begins with its name (`vllm: …`); every other problem concerns all of them.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any, Final

from ernie_deploy.facts.values import ModelFacts
from ernie_deploy.files import human_size

HEADER_LIMIT_BYTES: Final = 100_000_000
"""What the safetensors format allows its JSON header to take."""
_JSON_LIMIT_BYTES: Final = 64 * 1024 * 1024

_SHARD: Final = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors")
_TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model", "spm.model", "ernie_token_100k.model")
_TEMPLATES: Final = ("chat_template.jinja", "chat_template.json")
_HUB_LAYOUT: Final = "ernie4_5_moe_vl"


def inspect(path: Path) -> ModelFacts:
    """What `path` holds, and all that keeps an engine from loading it. Unreadable is a problem too, not an error."""
    if not path.is_dir():
        return ModelFacts(str(path), problems=("it is not a directory" if path.exists() else "it does not exist",))
    try:
        files = {entry.name: entry for entry in sorted(path.iterdir())}
    except OSError as error:
        return ModelFacts(str(path), problems=(f"it cannot be read: {error.strerror}",))
    config, config_problem = _load_json(path / "config.json")
    problems = [config_problem] if config_problem else [*_config_problems(config)]
    problems += _broken_links(files)
    problems += _weights_problems(path, files)
    problems += _companion_problems(path, config)
    return ModelFacts(
        path=str(path),
        size_bytes=sum(_size(file) or 0 for file in files.values()),
        model_type=_text(config.get("model_type")),
        dtype=_text(config.get("torch_dtype") or config.get("dtype")),
        problems=tuple(problems),
    )


# --- config.json


def _config_problems(config: Mapping[str, Any]) -> Iterator[str]:
    if not _text(config.get("model_type")):
        yield "config.json does not name a model_type"
    given = [key for key in ("torch_dtype", "dtype") if key in config]
    if len(given) == 2:
        yield (
            "fastdeploy: config.json has both torch_dtype and dtype;"
            " FastDeploy takes the weights' layout from which one it has"
        )
    elif not given:
        yield (
            "fastdeploy: config.json has neither torch_dtype (Hugging Face layout) nor dtype (Paddle layout);"
            " FastDeploy takes the weights' layout from which one it has"
        )
    scaling = config.get("rope_scaling")
    if config.get("model_type") == _HUB_LAYOUT and not (isinstance(scaling, dict) and scaling.get("mrope_section")):
        yield (
            "vllm: config.json has no rope_scaling.mrope_section; vLLM then silently places image tokens"
            " in one dimension, and answers about images are subtly wrong"
        )


# --- weights


def _weights_problems(path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    shards = [name for name in files if name.startswith("model") and name.endswith(".safetensors")]
    index_path = path / "model.safetensors.index.json"
    if not shards:
        yield "there are no weights (no model*.safetensors)"
        return
    numbered, expected = _numbering(shards)
    yield from _missing(expected - set(shards))
    if len(numbered) > 1:
        yield f"shards of different sets are mixed: {', '.join(f'of-{total:05d}' for total in sorted(numbered))}"
    tensors: dict[str, set[str]] = {}
    for name in shards:
        names, problem = _header(files[name])
        tensors[name] = names
        if problem:
            yield f"{name} {problem}"
    if index_path.exists():
        yield from _index_problems(index_path, tensors, reported=expected - set(shards))
    elif expected:
        yield "model.safetensors.index.json is missing"


def _missing(names: Set[str]) -> Iterator[str]:
    """Each by its name, as long as a person would read them."""
    first, rest = sorted(names)[:5], len(names) - 5
    yield from (f"{name} is missing" for name in first)
    if rest > 0:
        yield f"{rest} more shards are missing"


def _numbering(shards: list[str]) -> tuple[set[int], set[str]]:
    """The totals that occur in `model-00001-of-00012.safetensors`, and the names that these totals call for."""
    totals = {int(match[2]) for name in shards if (match := _SHARD.fullmatch(name))}
    expected = {f"model-{number:05d}-of-{total:05d}.safetensors" for total in totals for number in range(1, total + 1)}
    return totals, expected


def _index_problems(path: Path, tensors: Mapping[str, set[str]], *, reported: set[str]) -> Iterator[str]:
    """Where the index and the files disagree. Files in `reported` have been called missing already."""
    index, problem = _load_json(path)
    if problem:
        yield problem
        return
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        yield f"{path.name} has no weight_map"
        return
    wanted: dict[str, set[str]] = {}
    for tensor, shard in weight_map.items():
        wanted.setdefault(shard, set()).add(tensor)
    yield from _missing(wanted.keys() - tensors.keys() - reported)
    yield from (f"{shard} is not in {path.name}: remove it" for shard in sorted(tensors.keys() - wanted.keys()))
    for shard in sorted(wanted.keys() & tensors.keys()):
        absent = sorted(wanted[shard] - tensors[shard])
        # An unreadable header has been reported as such; then no tensor is known.
        if absent and tensors[shard]:
            yield f"{shard} lacks {len(absent)} tensors that {path.name} puts there, {absent[0]} among them"


def _header(path: Path) -> tuple[set[str], str]:
    """The names of a safetensors file's tensors, and what is wrong with it: 8 bytes length, JSON, then the tensors."""
    size = _size(path)
    if size is None:
        return set(), "cannot be read"
    try:
        with path.open("rb") as stream:
            first = stream.read(512)
            if stranger := _stranger(first):
                return set(), stranger
            if len(first) < 8:
                return set(), "is empty" if not first else "is truncated inside its header"
            (length,) = struct.unpack("<Q", first[:8])
            if length > HEADER_LIMIT_BYTES:
                return set(), f"is not a safetensors file (its header would take {length} bytes)"
            if 8 + length > size:
                return set(), f"is truncated inside its header ({human_size(size)} of {human_size(8 + length)} or more)"
            stream.seek(8)
            header = json.loads(stream.read(length))
    except OSError as error:
        return set(), f"cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        return set(), "has a header that is not JSON"
    return _spans(header, data_bytes=size - 8 - length)


def _spans(header: Any, *, data_bytes: int) -> tuple[set[str], str]:
    """Tensors must follow each other without a gap and end where the file ends."""
    if not isinstance(header, dict):
        return set(), "has a header that is not a table of tensors"
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    spans = [_span(entry) for entry in entries.values()]
    if None in spans:
        return set(), "has a header with a tensor that has no place (data_offsets)"
    end = 0
    for begins, ends in sorted(span for span in spans if span):
        if begins != end:
            return set(entries), f"has tensors that {'overlap' if begins < end else 'leave a gap'} at byte {end}"
        end = ends
    if end > data_bytes:
        return set(entries), f"is truncated: {human_size(data_bytes)} of {human_size(end)} are there"
    if end < data_bytes:
        return set(entries), f"has {human_size(data_bytes - end)} after its last tensor"
    return set(entries), ""


def _span(entry: Any) -> tuple[int, int] | None:
    """Where a tensor begins and ends; JSON's true and false are no integers here."""
    match entry:
        case {"data_offsets": [int(begins), int(ends)]} if 0 <= begins <= ends and bool not in (
            type(begins),
            type(ends),
        ):
            return begins, ends
    return None


# --- everything beside the weights


def _companion_problems(path: Path, config: Mapping[str, Any]) -> Iterator[str]:
    if not any(_is_file(path / name) for name in _TOKENIZERS):
        yield f"there is no tokenizer ({' or '.join(_TOKENIZERS)})"
    tokenizer, problem = _load_json(path / "tokenizer_config.json")
    if problem:
        yield problem
    elif not tokenizer.get("chat_template") and not any(_is_file(path / name) for name in _TEMPLATES):
        yield "there is no chat template (chat_template.jinja, or chat_template in tokenizer_config.json)"
    # A model that sees has a vision_config; a text model has nothing to preprocess.
    if "vision_config" in config:
        _, problem = _load_json(path / "preprocessor_config.json")
        if problem:
            yield problem
    for name in _TOKENIZERS:
        if _is_file(path / name) and (stranger := _stranger(_first_bytes(path / name))):
            yield f"{name} {stranger}"


def _broken_links(files: Mapping[str, Path]) -> Iterator[str]:
    """A download cache holds links to blobs; copied without them, only the names are left."""
    for name, file in files.items():
        if file.is_symlink() and not file.exists():
            yield f"{name} is a link to a file that is not there"


def _stranger(first: bytes) -> str:
    """What a download can leave in the place of a file: a Git LFS pointer or a web page."""
    head = first.lstrip()[:64].lower()
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself (fetch it with git lfs pull)"
    if head.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "is a web page, not the file itself (an error page was saved in its place)"
    return ""


def _load_json(path: Path) -> tuple[dict[str, Any], str]:
    """The object in a JSON file, and what is wrong with it."""
    size = _size(path)
    if size is None:
        return {}, f"{path.name} is missing"
    if size > _JSON_LIMIT_BYTES:
        return {}, f"{path.name} is too large to be right ({human_size(size)})"
    try:
        data = path.read_bytes()
        if stranger := _stranger(data):
            return {}, f"{path.name} {stranger}"
        value = json.loads(data)
    except OSError as error:
        return {}, f"{path.name} cannot be read: {error.strerror}"
    except (ValueError, RecursionError) as error:
        return {}, f"{path.name} is not JSON ({error})" if data else f"{path.name} is empty"
    return (value, "") if isinstance(value, dict) else ({}, f"{path.name} is not a JSON object")


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(512)
    except OSError:
        return b""


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _is_file(path: Path) -> bool:
    return _size(path) is not None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
