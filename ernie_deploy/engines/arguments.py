"""Settings → command-line words, the same way for every engine. A tuple of words; no shell ever reads it."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from ernie_deploy.catalog.flags import EngineFlags, Flag
from ernie_deploy.plan.values import Plan

UNQUANTIZED = "bf16"
# Kinds of flags that can only be given or left out.
ONLY_YES = ("switch", "truthy")


def given(plan: Plan, keys: Iterable[str]) -> dict[str, object]:
    """The settings among `keys` that a flag can say, in that order, by key.

    Not said are values left to the engine, bf16 (the weights as they are) and the refusal to run remote code: for these
    the engines have no flag, but do so when nothing is said.
    """
    found = {key: getattr(plan, key).value for key in keys}
    unsaid = {"quantization": UNQUANTIZED, "trust_remote_code": False}
    return {key: value for key, value in found.items() if value is not None and value != unsaid.get(key)}


def further(plan: Plan, facts: EngineFlags) -> dict[str, object]:
    """`engine_args` by the engine's own names of flags, whatever dashes they were written with.

    A bare flag has no way to say no: its False means that it is left out. A list that the engine reads from one word
    becomes that word.
    """
    found: dict[str, object] = {}
    for key, value in plan.engine_args.value.items():
        flag = facts.named(key)
        if flag and flag.kind in ONLY_YES and value is False:
            continue
        is_one_word = flag and flag.kind == "comma" and isinstance(value, list | tuple)
        name = flag.name if flag else key.replace("-", "_")
        found[name] = ",".join(map(str, value)) if is_one_word and isinstance(value, list | tuple) else value
    return found


def words(options: Mapping[str, object], facts: EngineFlags | None = None) -> tuple[str, ...]:
    """`{"max_model_len": 131072}` → `("--max-model-len", "131072")`, as `facts` spell it and else by this rule."""
    named = ((key, value, facts.named(key) if facts else None) for key, value in options.items())
    return tuple(word for key, value, flag in named for word in _words_of(key, value, flag))


def _words_of(key: str, value: object, flag: Flag | None) -> tuple[str, ...]:
    """True is a bare flag, False is `--no-flag`; mappings become JSON, lists several words or several flags."""
    option = flag.option if flag else "--" + key.replace("_", "-")
    kind = flag.kind if flag else ""
    if isinstance(value, bool) and kind != "truthy":
        return (option,) if value else ("--no-" + option[2:],)
    if isinstance(value, Mapping) or (kind == "json" and isinstance(value, list | tuple)):
        return option, json.dumps(value)
    if kind == "append" and isinstance(value, list | tuple):
        return tuple(word for part in value for word in (option, str(part)))
    return (option, *(str(part) for part in (value if isinstance(value, list | tuple) else (value,))))


def working_dir(plan: Plan) -> Path:
    """Where the engine is started; whatever it writes to its current directory lands here."""
    return Path(plan.state_dir) / "run"


def log_dir(plan: Plan) -> Path:
    """Where engines that write their own log files are told to put them."""
    return Path(plan.state_dir) / "logs" / "engine"


def cache_dir(plan: Plan) -> Path:
    """Where engines put what they compile or copy for themselves."""
    return Path(plan.state_dir) / "cache"


def python(plan: Plan) -> str:
    """The interpreter of the engine; a host that has none still gets a plan to read."""
    return plan.engine_python.value or "python3"


def install_command(plan: Plan) -> str:
    """The command that makes the environment this plan needs: the GPU build of an engine is no use to a rehearsal."""
    if (plan.engine.value, plan.device.value) == ("fastdeploy", "cpu"):
        return "ernie-deploy sim install"
    return f"ernie-deploy engine install {plan.engine.value}" + (" --cpu" if plan.device.value == "cpu" else "")


def card_environment(plan: Plan) -> dict[str, str]:
    """Show the engine only its own cards, numbered as NVML numbers them."""
    if plan.device.value == "cpu":
        return {"CUDA_VISIBLE_DEVICES": ""}
    visible = ",".join(str(index) for index in plan.gpus.value)
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": visible}


def hub_environment(plan: Plan) -> dict[str, str]:
    """With the weights on disk nothing may be asked of a hub: in an air gap the question alone hangs for minutes.

    Code that comes with a model is copied to the hub client's home, so that must be a place we can write to.
    """
    home = {"HF_HOME": str(cache_dir(plan) / "huggingface"), "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return home | offline if plan.model_path.value else {}


def base_url(plan: Plan, bound_host: str) -> str:
    """Where a client on this host reaches the service; a wildcard address is reached over the loopback."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(bound_host, bound_host)
    if ":" in reachable and not reachable.startswith("["):
        reachable = f"[{reachable}]"
    return f"http://{reachable}:{plan.port.value}"
