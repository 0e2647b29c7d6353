"""The keys of deploy.yaml. One definition decodes the file, the environment, the flags, the presets and the catalog.

Everything is optional: a Spec is one layer, and UNSET means that this layer does not speak about it.
`reference.yaml` documents each key once; a test holds the two together.
"""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
DEFAULT_NAME = "ernie"
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Fraction = Annotated[float, Meta(gt=0, le=1)]
Seconds = Annotated[float, Meta(gt=0)]


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked for, as far as this layer says anything. Engine parameters keep the engines' own spelling."""

    name: Name | UnsetType = UNSET
    preset: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    revision: str | UnsetType = UNSET
    engine: Literal["fastdeploy", "vllm", "transformers"] | UnsetType = UNSET
    engine_version: str | UnsetType = UNSET
    engine_python: str | UnsetType = UNSET
    device: Literal["cuda", "cpu"] | UnsetType = UNSET
    gpus: Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(min_length=1)] | UnsetType = UNSET
    host: str | UnsetType = UNSET
    port: PortNumber | UnsetType = UNSET
    metrics_port: PortNumber | UnsetType = UNSET
    served_model_name: Name | UnsetType = UNSET
    api_key_file: str | UnsetType = UNSET
    quantization: str | UnsetType = UNSET
    max_model_len: Annotated[int, Meta(ge=16)] | UnsetType = UNSET
    max_num_seqs: Positive | UnsetType = UNSET
    max_num_batched_tokens: Positive | UnsetType = UNSET
    gpu_memory_utilization: Fraction | UnsetType = UNSET
    tensor_parallel_size: Positive | UnsetType = UNSET
    mm_processor_kwargs: dict[str, int | str] | UnsetType = UNSET
    limit_mm_per_prompt: dict[Literal["image", "video"], Annotated[int, Meta(ge=0)]] | UnsetType = UNSET
    reasoning_parser: str | UnsetType = UNSET
    tool_call_parser: str | UnsetType = UNSET
    trust_remote_code: bool | UnsetType = UNSET
    engine_args: dict[str, str | int | float | bool | list[object] | dict[str, object]] | UnsetType = UNSET
    env: dict[str, str] | UnsetType = UNSET
    ready_timeout_s: Seconds | UnsetType = UNSET
    no_progress_s: Seconds | UnsetType = UNSET
    stop_grace_s: Seconds | UnsetType = UNSET
    ignore_checks: tuple[str, ...] | UnsetType = UNSET


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


def is_name(text: str) -> bool:
    """Whether a deployment may be called so; its state directory is."""
    return re.fullmatch(NAME_PATTERN, text) is not None


def flag_of(key: str) -> str:
    """`max_model_len` → `--max-model-len`."""
    return "--" + SHORT_FLAGS.get(key, key.replace("_", "-"))


def given(spec: Spec) -> dict[str, object]:
    """Only the keys that this layer speaks about."""
    return {key: value for key in KEYS if (value := getattr(spec, key)) is not UNSET}
