"""FD080 to FD083: keys that others can read, and doors that are open."""

from ernie_deploy.lint.values import EVERY_PORT, LOCAL, Launch, Remark, Remarks

KEYS = ("FD_API_KEY", "VLLM_API_KEY")
CONTAINERS = ("docker", "compose", "kubernetes", "quadlet")
HOLDERS = {
    "": "script",
    "docker": "script",
    "compose": "compose file",
    "kubernetes": "manifest",
    "unit": "unit",
    "quadlet": "unit",
}
PUBLISH = "publish it on 127.0.0.1 alone, or give an API key"
ALL = ("0.0.0.0", "::", "")


def key_on_argv(launch: Launch) -> Remarks:
    for one in launch.options:
        if one.flag is None or not one.flag.is_secret or one.is_key or one.word is None:
            continue
        yield Remark(one.start, one.end, f"{one.name.text} puts a key into the process list")


def key_in_file(launch: Launch) -> Remarks:
    for one in launch.environment:
        facts = launch.facts.variable(one.name.text)
        is_secret = one.name.text in KEYS or (facts is not None and facts.is_secret)
        if is_secret and not one.value.is_opaque and one.value.text.strip("\"'"):
            if launch.form == "environment":
                continue  # that is where a key belongs, with mode 0600
            where = HOLDERS[launch.around.kind]
            yield Remark(one.name.start, one.value.end, f"the value of {one.name.text} stands in this {where}")
    for option in launch.options:
        if option.is_key and option.flag is not None and option.flag.is_secret and option.word is not None:
            yield Remark(
                option.start, option.end, f"{option.name.text} stands in this file",
                fix="give the file mode 0600, or FD_API_KEY from a file", severity="note",
            )  # fmt: skip


def open_to_all(launch: Launch) -> Remarks:
    """A container has to bind every interface of its own; there it matters what of it is published."""
    if launch.form in ("yaml", "arguments", "environment") or launch.is_open or launch.is_env_open:
        return
    has_key = any(launch.variable(name) for name in KEYS) or launch.given("api_key") is not None
    option, host = launch.given("host"), launch.settled("host")
    if has_key or host in LOCAL:
        return
    if launch.around.kind in CONTAINERS:
        for word in launch.around.published:
            if word.text in (EVERY_PORT, str(launch.settled("port"))):
                message = "other hosts reach this port, and there is no API key"
                yield Remark(word.start, word.end, message, "whoever reaches the port may ask", PUBLISH)
    elif option is not None and host in ALL:
        yield Remark(option.start, option.end, f"host {host} without an API key")
    elif option is None:
        message = "host is not given, so every interface; and there is no API key"
        yield Remark(launch.head.start, launch.head.end, message)


def dynamic_weights(launch: Launch) -> Remarks:
    option = launch.given("dynamic_load_weight")
    if launch.engine == "fastdeploy" and option is not None and launch.settled("dynamic_load_weight") is True:
        yield Remark(option.start, option.end, "dynamic_load_weight opens /clear_load_weight and /update_model_weight")
