"""vLLM: `vllm serve` in module form, and its YAML."""

import yaml

from ernie_deploy.engines import arguments
from ernie_deploy.engines.base import File, Launch, Port, Stage
from ernie_deploy.engines.start_script import env_file, script
from ernie_deploy.plan.values import Plan

NAME = "vllm"
# A socket's path may have 107 bytes, and vLLM adds a name of 36.
LONGEST_SOCKET_DIR = 70
MODULE = "vllm.entrypoints.cli.main"
KEYS = ("served_model_name", "host", "port", "trust_remote_code", "reasoning_parser", "tool_call_parser",
        "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization", "tensor_parallel_size",
        "quantization", "limit_mm_per_prompt", "mm_processor_kwargs", "revision")  # fmt: skip
STAGES: tuple[Stage, ...] = (
    Stage("starting engine", r"vLLM API server version|Initializing a V1 LLM engine"),
    Stage("loading weights", r"Starting to load model|Loading safetensors checkpoint shards"),
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
        argv=(arguments.python(plan), "-m", MODULE, "serve", model, *arguments.words(_options(plan))),
        env=_environment(plan),
        secret_env={"VLLM_API_KEY": plan.api_key_file.value} if plan.api_key_file.value else {},
        links={},
        working_dir=str(arguments.working_dir(plan)),
        log_dir="",
        ports=(Port(plan.port.value, "http", host),),
        base_url=arguments.base_url(plan, host),
        served_model=plan.served_model_name.value or model,
    )


def config_files(plan: Plan) -> tuple[File, ...]:
    """`vllm.yaml` for --config, its environment and a start script. vLLM's YAML has the flags' own dashes."""
    started = launch(plan)
    document: dict[str, object] = {"model": plan.model_path.value or plan.model.value}
    document |= {key.replace("_", "-"): value for key, value in _options(plan).items()}
    content = "# vLLM launch config.\n" + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    argv = (arguments.python(plan), "-m", MODULE, "serve", "--config")
    return File("vllm.yaml", content), env_file(started), script(started, argv, config="vllm.yaml")


def _options(plan: Plan) -> dict[str, object]:
    options = arguments.given(plan, KEYS)
    if "tool_call_parser" in options:
        options["enable_auto_tool_choice"] = True  # the parser alone is refused
    return options | plan.engine_args.value


def _environment(plan: Plan) -> dict[str, str]:
    """vLLM leaves sockets and files in the temporary directory; in ours they go with the deployment."""
    temporary = str(arguments.working_dir(plan))
    place = {"TMPDIR": temporary} if len(temporary) <= LONGEST_SOCKET_DIR else {}
    # vLLM renames its processes; without SPT_NOENV that overwrites the environment by which we find them again.
    known = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "SPT_NOENV": "1", **place}
    known["VLLM_CACHE_ROOT"] = str(arguments.cache_dir(plan) / "vllm")
    return {**known, **arguments.hub_environment(plan), **arguments.card_environment(plan), **plan.env.value}
