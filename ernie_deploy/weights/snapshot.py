"""Is a model directory whole? Looks at names, sizes and headers; never loads a tensor, never believes a size unchecked.

A problem that concerns one engine only begins with its name (`vllm: …`); every other problem concerns all of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, Final

from ernie_deploy.facts.values import ModelFacts
from ernie_deploy.weights.config import dimensions
from ernie_deploy.weights.headers import Header, fingerprint, read_headers
from ernie_deploy.weights.parts import part_sizes
from ernie_deploy.weights.reading import first_bytes, load_json, shown, size_of, stranger

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
    config, config_problem = load_json(path / "config.json")
    read = dimensions(config)
    headers = read_headers({name: file for name, file in files.items() if _is_shard(name)})
    weights_problems = [*_weights_problems(path, headers)]
    problems = [config_problem] if config_problem else [*_config_problems(config)]
    problems += [read.why_not] if read.is_wrong else []
    problems += _broken_links(files)
    problems += weights_problems
    problems += _companion_problems(path, config)
    shape = read.architecture
    text_experts = shape.moe_num_experts[0] if shape and shape.moe_num_experts else None
    tensors = [header.tensors for header in headers.values()]
    return ModelFacts(
        path=str(path),
        size_bytes=sum(size_of(file) or 0 for file in files.values()),
        model_type=_text(config.get("model_type")),
        dtype=_text(config.get("torch_dtype") or config.get("dtype")),
        problems=tuple(problems),
        parts={} if weights_problems else part_sizes(tensors, text_experts=text_experts),
        architecture=shape,
        architecture_problem=config_problem or read.why_not,
        fingerprint="" if weights_problems else fingerprint(headers),
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


def _is_shard(name: str) -> bool:
    return name.startswith("model") and name.endswith(".safetensors")


def _weights_problems(path: Path, headers: Mapping[str, Header]) -> Iterator[str]:
    index_path = path / "model.safetensors.index.json"
    if not headers:
        yield "there are no weights (no model*.safetensors)"
        return
    numbered, expected = _numbering(headers)
    yield from _missing(expected - headers.keys())
    if len(numbered) > 1:
        yield f"shards of different sets are mixed: {', '.join(f'of-{total:05d}' for total in sorted(numbered))}"
    tensors = {name: set(header.tensors) for name, header in headers.items()}
    for name, header in headers.items():
        if header.problem:
            yield f"{shown(name)} {header.problem}"
    yield from _twice(tensors)
    if index_path.exists():
        yield from _index_problems(index_path, tensors, reported=expected - headers.keys())
    elif expected:
        yield "model.safetensors.index.json is missing"


def _twice(tensors: Mapping[str, set[str]]) -> Iterator[str]:
    seen: set[str] = set()
    for shard, names in tensors.items():
        if again := sorted(names & seen):
            first = shown(again[0])
            yield f"{shown(shard)} holds {len(again)} tensors that another shard holds too, {first} among them"
        seen |= names


def _missing(names: Set[str]) -> Iterator[str]:
    """Each by its name, as long as a person would read them."""
    first, rest = sorted(names)[:5], len(names) - 5
    yield from (f"{shown(name)} is missing" for name in first)
    if rest > 0:
        yield f"{rest} more shards are missing"


def _numbering(shards: Iterable[str]) -> tuple[set[int], set[str]]:
    """The totals that occur in `model-00001-of-00012.safetensors`, and the names that these totals call for."""
    totals = {int(match[2]) for name in shards if (match := _SHARD.fullmatch(name))}
    expected = {f"model-{number:05d}-of-{total:05d}.safetensors" for total in totals for number in range(1, total + 1)}
    return totals, expected


def _index_problems(path: Path, tensors: Mapping[str, set[str]], *, reported: set[str]) -> Iterator[str]:
    """Where the index and the files disagree. Files in `reported` have been called missing already."""
    index, problem = load_json(path)
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
    yield from (f"{shown(shard)} is not in {path.name}: remove it" for shard in sorted(tensors.keys() - wanted.keys()))
    for shard in sorted(wanted.keys() & tensors.keys()):
        absent = sorted(wanted[shard] - tensors[shard])
        # An unreadable header has been reported as such; then no tensor is known.
        if absent and tensors[shard]:
            first = shown(absent[0])
            yield f"{shown(shard)} lacks {len(absent)} tensors that {path.name} puts there, {first} among them"


# --- everything beside the weights


def _companion_problems(path: Path, config: Mapping[str, Any]) -> Iterator[str]:
    if not any(_is_file(path / name) for name in _TOKENIZERS):
        yield f"there is no tokenizer ({' or '.join(_TOKENIZERS)})"
    tokenizer, problem = load_json(path / "tokenizer_config.json")
    if problem:
        yield problem
    elif not tokenizer.get("chat_template") and not any(_is_file(path / name) for name in _TEMPLATES):
        yield "there is no chat template (chat_template.jinja, or chat_template in tokenizer_config.json)"
    # A model that sees has a vision_config; a text model has nothing to preprocess.
    if "vision_config" in config:
        _, problem = load_json(path / "preprocessor_config.json")
        if problem:
            yield problem
    for name in _TOKENIZERS:
        if _is_file(path / name) and (found := stranger(first_bytes(path / name))):
            yield f"{name} {found}"


def _broken_links(files: Mapping[str, Path]) -> Iterator[str]:
    """A download cache holds links to blobs; copied without them, only the names are left."""
    for name, file in files.items():
        if file.is_symlink() and not file.exists():
            yield f"{shown(name)} is a link to a file that is not there"


def _is_file(path: Path) -> bool:
    return size_of(path) is not None


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""
