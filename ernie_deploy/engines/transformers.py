"""transformers: `transformers serve` in module form. It reads no config file: a start script it is."""

from collections.abc import Mapping
from pathlib import PurePath

from ernie_deploy.engines import arguments
from ernie_deploy.engines.base import NO_KEYS, File, Launch, Port, Stage
from ernie_deploy.engines.start_script import env_file, script
from ernie_deploy.plan.values import Plan

NAME = "transformers"
MODULE = "transformers.cli.transformers"
KEYS = ("host", "port", "trust_remote_code", "quantization")
STAGES: tuple[Stage, ...] = (
    Stage("loading weights", r"(?:Loading weights|Loading checkpoint shards)(?::\s+(?P<percent>\d+)%)?"),
    Stage("serving", r"Application startup complete|Uvicorn running on"),
)


def launch(plan: Plan) -> Launch:
    """`transformers serve` pinned to one model. The spelling of a directory becomes the model's only name,
    so the weights are linked into the working directory under the served name."""
    host = plan.host.value or "127.0.0.1"
    name = _model(plan)
    path = plan.model_path.value
    return Launch(
        engine=NAME,
        argv=(arguments.python(plan), "-m", MODULE, "serve", name, *arguments.words(_flags(plan))),
        env={"DO_NOT_TRACK": "1", **arguments.hub_environment(plan), **arguments.card_environment(plan),
             **plan.env.value},
        secret_env={},
        links={name: path} if path else {},
        working_dir=str(arguments.working_dir(plan)),
        log_dir="",
        ports=(Port(plan.port.value, "http", host),),
        base_url=arguments.base_url(plan, host),
        served_model=name,
    )  # fmt: skip


def config_files(plan: Plan, keys: Mapping[str, str] = NO_KEYS) -> tuple[File, ...]:
    """Its environment and a start script with the flags."""
    started = launch(plan)
    return env_file(started, keys), script(started, started.argv, without=keys)


def options(plan: Plan) -> dict[str, object]:
    """Every flag by its name; the model is no flag."""
    return {"model": _model(plan), **_flags(plan)}


def _model(plan: Plan) -> str:
    path = plan.model_path.value
    return plan.served_model_name.value or (PurePath(path).name if path else plan.model.value)


def _flags(plan: Plan) -> dict[str, object]:
    fixed = {"device": plan.device.value, "dtype": "bfloat16"}
    return arguments.given(plan, KEYS) | fixed | plan.engine_args.value
