"""All engines, by name."""

from ernie_deploy.engines import fastdeploy, transformers, vllm
from ernie_deploy.engines.base import Engine, Launch
from ernie_deploy.plan.values import Plan

ENGINES: dict[str, Engine] = {
    "fastdeploy": fastdeploy,
    "vllm": vllm,
    "transformers": transformers,
}


def launch_of(plan: Plan) -> Launch:
    """What runs for this plan; every command that shows, starts or writes it goes through here."""
    return ENGINES[plan.engine.value].launch(plan)
