"""Which boot a plan would be, what such a boot taught before, and what a new one teaches. Pure.

A calibration holds for the very same boot only: any other card, driver, version, model or setting, and it is not used.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from ernie_deploy.catalog.fit import GIB, fit
from ernie_deploy.facts.calibrations import Calibration, CalibrationKey, Card
from ernie_deploy.facts.values import Facts, Gpu
from ernie_deploy.plan.secrets import HIDDEN, hidden
from ernie_deploy.plan.values import Plan

MIB = 1 << 20
SIMULATED = "+simulated"
# What of a plan decides memory, but the share of the card: what an engine takes of its share does not depend on that.
SETTINGS = ("device", "quantization", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "tensor_parallel_size",
            "mm_processor_kwargs", "limit_mm_per_prompt", "enable_prefix_caching", "engine_args", "env")  # fmt: skip
FIXED_CACHE = ("kv_cache_memory_bytes", "num_gpu_blocks_override")
# What others use of a card makes FastDeploy's cache smaller. vLLM only counts what it has taken itself.
DEVICE_WIDE = ("fastdeploy",)
# How far the engine's word on the size of the card may be from NVML's.
SAME_SIZE = 0.02
HASHED = ("settings", "weights")


class Taught(NamedTuple):
    """What a boot taught; or None, and why it taught nothing."""

    calibration: Calibration | None
    why: str


class Reported(NamedTuple):
    """What an engine said: what it left for the KV cache, and, where told, its tokens and the size of the card.

    `least_bytes` is what it has taken itself at the very least: its weights, or all of its tensors at the peak.
    """

    kv_bytes: int | None
    kv_tokens: int | None = None
    total_bytes: int | None = None
    least_bytes: int = 0


def key_of(plan: Plan, facts: Facts) -> CalibrationKey | None:
    """Which boot this would be; None when that cannot be told: see `why_no_key`."""
    cards = _cards(plan, facts)
    driver, version = facts.gpu.driver_version, plan.engine_version.value
    if not cards or not driver or not version or why_no_key(plan, facts):
        return None
    return CalibrationKey(
        cards=tuple(Card(one.name, one.total_mib) for one in cards),
        driver_version=driver,
        engine=plan.engine.value,
        engine_version=version,
        model=plan.model.value,
        revision=plan.revision.value,
        weights=_weights(plan, facts),
        settings=settings_hash(plan),
    )


def why_no_key(plan: Plan, facts: Facts) -> str:
    """What is not known, so that a boot could not be recognised again; empty when all is."""
    if plan.device.value != "cuda":
        return "it runs without a card"
    cards = _cards(plan, facts)
    if not cards:
        return "the chosen cards were not seen"
    if any(card.mig_enabled for card in cards):
        return "a card is split by MIG, and which part of it is used is not known"
    if not facts.gpu.driver_version:
        return "the driver does not tell its version"
    return "" if plan.engine_version.value else "the engine's version is not known"


def calibration_for(plan: Plan, facts: Facts) -> tuple[Calibration | None, str]:
    """What the very same boot taught before, and which one that was, or why there is none."""
    key = key_of(plan, facts)
    if key is None:
        return None, f"no earlier boot can be compared with: {why_no_key(plan, facts)}"
    found = next((one for one in facts.calibrations if one.key == key), None)
    if found:
        return found, in_words(found)
    if not facts.calibrations:
        return None, "no boot of this plan on this card yet"
    count = len(facts.calibrations)
    here = "1 calibration here is of another boot" if count == 1 else f"{count} calibrations here are of other boots"
    return None, f"{here}: {_nearest(key, facts.calibrations)}"


def in_words(found: Calibration) -> str:
    """`3 earlier boots of this plan on this card: the last one left 8.10 GiB for the KV cache at a share of 0.9`."""
    simulated = "SIMULATED " if found.key.engine_version.endswith(SIMULATED) else ""
    boots = f"{found.boots} earlier {simulated}boot{'' if found.boots == 1 else 's'}"
    cards = "this card" if len(found.key.cards) == 1 else f"these {len(found.key.cards)} cards"
    left = f"{found.kv_bytes / GIB:.2f} GiB for the KV cache at a share of {found.utilization:g}"
    return f"{boots} of this plan on {cards}: the last one left {left}"


def teach(plan: Plan, facts: Facts, said: Reported, *, at: float) -> Taught:
    """What a boot that is ready now teaches. `facts` are of the moment before it: what is used in them others use."""
    key = key_of(plan, facts)
    share = plan.gpu_memory_utilization.value or fit().engines[plan.engine.value].defaults.gpu_memory_utilization
    if key is None:
        return Taught(None, why_no_key(plan, facts))
    if said.kv_bytes is None:
        return Taught(None, "the engine has not told what it left for the KV cache")
    if any(name.replace("-", "_") in FIXED_CACHE for name in plan.engine_args.value):
        return Taught(None, "the size of its KV cache was given, so nothing was measured")
    cards = _cards(plan, facts)
    if said.total_bytes and not any(_is_about(said.total_bytes, card.total_mib * MIB) for card in cards):
        why = f"the engine reports a card of {said.total_bytes / GIB:.2f} GiB, which is none of the chosen ones"
        return Taught(None, why)
    # The engine takes about the same of each card, so the one with the least room is the one that was reported.
    rooms = [_room(card, share, is_shared=plan.engine.value in DEVICE_WIDE) for card in cards]
    known = [room for room in rooms if room is not None]
    if len(known) < len(rooms):
        return Taught(None, "the driver does not tell what others use of the card")
    overhead = min(known) - said.kv_bytes
    # So it is when memory that was still in use just before the start was set free meanwhile.
    if overhead <= said.least_bytes:
        return Taught(None, "what it took, what it left and what others used do not add up")
    return Taught(Calibration(key, overhead, said.kv_bytes, share, at, said.kv_tokens), "")


def with_one_more(earlier: Iterable[Calibration], taught: Calibration, *, most: int) -> tuple[Calibration, ...]:
    """The new one last, in place of an older one with its key; the oldest are dropped."""
    kept = list(earlier)
    before = sum(one.boots for one in kept if one.key == taught.key)
    rest = [one for one in kept if one.key != taught.key]
    return (*rest, msgspec.structs.replace(taught, boots=before + 1))[-most:]


def settings_hash(plan: Plan) -> str:
    """The same for plans whose settings take the same memory. Secrets are no part of it."""
    settings = {name: getattr(plan, name).value for name in SETTINGS}
    settings["env"] = {name: value for name, value in hidden(plan.env.value).items() if value != HIDDEN}
    return hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()[:24]


def _nearest(key: CalibrationKey, calibrations: Iterable[Calibration]) -> str:
    """`the nearest differs in driver version: 550.54.15, here 560.35`."""
    nearest = min((_differences(key, one.key) for one in calibrations), key=len)
    return f"the nearest differs in {'; in '.join(nearest)}"


def _differences(here: CalibrationKey, there: CalibrationKey) -> list[str]:
    told = []
    for field in CalibrationKey.__struct_fields__:
        ours, theirs = getattr(here, field), getattr(there, field)
        if ours != theirs:
            values = "" if field in HASHED else f": {_shown(theirs)}, here {_shown(ours)}"
            told.append(field.replace("_", " ") + values)
    return told


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " and ".join(f"{card.name} ({card.total_mib} MiB)" for card in value)
    return "none" if value is None else str(value)


def _cards(plan: Plan, facts: Facts) -> tuple[Gpu, ...]:
    """The chosen cards, in the order of the choice; none when one of them was not seen."""
    seen = {gpu.index: gpu for gpu in facts.gpu.gpus}
    chosen = plan.gpus.value
    return tuple(seen[index] for index in chosen) if all(index in seen for index in chosen) else ()


def _weights(plan: Plan, facts: Facts) -> str:
    """A fingerprint of the model's directory; empty when it was not looked at."""
    found = next((one for one in facts.models if one.path == plan.model_path.value), None)
    if found is None:
        return ""
    # Without headers that can be read there is no fingerprint; the size says something even then.
    seen = found.fingerprint or (found.size_bytes, found.model_type, found.dtype)
    return hashlib.sha256(msgspec.json.encode(seen)).hexdigest()[:24]


def _room(card: Gpu, share: float, *, is_shared: bool) -> int | None:
    """What the engine had of this card for itself and its cache; None when that is not known."""
    mine = int(card.total_mib * MIB * share)
    if not is_shared:
        return mine
    return None if card.used_mib is None else mine - card.used_mib * MIB


def _is_about(one: int, other: int) -> bool:
    return abs(one - other) <= SAME_SIZE * other
