"""FD090 to FD096: the engine's environment."""

import difflib

from ernie_deploy.catalog.flags import holds
from ernie_deploy.lint.values import Assignment, Launch, Remark, Remarks

# Comparing names is slow, and no launch has more that nobody knows.
MOST_COMPARED = 50
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def tracked(launch: Launch) -> Remarks:
    variable = launch.facts.variable("DO_NOT_TRACK")
    if launch.engine != "fastdeploy" or variable is None or not holds(variable, launch.version):
        return
    found = launch.variable("DO_NOT_TRACK")
    if found is not None and not found.value.is_opaque and found.value.text in ("0", "false", ""):
        yield Remark(found.name.start, found.value.end, f"DO_NOT_TRACK={found.value.text}")
    elif found is None and not launch.is_env_open:
        yield Remark(launch.head.start, launch.head.end, "DO_NOT_TRACK is not set")


def log_dir(launch: Launch) -> Remarks:
    if launch.engine != "fastdeploy":
        return
    found = launch.variable("FD_LOG_DIR")
    if found is None:
        if not launch.is_env_open:
            yield Remark(launch.head.start, launch.head.end, "FD_LOG_DIR is not set: ./log")
    elif not found.value.is_opaque and not found.value.text.startswith("/"):
        yield Remark(found.name.start, found.value.end, f"FD_LOG_DIR={found.value.text} is relative")


def old_scheduler(launch: Launch) -> Remarks:
    found = launch.variable("ENABLE_V1_KVCACHE_SCHEDULER")
    if launch.engine == "fastdeploy" and found is not None and found.value.text == "0":
        yield Remark(found.name.start, found.value.end, "ENABLE_V1_KVCACHE_SCHEDULER=0")


def internal_adapter(launch: Launch) -> Remarks:
    found = launch.variable("FD_ENABLE_INTERNAL_ADAPTER")
    if launch.engine == "fastdeploy" and found is not None and found.value.text == "1":
        yield Remark(found.name.start, found.value.end, "FD_ENABLE_INTERNAL_ADAPTER=1")


def proxied(launch: Launch) -> Remarks:
    if launch.is_env_open or launch.variable("NO_PROXY") or launch.variable("no_proxy"):
        return
    found = next((one for name in PROXIES if (one := launch.variable(name)) and _is_set(one)), None)
    if found is not None:
        yield Remark(found.name.start, found.value.end, f"{found.name.text} is set, and NO_PROXY is not")


def misspelt(launch: Launch) -> Remarks:
    if launch.engine != "fastdeploy":
        return
    names = [one.name for one in launch.facts.variables if one.name.isupper()]
    strange = [one.name for one in launch.environment if _could_be_ours(one.name.text, names)]
    for name in strange[:MOST_COMPARED]:
        near = difflib.get_close_matches(name.text, names, n=1, cutoff=0.85)
        if near:
            yield Remark(name.start, name.end, f"{name.text}: unknown variable", fix=f"did you mean {near[0]}?")


def wrong_value(launch: Launch) -> Remarks:
    for one in launch.environment:
        facts = launch.facts.variable(one.name.text)
        if facts is None or not facts.choices or one.value.is_opaque or one.value.text in facts.choices:
            continue
        known = ", ".join(facts.choices)
        yield Remark(one.value.start, one.value.end, f"{one.name.text}={one.value.text}: it takes {known}")


def _could_be_ours(name: str, names: list[str]) -> bool:
    return name not in names and name.startswith(("FD_", "ENABLE_V1", "DO_NOT"))


def _is_set(one: Assignment) -> bool:
    return bool(one.value.text) or one.value.is_opaque
