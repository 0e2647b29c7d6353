"""FastDeploy: the module form of its server, the documented flags for this model first, and its YAML.

We start `python -m fastdeploy.entrypoints.openai.api_server` rather than `fastdeploy serve`: the wrapper only spawns
that same module, leaves two processes to look after and always exits 0.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from ernie_deploy.catalog.flags import default_of, described, flags_of
from ernie_deploy.catalog.load import engines
from ernie_deploy.engines import arguments
from ernie_deploy.engines.acknowledge import comments
from ernie_deploy.engines.base import NO_KEYS, File, Launch, Port, Stage
from ernie_deploy.engines.start_script import env_file, script
from ernie_deploy.plan.secrets import KEY_VARIABLES
from ernie_deploy.plan.values import Plan

NAME = "fastdeploy"
MODULE = "fastdeploy.entrypoints.openai.api_server"
# The order of the documented command, then what we decide, then the rest.
KEYS = ("max_model_len", "max_num_seqs", "port", "quantization", "reasoning_parser", "tool_call_parser",
        "mm_processor_kwargs", "max_num_batched_tokens", "limit_mm_per_prompt", "enable_prefix_caching", "metrics_port",
        "engine_worker_queue_port", "cache_queue_port", "served_model_name", "host", "gpu_memory_utilization",
        "tensor_parallel_size", "revision")  # fmt: skip
STAGES: tuple[Stage, ...] = (
    Stage("choosing ports", r"Number of api-server workers|found available ports|Using `\w+`: \["),
    Stage("starting workers", r"Waiting for worker processes to be ready"),
    Stage("loading weights", r"(?:Loading Weights|Loading (?:safetensors )?checkpoint shards):\s+(?P<percent>\d+)%"),
    Stage("loading layers", r"Loading Layers:\s+(?P<percent>\d+)%"),
    Stage("profiling memory", r"Before running the profile|Worker processes are launched"),
    Stage("engine ready", r"FastDeploy LLM engine initialized|Launching chat completion service"),
    Stage("serving", r"Listening at: http|Application startup complete|Uvicorn running on"),
)
# The engine hands its model and log paths to a shell, unquoted.
SHELL_SAFE = re.compile(r"[A-Za-z0-9_./+=@-]+")
LINK = "model"


def launch(plan: Plan) -> Launch:
    """The documented command, plus what the planner decided and what was asked for; ports and environment with it."""
    host = plan.host.value or "0.0.0.0"
    return Launch(
        engine=NAME,
        argv=(arguments.python(plan), "-m", MODULE, *arguments.words(options(plan), flags_of(NAME))),
        env=_environment(plan),
        secret_env={KEY_VARIABLES[NAME]: plan.api_key_file.value} if plan.api_key_file.value else {},
        links=_links(plan),
        working_dir=str(arguments.working_dir(plan)),
        log_dir=str(arguments.log_dir(plan)),
        ports=_ports(plan, host),
        base_url=arguments.base_url(plan, host),
        served_model=plan.served_model_name.value or _model(plan),
    )


def config_files(plan: Plan, keys: Mapping[str, str] = NO_KEYS) -> tuple[File, ...]:
    """`fastdeploy.yaml` for --config, its environment and a start script.

    The parser drops every key that is not spelled with underscores, without a word, so all of them are. A mapping stays
    one, so that its integers do; a number may be an integer also where the flag is a text, the parser converts it.
    """
    started = launch(plan)
    header = "# FastDeploy launch config. Keys are spelled with underscores: FastDeploy drops others in silence.\n"
    header += "".join(f"{line}\n" for line in comments(plan, of_command=False))
    content = header + yaml.safe_dump(options(plan), sort_keys=False, allow_unicode=True)
    argv = (arguments.python(plan), "-m", MODULE, "--config")
    return (
        File("fastdeploy.yaml", content),
        env_file(started, keys),
        script(started, argv, config="fastdeploy.yaml", without=keys),
    )


def options(plan: Plan) -> dict[str, object]:
    """Every flag by its name, which is also its key in YAML."""
    return {"model": _model(plan), **arguments.given(plan, KEYS), **arguments.further(plan, flags_of(NAME))}


def _model(plan: Plan) -> str:
    """The directory, or a link to it in the working directory when a shell would trip over its name."""
    path = plan.model_path.value
    if path is None:
        return plan.model.value
    return path if SHELL_SAFE.fullmatch(path) else LINK


def _links(plan: Plan) -> dict[str, str]:
    path = plan.model_path.value
    return {LINK: path} if path and _model(plan) == LINK else {}


def _environment(plan: Plan) -> dict[str, str]:
    logs = str(arguments.log_dir(plan))
    if not SHELL_SAFE.fullmatch(logs):
        logs = str(Path("..") / "logs" / "engine")  # seen from the working directory
    known = {"DO_NOT_TRACK": "1", "ENABLE_V1_KVCACHE_SCHEDULER": "1", "FD_LOG_DIR": logs}
    return {**known, **arguments.card_environment(plan), "SPT_NOENV": "1", **plan.env.value}


def _ports(plan: Plan, host: str) -> tuple[Port, ...]:
    """Only the service's own port is bound on `host`; all others are open on every interface."""
    beside = {"metrics": plan.metrics_port, "engine queue": plan.engine_worker_queue_port,
              "cache queue": plan.cache_queue_port}  # fmt: skip
    numbers = {role: setting.value for role, setting in beside.items()}
    if numbers["metrics"] is None:
        numbers["metrics"] = _unasked_metrics_port(plan.engine_version.value or engines()[NAME].version)
    others = (Port(number, role, "0.0.0.0") for role, number in numbers.items() if number is not None)
    return (Port(plan.port.value, "http", host), *others)


def _unasked_metrics_port(version: str) -> int | None:
    """The port that this version opens for metrics unasked; None when they share the service's."""
    fact = next(one for one in flags_of(NAME).ports if one.flag == "metrics_port")
    number = default_of(fact, described(NAME, version)[0])
    return number if isinstance(number, int) else None
