"""The keys of deploy.yaml. One definition decodes the file, the environment, the flags, the presets and the catalog.

Everything is optional: a Spec is one layer, and UNSET means that this layer does not speak about it.
`reference.yaml` documents each key once; a test holds the two together.
"""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

# `\Z`, not `$`: the latter lets a line end at the end through.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*\Z"
ARGUMENT_PATTERN = r"^[A-Za-z][A-Za-z0-9_.-]*\Z"
# What a refusal says instead of the pattern.
PATTERNS_IN_WORDS = {
    NAME_PATTERN: "a name of at most 63 letters, digits, '.', '_' and '-' that begins with a letter or a digit",
    VARIABLE_PATTERN: "the name of a variable: letters, digits and '_', no digit first",
    ARGUMENT_PATTERN: "the name of a flag without its dashes: letters, digits, '-' and '_', a letter first",
}
SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL")
DEFAULT_NAME = "ernie"
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Fraction = Annotated[float, Meta(gt=0, le=1)]
# Eleven days; more would overflow the system's timers. The bounds also refuse NaN and infinity.
Seconds = Annotated[float, Meta(gt=0, le=1_000_000)]
Text = Annotated[str, Meta(min_length=1)]
Variable = Annotated[str, Meta(pattern=VARIABLE_PATTERN)]
Argument = Annotated[str, Meta(pattern=ARGUMENT_PATTERN)]


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked for, as far as this layer says anything. Engine parameters keep the engines' own spelling."""

    name: Name | UnsetType = UNSET
    preset: Text | UnsetType = UNSET
    model: Text | UnsetType = UNSET
    revision: Text | UnsetType = UNSET
    engine: Literal["fastdeploy", "vllm", "transformers"] | UnsetType = UNSET
    engine_version: Text | UnsetType = UNSET
    engine_python: Text | UnsetType = UNSET
    device: Literal["cuda", "cpu"] | UnsetType = UNSET
    gpus: Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(min_length=1)] | UnsetType = UNSET
    host: Text | UnsetType = UNSET
    port: PortNumber | UnsetType = UNSET
    metrics_port: PortNumber | UnsetType = UNSET
    engine_worker_queue_port: PortNumber | UnsetType = UNSET
    cache_queue_port: PortNumber | UnsetType = UNSET
    served_model_name: Name | UnsetType = UNSET
    api_key_file: Text | UnsetType = UNSET
    quantization: Text | UnsetType = UNSET
    max_model_len: Annotated[int, Meta(ge=16)] | UnsetType = UNSET
    max_num_seqs: Positive | UnsetType = UNSET
    max_num_batched_tokens: Positive | UnsetType = UNSET
    gpu_memory_utilization: Fraction | UnsetType = UNSET
    tensor_parallel_size: Positive | UnsetType = UNSET
    mm_processor_kwargs: dict[str, int | str] | UnsetType = UNSET
    limit_mm_per_prompt: dict[Literal["image", "video"], Annotated[int, Meta(ge=0)]] | UnsetType = UNSET
    enable_prefix_caching: bool | UnsetType = UNSET
    reasoning_parser: Text | UnsetType = UNSET
    tool_call_parser: Text | UnsetType = UNSET
    trust_remote_code: bool | UnsetType = UNSET
    engine_args: dict[Argument, str | int | float | bool | list[object] | dict[str, object]] | UnsetType = UNSET
    env: dict[Variable, str] | UnsetType = UNSET
    ready_when: Literal["text", "image", "thinking"] | UnsetType = UNSET
    ready_timeout_s: Seconds | UnsetType = UNSET
    no_progress_s: Seconds | UnsetType = UNSET
    stop_grace_s: Seconds | UnsetType = UNSET
    ignore_checks: tuple[Text, ...] | UnsetType = UNSET


KEYS: tuple[str, ...] = Spec.__struct_fields__
# A flag is called like its key, with dashes, except where the field has a shorter word for it.
SHORT_FLAGS = {
    "gpus": "gpu",
    "quantization": "quant",
    "ready_timeout_s": "timeout",
    "no_progress_s": "no-progress-timeout",
    "stop_grace_s": "grace",
    "ignore_checks": "ignore",
}


def looks_secret(text: str) -> bool:
    """Whether the name of a variable, or a text with such names, speaks of a secret."""
    return any(word in text.upper() for word in SECRET_WORDS)


def is_name(text: str) -> bool:
    """Whether a deployment may be called so; its state directory is."""
    return re.fullmatch(NAME_PATTERN, text) is not None


def flag_of(key: str) -> str:
    """`max_model_len` → `--max-model-len`."""
    return "--" + SHORT_FLAGS.get(key, key.replace("_", "-"))


def given(spec: Spec) -> dict[str, object]:
    """Only the keys that this layer speaks about."""
    return {key: value for key in KEYS if (value := getattr(spec, key)) is not UNSET}
