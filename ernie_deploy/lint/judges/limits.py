"""FD070 to FD078: numbers that are too small, too large, or that nobody gave."""

from ernie_deploy.catalog.flag_values import unmet
from ernie_deploy.catalog.flags import order
from ernie_deploy.catalog.load import models
from ernie_deploy.lint.values import Launch, Option, Remark, Remarks, Severity

PIXELS_A_TOKEN = 28 * 28
RISKY = 0.95
MODEL = "baidu/ERNIE-4.5-VL-28B-A3B-Thinking"


def no_context(launch: Launch) -> Remarks:
    if launch.engine == "fastdeploy" and launch.lacks("max_model_len") and launch.form != "environment":
        yield Remark(launch.head.start, launch.head.end, "max_model_len is not given")


def small_steps(launch: Launch) -> Remarks:
    kwargs = launch.given("mm_processor_kwargs")
    if launch.engine != "fastdeploy" or kwargs is None or kwargs.word is None:
        return
    pixels = next((one.value.value for one in kwargs.members if one.name.text == "image_max_pixels"), None)
    if not isinstance(pixels, int) or isinstance(pixels, bool):
        return
    needed = pixels // PIXELS_A_TOKEN
    option = launch.given("max_num_batched_tokens")
    step = launch.settled("max_num_batched_tokens")
    if option is None and launch.lacks("max_num_batched_tokens"):
        flag = launch.facts.named("max_num_batched_tokens")
        step = flag.unset_value if flag else None
    if isinstance(step, int) and step < needed:
        where = option or kwargs
        said = f"max_num_batched_tokens {step}" if option else f"max_num_batched_tokens is not given, so {step}"
        yield Remark(
            where.start, where.end, f"{said}: a picture of {pixels} pixels has {needed} tokens",
            fix=f"max_num_batched_tokens {needed}",
        )  # fmt: skip


def assertions(launch: Launch) -> Remarks:
    """What FastDeploy asserts when it starts, of what the file says."""
    if launch.engine != "fastdeploy" or launch.is_open:
        return
    places: dict[str, Option] = {one.flag.name: one for one in launch.options if one.flag is not None}
    said = {name: value for name in places if (value := launch.settled(name)) is not None}
    variables = {one.name.text: one.value.text for one in launch.environment if not one.value.is_opaque}
    for broken in unmet(launch.facts, said | variables, launch.version):
        if any(name in places and name not in said for name in broken.names):
            continue  # a value that only the running shell knows
        where = next((places[name] for name in broken.names if name in places), None)
        start, end = (where.start, where.end) if where else (launch.head.start, launch.head.end)
        yield Remark(start, end, broken.message)


def whole_card(launch: Launch) -> Remarks:
    option, share = launch.given("gpu_memory_utilization"), launch.settled("gpu_memory_utilization")
    if launch.engine == "fastdeploy" and option is not None and isinstance(share, float) and RISKY <= share <= 1:
        yield Remark(option.start, option.end, f"gpu_memory_utilization {share:g}")


def prefix_caching(launch: Launch) -> Remarks:
    if launch.engine != "fastdeploy" or not launch.is_thinking_model:
        return
    option = launch.given("enable_prefix_caching")
    if option is not None and launch.settled("enable_prefix_caching") is True:
        is_risky = order(launch.version) < order("2.5.0") and not launch.is_assumed
        message = "prefix caching is switched on for a model with pictures"
        yield Remark(option.start, option.end, message, severity="warning" if is_risky else None)
    elif option is None and launch.lacks("enable_prefix_caching"):
        message = "prefix caching is on by default, for a model with pictures"
        yield Remark(launch.head.start, launch.head.end, message)


def unquantized(launch: Launch) -> Remarks:
    if launch.engine == "fastdeploy" and launch.is_thinking_model and launch.lacks("quantization"):
        cards = launch.settled("tensor_parallel_size")
        if cards in (None, 1):
            yield Remark(launch.head.start, launch.head.end, "quantization is not given")


def many_workers(launch: Launch) -> Remarks:
    option, count = launch.given("workers"), launch.settled("workers")
    if launch.engine == "fastdeploy" and option is not None and isinstance(count, int) and count > 1:
        yield Remark(option.start, option.end, f"workers {count}")


def old_loader(launch: Launch) -> Remarks:
    option = launch.given("load_choices")
    if launch.engine == "fastdeploy" and option is not None and launch.settled("load_choices") == "default":
        yield Remark(option.start, option.end, "load_choices default")


def beyond_the_model(launch: Launch) -> Remarks:
    option, length = launch.given("max_model_len"), launch.settled("max_model_len")
    most = models()[MODEL].max_position_embeddings
    if option is not None and launch.is_thinking_model and isinstance(length, int) and length > most:
        severity: Severity = "error" if launch.engine == "vllm" else "warning"
        yield Remark(option.start, option.end, f"max_model_len {length}: the model has {most}", severity=severity)
