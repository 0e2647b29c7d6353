"""FastDeploy: the module form of its server, as documented for this model, and its YAML.

We start `python -m fastdeploy.entrypoints.openai.api_server` rather than `fastdeploy serve`: the wrapper only spawns
that same module, leaves two processes to look after and always exits 0.
"""

import re
from pathlib import Path

import yaml

from ernie_deploy.catalog.load import engines
from ernie_deploy.engines import arguments
from ernie_deploy.engines.base import File, Launch, Port, Stage
from ernie_deploy.engines.start_script import env_file, script
from ernie_deploy.plan.values import Plan

NAME = "fastdeploy"
MODULE = "fastdeploy.entrypoints.openai.api_server"
# The order of the documented command, then the rest.
KEYS = ("max_model_len", "max_num_seqs", "port", "quantization", "reasoning_parser", "tool_call_parser",
        "mm_processor_kwargs", "served_model_name", "host", "metrics_port", "max_num_batched_tokens",
        "gpu_memory_utilization", "tensor_parallel_size", "limit_mm_per_prompt", "revision")  # fmt: skip
STAGES: tuple[Stage, ...] = (
    Stage("starting workers", r"Waiting for worker processes to be ready|Number of api-server workers"),
    Stage("loading weights", r"Loading Weights:\s+\d+%"),
    Stage("loading layers", r"Loading Layers:\s+\d+%"),
    Stage("profiling memory", r"Before running the profile|Worker processes are launched"),
    Stage("engine ready", r"FastDeploy LLM engine initialized|Launching chat completion service"),
    Stage("serving", r"Listening at: http|Application startup complete|Uvicorn running on"),
)
# The engine hands its model and log paths to a shell, unquoted.
SHELL_SAFE = re.compile(r"[A-Za-z0-9_./+=@-]+")
LINK = "model"


def launch(plan: Plan) -> Launch:
    """Exactly the documented command, plus what was asked for; ports and environment with it."""
    host = plan.host.value or "0.0.0.0"
    options = {"model": _model(plan), **_options(plan)}
    return Launch(
        engine=NAME,
        argv=(arguments.python(plan), "-m", MODULE, *arguments.words(options)),
        env=_environment(plan),
        secret_env={"FD_API_KEY": plan.api_key_file.value} if plan.api_key_file.value else {},
        links=_links(plan),
        working_dir=str(arguments.working_dir(plan)),
        log_dir=str(arguments.log_dir(plan)),
        ports=_ports(plan, host),
        base_url=arguments.base_url(plan, host),
        served_model=plan.served_model_name.value or _model(plan),
    )


def config_files(plan: Plan) -> tuple[File, ...]:
    """`fastdeploy.yaml` for --config, its environment and a start script.

    The parser drops every key that is not spelled with underscores, without a word, so all of them are.
    """
    started = launch(plan)
    document = {"model": _model(plan), **_options(plan)}
    header = "# FastDeploy launch config. Keys are spelled with underscores: FastDeploy drops others in silence.\n"
    content = header + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    argv = (arguments.python(plan), "-m", MODULE, "--config")
    return File("fastdeploy.yaml", content), env_file(started), script(started, argv, config="fastdeploy.yaml")


def _options(plan: Plan) -> dict[str, object]:
    return arguments.given(plan, KEYS) | plan.engine_args.value


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
    found = [Port(plan.port.value, "http", host)]
    if plan.metrics_port.value is not None:
        found.append(Port(plan.metrics_port.value, "metrics", "0.0.0.0"))
        return tuple(found)
    version = plan.engine_version.value or engines()[NAME].version
    for port in engines()[NAME].implicit_ports:
        if _release(version) < _release(port.until):
            found.append(Port(port.number, port.role, "0.0.0.0"))
    return tuple(found)


def _release(version: str) -> tuple[int, ...]:
    """`2.3.0-rc0` → (2, 3, 0): enough to know which side of a release a build stands on."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()
