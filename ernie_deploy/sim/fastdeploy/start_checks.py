"""What FastDeploy asserts, and what it silently throws away, before anything is loaded. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ernie_deploy.catalog.flags import Assertion, flags_of, holds
from ernie_deploy.sim.fastdeploy.era import Era

RELATIONS = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
    "==": lambda left, right: left == right,
    "divides-by": lambda left, right: right != 0 and left % right == 0,
}
# With the V1 scheduler; without it 2048.
BATCHED_TOKENS = 8192
BATCHED_TOKENS_V0 = 2048
SHELL_SAFE = re.compile(r"[A-Za-z0-9_./+=@:,~-]+")


def settled(values: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The values with what the engine itself puts in place of None."""
    found = dict(values)
    if found.get("max_num_batched_tokens") is None:
        has_v1 = environ.get("ENABLE_V1_KVCACHE_SCHEDULER", "1") != "0"
        most = _number(found.get("max_model_len")) * _number(found.get("max_num_seqs"))
        step = BATCHED_TOKENS if has_v1 else BATCHED_TOKENS_V0
        found["max_num_batched_tokens"] = min(step, int(most)) if most else step
    if not found.get("long_prefill_token_threshold"):
        found["long_prefill_token_threshold"] = int(_number(found.get("max_model_len")) * 0.04)
    limits = found.get("limit_mm_per_prompt")
    found["limit_mm_per_prompt"] = {"image": 1, "video": 1, "audio": 1} | (limits if isinstance(limits, dict) else {})
    return found


def broken_assertions(values: Mapping[str, Any], environ: Mapping[str, str], version: str) -> Iterator[str]:
    """One text per relation that does not hold. Every value here is settled."""
    seen = _Seen(values, environ, version)
    for assertion in flags_of("fastdeploy").assertions:
        if any(not seen.matches(name, value) for name, value in assertion.when.items()):
            continue
        if any(seen.matches(name, value) for name, value in assertion.unless.items()):
            continue
        if not _holds(assertion, seen):
            yield f"{assertion.left} {seen(assertion.left)}: {assertion.says}"


class _Seen:
    """Flags and variables by name, each with its default."""

    def __init__(self, values: Mapping[str, Any], environ: Mapping[str, str], version: str) -> None:
        variables = {one.name: one.default for one in flags_of("fastdeploy").variables if holds(one, version)}
        self._found = {**variables, **{name: environ[name] for name in variables if name in environ}, **values}

    def __call__(self, name: str) -> Any:
        return self._found.get(name)

    def matches(self, name: str, value: Any) -> bool:
        return str(self(name)) == str(value)


def _holds(assertion: Assertion, seen: _Seen) -> bool:
    left = seen(assertion.left)
    if assertion.relation == "is-set":
        return left not in (None, "")
    left_number, right_number = _number(left), _right(assertion.right, seen)
    if left is None or right_number is None:
        return True
    return bool(RELATIONS[assertion.relation](left_number, right_number))


def _right(right: int | str | tuple[str, ...], seen: _Seen) -> float | None:
    if isinstance(right, int):
        return right
    names = (right,) if isinstance(right, str) else right
    product = 1.0
    for name in names:
        value = seen(name)
        if value is None:
            return None
        product *= len(value) if isinstance(value, list) else _number(value)
    return product


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def picture_limits(values: Mapping[str, Any]) -> tuple[dict[str, int | str], str]:
    """The mm_processor_kwargs that hold, and the warning when one wrong type has thrown all of them away.

    Exact Python types count: 12845056.0 is a float, and none of them is used then.
    """
    given = values.get("mm_processor_kwargs")
    if not isinstance(given, dict) or not given:
        return {}, ""
    flag = flags_of("fastdeploy").named("mm_processor_kwargs")
    wanted = (flag.schema or {}).get("properties", {}) if flag else {}
    types = {"integer": int, "string": str}
    for key, value in given.items():
        kind = types.get(wanted.get(key, {}).get("type", ""))
        if kind is not None and not isinstance(value, kind):
            expected = f"{key} must be of type {kind.__name__}, got {type(value).__name__}"
            return {}, f"Invalid mm-processor-kwargs format: {given}: {expected}"
    return dict(given), ""


def unknown_parser(values: Mapping[str, Any], flag: str, version: str) -> str | None:
    """The name given to `flag` when this version registers no such parser."""
    name = values.get(flag)
    names = {one.name for one in flags_of("fastdeploy").parsers if one.flag == flag and holds(one, version)}
    return str(name) if name and name not in names else None


def wrong_model_config(config: Mapping[str, Any]) -> str | None:
    """What FastDeploy says of a config.json from which it cannot tell the layout of the weights."""
    if "torch_dtype" in config and "dtype" in config:
        return "ValueError: Only one of 'torch_dtype' or 'dtype' should be present in config.json"
    if "torch_dtype" not in config and "dtype" not in config:
        return (
            "ValueError: Unknown model format. Please ensure your config.json contains either 'torch_dtype' "
            "(for HuggingFace models) or 'dtype' (for PaddlePaddle models)."
        )
    return None


def breaks_a_shell(paths: Sequence[str]) -> str:
    """The first path that a shell does not read as one word; empty when there is none. The engine quotes none."""
    return next((path for path in paths if not SHELL_SAFE.fullmatch(path)), "")


def knows_era(era: Era) -> str:
    """What is said of a version that nobody has described."""
    return f"; the facts of {era.version} are assumed for it" if era.is_assumed else ""
