"""A Plan: every value that matters, each with its reason and where it came from."""

from typing import Any, Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")

Source = Literal["flag", "environment", "file", "preset", "catalog", "host", "engine", "remedy", "planner"]
ReadyWhen = Literal["text", "image", "thinking"]
Device = Literal["cuda", "cpu"]


class Setting(msgspec.Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    """One resolved value. `source` is its layer, `origin` the very place (`--port`, `deploy.yaml: port`)."""

    value: T
    why: str
    source: Source
    origin: str = ""

    def place_of(self, key: str) -> str:
        """Where one key of a mapping was asked for: `deploy.yaml: engine_args.seed`."""
        return f"{self.origin}.{key}"


NOT_ON_RECORD: Setting[Any] = Setting(None, "an older version of this program made this record", "engine", "record")


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What will run. A value of None leaves the choice to the engine; then `why` names what the engine does.

    Engine parameters keep the engines' own spelling. `*_s` are seconds. `gpus` are NVML indices.
    `model` is what was asked for (an id or a directory); `model_path` the local directory, when there is one.

    A field that came later has a default, so that a run that an older version has put on record can still be read; the
    planner always fills it. Until 0.2 a start was ready after a text token.
    """

    name: str
    state_dir: str
    engine: Setting[str]
    engine_version: Setting[str | None]
    engine_python: Setting[str | None]
    device: Setting[Device]
    gpus: Setting[tuple[int, ...]]
    model: Setting[str]
    model_path: Setting[str | None]
    revision: Setting[str | None]
    served_model_name: Setting[str | None]
    host: Setting[str | None]
    port: Setting[int]
    metrics_port: Setting[int | None]
    engine_worker_queue_port: Setting[int | None] = NOT_ON_RECORD
    cache_queue_port: Setting[int | None] = NOT_ON_RECORD
    api_key_file: Setting[str | None]
    quantization: Setting[str | None]
    max_model_len: Setting[int | None]
    max_num_seqs: Setting[int | None]
    max_num_batched_tokens: Setting[int | None]
    gpu_memory_utilization: Setting[float | None]
    tensor_parallel_size: Setting[int | None]
    mm_processor_kwargs: Setting[dict[str, int | str] | None]
    limit_mm_per_prompt: Setting[dict[str, int] | None]
    enable_prefix_caching: Setting[bool | None] = NOT_ON_RECORD
    reasoning_parser: Setting[str | None]
    tool_call_parser: Setting[str | None]
    trust_remote_code: Setting[bool]
    engine_args: Setting[dict[str, object]]
    env: Setting[dict[str, str]]
    ready_when: Setting[ReadyWhen] = Setting("text", NOT_ON_RECORD.why, "engine", "record")
    ready_timeout_s: Setting[float]
    no_progress_s: Setting[float]
    stop_grace_s: Setting[float]
    ignore_checks: Setting[tuple[str, ...]]
