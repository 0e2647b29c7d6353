"""What nobody has asked for and the planner works out: the ports beside the service's, and a prefill step that fits."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import msgspec

from ernie_deploy.architecture.tokens import PIXELS_PER_TOKEN
from ernie_deploy.catalog.flags import default_of, described, flags_of
from ernie_deploy.catalog.load import engines
from ernie_deploy.files import absolute
from ernie_deploy.plan.values import Plan, Setting

FASTDEPLOY = "fastdeploy"
LAST_PORT = 65535
# Key → its distance from the service's port, and why it gets a number.
BESIDE = {
    "metrics_port": (1, "keeps /metrics and /config-info, which shows the engine's variables, off the service's port"),
    "engine_worker_queue_port": (
        2,
        "a known port can be checked and firewalled; before 2.4 a busy one made the start hang",
    ),
    "cache_queue_port": (3, "a known port can be checked; some older examples gave it the number of the metrics port"),
}


def decided(plan: Plan) -> Plan:
    """The plan with the planner's own decisions in place of what is otherwise left to FastDeploy."""
    if plan.engine.value != FASTDEPLOY:
        return plan
    return msgspec.structs.replace(plan, **dict(_ports(plan)), **dict(_prefill_step(plan)), **dict(_paths(plan)))


def _ports(plan: Plan) -> Iterator[tuple[str, Setting[Any]]]:
    """A number for each port that nobody has given one; it follows the service's port, and takes no other's."""
    taken = {plan.port.value, *_given_ports(plan)}
    for key, (distance, why) in BESIDE.items():
        setting: Setting[int | None] = getattr(plan, key)
        if setting.value is not None:
            continue
        if left_to_engine := _why_no_number(plan, key):
            yield key, Setting(None, f"left to the engine: {left_to_engine}", "planner", "planner")
            continue
        number = _free(plan.port.value, distance, taken)
        taken.add(number)
        yield key, Setting(number, f"{_where(number, plan.port.value)}: {why}", "planner", "planner")


def _given_ports(plan: Plan) -> set[int]:
    """Every port that was asked for by number, also in engine_args, where one word may hold several."""
    given = [getattr(plan, key).value for key in BESIDE]
    given += [value for key, value in plan.engine_args.value.items() if key.endswith(("port", "ports"))]
    return {int(number) for one in given for number in re.findall(r"\d+", str(one))}


def _why_no_number(plan: Plan, key: str) -> str:
    """Why the engine had better choose itself; empty when it had not."""
    if key == "metrics_port" and is_loopback(plan.host.value) and _shares_its_port(plan):
        return "they share the service's port, which is on the loopback; one of their own is open on every interface"
    arguments = {name.replace("-", "_"): value for name, value in plan.engine_args.value.items()}
    replicas = arguments.get("data_parallel_size", 1)
    if key != "metrics_port" and replicas != 1:
        return f"data_parallel_size {replicas} wants as many of them"
    return ""


def _shares_its_port(plan: Plan) -> bool:
    fact = next(one for one in flags_of(FASTDEPLOY).ports if one.flag == "metrics_port")
    version = plan.engine_version.value or engines()[FASTDEPLOY].version
    return default_of(fact, described(FASTDEPLOY, version)[0]) is None


def is_loopback(host: str | None) -> bool:
    """Whether only this host reaches it; without an address FastDeploy and vLLM bind every interface."""
    try:
        return ip_address((host or "0.0.0.0").strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _free(port: int, distance: int, taken: set[int]) -> int:
    """The first number above that nobody has; where numbers end, the first below."""
    above = range(port + distance, LAST_PORT + 1)
    below = range(port - 1, 0, -1)
    return next(number for numbers in (above, below) for number in numbers if number not in taken)


def _where(number: int, port: int) -> str:
    return f"port + {number - port}" if number > port else f"port - {port - number}"


def _prefill_step(plan: Plan) -> Iterator[tuple[str, Setting[int | None]]]:
    """The documented step, made to hold the largest picture, and never more than all sequences together can."""
    documented = plan.max_num_batched_tokens
    if documented.source != "catalog" or documented.value is None:
        return
    value, why = documented.value, ""
    pixels = (plan.mm_processor_kwargs.value or {}).get("image_max_pixels")
    if isinstance(pixels, int) and -(-pixels // PIXELS_PER_TOKEN) > value:
        value = -(-pixels // PIXELS_PER_TOKEN)
        why = f"the tokens of one picture of image_max_pixels {pixels}, which goes into one prefill step"
    length, sequences = plan.max_model_len.value, plan.max_num_seqs.value
    if length and sequences and length * sequences < value:
        value = length * sequences
        why = f"max_model_len {length} times max_num_seqs {sequences}: the engine refuses a larger prefill step"
    if why:
        yield "max_num_batched_tokens", Setting(value, why, "planner", "planner")


def _paths(plan: Plan) -> Iterator[tuple[str, Setting[dict[str, object]]]]:
    """The engine runs in a directory of its own, so a path among its further arguments must not begin here."""
    given = plan.engine_args.value
    flags = {key: flags_of(FASTDEPLOY).named(key) for key in given}
    paths = {key for key, flag in flags.items() if flag and flag.kind == "path" and isinstance(given[key], str)}
    if paths:
        whole = {key: str(absolute(str(value))) if key in paths else value for key, value in given.items()}
        yield "engine_args", msgspec.structs.replace(plan.engine_args, value=whole)
