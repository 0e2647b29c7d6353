"""FD040 to FD044: ports that meet, ports that nobody chose, ports that are open, too few or too many of them."""

from ernie_deploy.catalog.flags import default_of, order
from ernie_deploy.lint.values import LOCAL, Launch, Option, Remark, Remarks

PORTS = ("port", "metrics_port", "engine_worker_queue_port", "cache_queue_port", "pd_comm_port", "rdma_comm_ports",
         "controller_port")  # fmt: skip
COUNTED_SINCE = "2.4.0"


def equal(launch: Launch) -> Remarks:
    """The metrics port may be the port of the service: since 2.4 that means one server for both."""
    taken: dict[str, str] = {}
    implicit = default_of(flag, launch.version) if (flag := launch.facts.named("port")) else None
    if launch.given("port") is None and not launch.is_open and implicit is not None:
        taken[str(implicit)] = "port (by default)"
    metrics = _unasked_metrics(launch)
    if metrics is not None:
        taken.setdefault(str(metrics), "metrics_port (by default)")
    for name in PORTS:
        for option in launch.all_given(name)[-1:]:
            for number in _numbers(option):
                earlier = taken.get(number)
                if earlier is None:
                    taken[number] = option.name.text
                elif not (name == "metrics_port" and "port" in earlier and _shares(launch, earlier)):
                    message = f"{option.name.text} and {earlier} are both {number}"
                    yield Remark(option.start, option.end, message)


def implicit_metrics(launch: Launch) -> Remarks:
    number = _unasked_metrics(launch)
    if number is not None:
        message = f"metrics_port is not given: {launch.engine} {launch.version} takes {number}"
        yield Remark(launch.head.start, launch.head.end, message)


def _unasked_metrics(launch: Launch) -> object:
    """The port that a version before 2.4 takes for metrics when nobody names one."""
    flag = launch.facts.named("metrics_port")
    is_left_out = flag is not None and launch.lacks("metrics_port") and not launch.is_assumed
    return default_of(flag, launch.version) if flag is not None and is_left_out else None


def config_info(launch: Launch) -> Remarks:
    key = launch.variable("FD_API_KEY")
    if key is None or launch.engine != "fastdeploy":
        return
    flag = launch.facts.named("metrics_port")
    port, metrics = launch.settled("port"), launch.settled("metrics_port")
    own = launch.given("metrics_port")
    is_shared = launch.lacks("metrics_port") and flag is not None and default_of(flag, launch.version) is None
    if own is not None:
        is_shared = metrics is not None and metrics == port
    if is_shared and launch.settled("host") not in LOCAL:
        message = "FD_API_KEY is set, and metrics have no port of their own"
        yield Remark(key.name.start, key.name.end, message)


def controller(launch: Launch) -> Remarks:
    option = launch.given("controller_port")
    number = launch.settled("controller_port")
    if option is not None and isinstance(number, int) and number > 0:
        yield Remark(option.start, option.end, f"controller_port {number} takes orders from everybody")


def wrong_count(launch: Launch) -> Remarks:
    option, replicas = launch.given("engine_worker_queue_port"), launch.settled("data_parallel_size")
    if (
        option is None
        or not isinstance(replicas, int)
        or _is_opaque(option)
        or order(launch.version) < order(COUNTED_SINCE)
    ):
        return
    ips = launch.given("ips")
    nodes = 1 if ips is None else 0 if _is_opaque(ips) else len(_parts(ips))
    count = len(_parts(option))
    if nodes and replicas % nodes == 0 and count != replicas // nodes:
        wanted = f"data_parallel_size {replicas} on {nodes} node(s) wants {replicas // nodes} of them"
        yield Remark(option.start, option.end, f"{option.name.text}: {wanted}, here are {count}")


def _is_opaque(option: Option) -> bool:
    return any(word.is_opaque for word in option.words)


def _parts(option: Option) -> list[str]:
    return [part for word in option.words for part in word.text.split(",") if part.strip()]


def _numbers(option: Option) -> list[str]:
    """The ports of `8182` or `8182,8183`; 0 and -1 are none."""
    found: list[str] = []
    for word in option.words:
        if not word.is_opaque:
            found += [part.strip() for part in word.text.split(",") if part.strip().isdecimal()]
    return [str(int(one)) for one in found if int(one) > 0]


def _shares(launch: Launch, earlier: str) -> bool:
    is_http = earlier.lstrip("-").startswith("port")
    flag = launch.facts.named("metrics_port")
    return is_http and flag is not None and default_of(flag, launch.version) is None
