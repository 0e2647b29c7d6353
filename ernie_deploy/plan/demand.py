"""The settings that decide how much memory a plan takes, with the engine's own defaults for what is left to it."""

from collections.abc import Mapping

import msgspec

from ernie_deploy.architecture.tokens import Limits
from ernie_deploy.catalog.fit import GIB, EngineFit, fit
from ernie_deploy.plan.values import Plan

EIGHT_BIT_CACHES = ("fp8", "int8")
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Demand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a plan asks of a card. `kv_cache_bytes`, or `kv_blocks`, is a cache of a fixed size; None when it takes what
    is left."""

    engine: str
    quantization: str
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float = 0.9
    tensor_parallel_size: int = 1
    images: int = 1
    videos: int = 1
    limits: dict[str, int | str] = {}
    block_size: int = 64
    kv_bytes_per_value: int = 2
    kv_cache_bytes: int | None = None
    kv_blocks: int | None = None
    has_graphs: bool = True
    device: str = "cuda"

    @property
    def picture_limits(self) -> Limits:
        return self.limits


def demand_of(plan: Plan, *, longest: int, card: str = "", card_bytes: int = 0) -> Demand:
    """What this plan asks for; `longest` is the model's own limit, for engines that take it by default. The card is the
    first one, for engines whose defaults depend on it."""
    engine = plan.engine.value
    known = fit().engines[engine]
    defaults = known.defaults
    asked = {key.replace("-", "_"): value for key, value in plan.engine_args.value.items()}
    limits = plan.limit_mm_per_prompt.value or {}
    cache_type = str(asked.get("kv_cache_dtype", asked.get("kv_cache_quant_type", "")))
    length = plan.max_model_len.value or defaults.max_model_len or longest
    at_once, step = _at_once(known, plan.device.value, card, card_bytes)
    sequences = plan.max_num_seqs.value or min(at_once, plan.max_num_batched_tokens.value or at_once)
    block_size = _size(asked.get("block_size"))
    usual = known.cpu.block_size if known.cpu and plan.device.value == "cpu" else known.block_size
    return Demand(
        engine=engine,
        quantization=plan.quantization.value or "bf16",
        max_model_len=length,
        max_num_seqs=sequences,
        max_num_batched_tokens=plan.max_num_batched_tokens.value or min(step, length * sequences),
        gpu_memory_utilization=plan.gpu_memory_utilization.value or defaults.gpu_memory_utilization,
        tensor_parallel_size=plan.tensor_parallel_size.value or 1,
        images=limits.get("image", defaults.images),
        videos=limits.get("video", defaults.videos),
        limits=plan.mm_processor_kwargs.value or {},
        block_size=block_size or usual,
        kv_bytes_per_value=1 if cache_type.startswith(EIGHT_BIT_CACHES) else 2,
        kv_cache_bytes=_size(asked.get("kv_cache_memory_bytes")),
        kv_blocks=_size(asked.get("num_gpu_blocks_override")),
        has_graphs=not _without_graphs(asked),
        device=plan.device.value,
    )


def _at_once(known: EngineFit, device: str, card: str, card_bytes: int) -> tuple[int, int]:
    """The engine's own number of sequences and of tokens in a step."""
    if known.cpu and device == "cpu":
        return known.cpu.max_num_seqs, known.cpu.max_num_batched_tokens
    for one in known.by_card:
        if card_bytes >= one.from_gib * GIB and not (one.but_not and one.but_not in card.lower()):
            return one.max_num_seqs, one.max_num_batched_tokens
    return known.defaults.max_num_seqs, known.defaults.max_num_batched_tokens


def _without_graphs(asked: Mapping[str, object]) -> bool:
    options = asked.get("graph_optimization_config")
    is_off = isinstance(options, dict) and options.get("use_cudagraph") is False
    return is_off or asked.get("enforce_eager") is True


def _size(value: object) -> int | None:
    """`64M` as the engine reads it: capital letters are powers of 1024, small ones of 1000."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value > 0 else None
    text = str(value or "")
    unit = text[-1:] if text[-1:] in UNITS else ""
    number = text.removesuffix(unit)
    try:
        size = int(float(number) * UNITS[unit])
    except (ValueError, OverflowError):
        return None
    return size if size > 0 else None
