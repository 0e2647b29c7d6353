"""vLLM: `vllm serve` in module form, and its YAML."""

from collections.abc import Mapping

import yaml

from ernie_deploy.catalog.flags import flags_of
from ernie_deploy.engines import arguments
from ernie_deploy.engines.acknowledge import comments
from ernie_deploy.engines.base import NO_KEYS, File, Launch, Port, Stage
from ernie_deploy.engines.start_script import env_file, script
from ernie_deploy.plan.secrets import KEY_VARIABLES
from ernie_deploy.plan.values import Plan

NAME = "vllm"
# A socket's path may have 107 bytes, and vLLM adds a name of 36.
LONGEST_SOCKET_DIR = 70
MODULE = "vllm.entrypoints.cli.main"
KEYS = ("served_model_name", "host", "port", "trust_remote_code", "reasoning_parser", "tool_call_parser",
        "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization", "tensor_parallel_size",
        "quantization", "limit_mm_per_prompt", "mm_processor_kwargs", "enable_prefix_caching",
        "revision")  # fmt: skip
STAGES: tuple[Stage, ...] = (
    Stage("starting engine", r"vLLM API server version|Initializing a V1 LLM engine"),
    Stage("loading weights", r"Starting to load model|Loading safetensors checkpoint shards(?::\s+(?P<percent>\d+)%)?"),
    Stage("profiling memory", r"Model loading took|Loading weights took"),
    Stage("warming up", r"GPU KV cache size|CPU KV cache size|Maximum concurrency for|init engine"),
    Stage("serving", r"Starting vLLM API server|Application startup complete"),
)


def launch(plan: Plan) -> Launch:
    """`python -m vllm.entrypoints.cli.main serve MODEL …`: one process to own, the same parser as `vllm serve`."""
    host = plan.host.value or "0.0.0.0"
    model = plan.model_path.value or plan.model.value
    return Launch(
        engine=NAME,
        argv=(arguments.python(plan), "-m", MODULE, "serve", model, *arguments.words(_flags(plan), flags_of(NAME))),
        env=_environment(plan),
        secret_env={KEY_VARIABLES[NAME]: plan.api_key_file.value} if plan.api_key_file.value else {},
        links={},
        working_dir=str(arguments.working_dir(plan)),
        log_dir="",
        ports=(Port(plan.port.value, "http", host),),
        base_url=arguments.base_url(plan, host),
        served_model=plan.served_model_name.value or model,
    )


def config_files(plan: Plan, keys: Mapping[str, str] = NO_KEYS) -> tuple[File, ...]:
    """`vllm.yaml` for --config, its environment and a start script. vLLM's YAML has the flags' own dashes."""
    started = launch(plan)
    document = {key.replace("_", "-"): value for key, value in options(plan).items()}
    header = "\n".join(["# vLLM launch config.", *comments(plan, of_command=False), ""])
    content = header + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    argv = (arguments.python(plan), "-m", MODULE, "serve", "--config")
    return (
        File("vllm.yaml", content),
        env_file(started, keys),
        script(started, argv, config="vllm.yaml", without=keys),
    )


def options(plan: Plan) -> dict[str, object]:
    """Every flag by its name; the model, which is no flag on the command line, is one in YAML."""
    return {"model": plan.model_path.value or plan.model.value, **_flags(plan)}


def _flags(plan: Plan) -> dict[str, object]:
    found = arguments.given(plan, KEYS)
    if "tool_call_parser" in found:
        found["enable_auto_tool_choice"] = True  # the parser alone is refused
    return found | arguments.further(plan, flags_of(NAME))


def _environment(plan: Plan) -> dict[str, str]:
    """vLLM leaves sockets and files in the temporary directory; in ours they go with the deployment."""
    temporary = str(arguments.working_dir(plan))
    place = {"TMPDIR": temporary} if len(temporary) <= LONGEST_SOCKET_DIR else {}
    # vLLM renames its processes; without SPT_NOENV that overwrites the environment by which we find them again.
    known = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "SPT_NOENV": "1", **place}
    known["VLLM_CACHE_ROOT"] = str(arguments.cache_dir(plan) / "vllm")
    return {**known, **arguments.hub_environment(plan), **arguments.card_environment(plan), **plan.env.value}
