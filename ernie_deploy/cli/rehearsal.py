"""What a rehearsal asks for, and its steps after the start: smoke, a picture, and a clean end."""

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked
from ernie_deploy.cli.simulated import make_if_needed
from ernie_deploy.cli.stages import Planned, name_flag
from ernie_deploy.errors import PreflightError, UsageError

if TYPE_CHECKING:
    from ernie_deploy.report import Report
    from ernie_deploy.serve.state import Store

ENGINES = ("transformers", "vllm", "fastdeploy")
REHEARSAL_NAME = "rehearsal"

NO_VARIABLES: Mapping[str, str] = {}
"""Whose key stands in the environment is the real deployment; a rehearsal has the key of its own plan, or none."""


def as_rehearsal(asked: Asked) -> Asked:
    """The same question about the rehearsal model; --engine chooses which of its engines.

    deploy.yaml and the environment speak about the real deployment, so only flags count.
    """
    if asked.file or "preset" in asked.flags:
        raise UsageError("a rehearsal has a spec of its own", hint="leave out --file and --preset; --engine chooses")
    engine = str(asked.flags.get("engine", ENGINES[0]))
    if engine not in ENGINES:
        raise UsageError(f"a rehearsal cannot run {engine} on a CPU", hint=f"--engine {' or '.join(ENGINES)}")
    return Asked(None, {**asked.flags, "preset": f"rehearsal-{engine}", "engine": engine}, only_flags=True)


def refuse_to_disturb(store: "Store") -> None:
    """A rehearsal ends by stopping and forgetting, so it never begins where something runs or has run for real."""
    name = store.directory.name
    if store.family():
        raise PreflightError(f"{name!r} is running", hint=f"stop it first: ernie-deploy down --name {name}")
    if name != REHEARSAL_NAME and (store.engine_log.exists() or store.read() is not None or store.is_damaged()):
        raise PreflightError(f"{name!r} is a deployment with logs of its own", hint="give the rehearsal another --name")


def make_environment(asked: Asked) -> bool:
    """Make the engine's environment, unless it is there or an interpreter was named; whether it was made."""
    from ernie_deploy.cli.environments import install_engine
    from ernie_deploy.environments.locate import find

    engine = str(asked.flags["engine"])
    if engine == "fastdeploy":
        return make_if_needed(asked)
    if "engine_python" not in asked.flags and find(engine, cpu=True) is None:
        ui.say_heading(f"Environment of {engine}")
        install_engine(engine, cpu=True, python=None, force=False, dry_run=False, as_json=False)
        return True
    return False


@contextlib.contextmanager
def taken_down(made: Planned, store: "Store", *, keep: bool) -> Iterator[None]:
    """Whatever happens inside, nothing keeps running, unless all went well and it is to be kept."""
    from ernie_deploy.serve.down import take_down

    went_well = False
    try:
        yield
        went_well = True
    finally:
        if not (keep and went_well):
            take_down(store, grace_s=made.plan.stop_grace_s.value)


def smoke(made: Planned, tier: str, *, as_json: bool) -> "Report":
    """The probes of that tier, the rehearsal model being held to its exact words."""
    from ernie_deploy.cli import reporting, smoking
    from ernie_deploy.serve.service import address_of

    wanted = smoking.known_of(made.launch, made.plan, smoking.Wanted(expect="rehearsal", tier=smoking.tier(tier)))
    report = smoking.probe(address_of(made.launch, NO_VARIABLES), wanted)
    reporting.show(report, as_json=as_json)
    return report


def show_a_picture(made: Planned) -> None:
    """Draw a picture that nobody has seen, ask about it, print what the model thinks and answers."""
    from ernie_deploy.cli.asking import print_streamed
    from ernie_deploy.client import Client, image_part
    from ernie_deploy.rehearsal.grammar import COLOUR_QUESTIONS, COLOURS
    from ernie_deploy.serve.service import address_of
    from ernie_deploy.smoke.pictures import colour_field

    rng = random.SystemRandom()
    colour, question = rng.choice(sorted(COLOURS)), COLOUR_QUESTIONS[0]
    picture = colour_field(colour, random.Random(rng.randrange(1 << 31)))
    ui.out(f"drawn just now: 224 × 224, {colour}, with noise.  asked: {question}")
    content = [image_part(picture), {"type": "text", "text": question}]
    request = {"messages": [{"role": "user", "content": content}], "max_tokens": 256, "temperature": 0}
    with Client(address_of(made.launch, NO_VARIABLES)) as client:
        print_streamed(client.stream(request))


def conclude(made: Planned, store: "Store", report: "Report", *, keep: bool) -> None:
    """Say how it went. A green rehearsal leaves nothing behind; a red one leaves its log."""
    from ernie_deploy.cli.reporting import require_success

    require_success(report)
    if keep:
        flag = name_flag(made.plan)
        ui.say(f"it goes on at {made.launch.base_url}: ernie-deploy ask{flag} …, then: ernie-deploy down{flag}")
        return
    store.remove()
    simulated = " (FastDeploy was simulated)" if made.plan.engine.value == "fastdeploy" else ""
    ui.say(f"rehearsed: the whole path works here, and nothing of it is left{simulated}")
