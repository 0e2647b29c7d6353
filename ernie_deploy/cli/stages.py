"""The thinking stages in their order, for the commands that need several of them: layers → facts → plan → checks.

Everything heavy is imported inside functions: the commands that only look at a running deployment stay quick.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ernie_deploy.cli import ui
from ernie_deploy.cli.options import Asked
from ernie_deploy.errors import PreflightError

if TYPE_CHECKING:
    from ernie_deploy.checks.base import Result
    from ernie_deploy.engines.base import Launch
    from ernie_deploy.facts.values import Facts, ModelFacts
    from ernie_deploy.plan.layers import Layer
    from ernie_deploy.plan.resolve import Wanted
    from ernie_deploy.plan.values import Plan
    from ernie_deploy.serve.state import Store


# A host with hundreds of listeners and all its calibrations has less than 1 MiB of facts.
MOST_FACTS_BYTES = 32 << 20

NEEDED_NEXT = (
    "ernie_deploy.engines.registry",
    "ernie_deploy.engines.explain",
    "ernie_deploy.plan.resolve",
    "ernie_deploy.plan.assess",
    "ernie_deploy.plan.gate",
    "ernie_deploy.serve.calibrations",
    "rich.table",
)


class Planned(NamedTuple):
    """A plan, what it launches, and what it was made from."""

    plan: "Plan"
    launch: "Launch"
    facts: "Facts"
    layers: "tuple[Layer, ...]"
    asked: Asked


def planned(asked: Asked, *, facts_file: Path | None = None, import_engine: bool = False) -> Planned:
    """Spec → facts → plan → launch. With `facts_file` for the host it describes, else for this one.

    Cards that are asked for by name take the place of this host's.
    """
    from ernie_deploy.plan.layers import completed
    from ernie_deploy.plan.resolve import wanted

    layers = completed(asked_layers(asked))
    if asked.cards:
        return _with_cards_elsewhere(layers, asked, facts_file, import_engine=import_engine)
    facts = read_facts(facts_file) if facts_file else look(wanted(layers), import_engine=import_engine)
    return resolved(layers, facts, asked)


def _with_cards_elsewhere(
    layers: "tuple[Layer, ...]", asked: Asked, facts_file: Path | None, *, import_engine: bool
) -> Planned:
    import msgspec

    from ernie_deploy.cli.elsewhere import elsewhere
    from ernie_deploy.errors import UsageError
    from ernie_deploy.plan.resolve import wanted

    if facts_file:
        hint = "leave out --gpu, or choose one of its cards by the index"
        raise UsageError(f"--gpu {asked.cards[0]}: --facts {facts_file} has cards of its own", hint=hint)
    cards = elsewhere(asked.cards, layers)
    ui.say(f"for cards that are not here: {cards.told}; all else is this host's")
    facts = look(wanted(layers), import_engine=import_engine)
    return resolved((cards.layer, *layers), msgspec.structs.replace(facts, gpu=cards.gpu), asked)


def asked_layers(asked: Asked) -> "tuple[Layer, ...]":
    """What people asked for, strongest first: flags, environment, deploy.yaml."""
    from ernie_deploy.plan.layers import Layer
    from ernie_deploy.plan.layers import asked as layer
    from ernie_deploy.spec.load import DEFAULT_FILE, STRUCTURED, decode, from_environment, from_file, from_text
    from ernie_deploy.spec.schema import flag_of

    flags = dict(asked.flags)
    for key, value in flags.items():
        if key in STRUCTURED and isinstance(value, str):
            flags[key] = from_text(key, value, flag_of(key))
    layers: list[Layer] = [layer("flag", "{flag}", decode(flags, "command line", called=flag_of))]
    if asked.only_flags:
        return tuple(layers)
    layers.append(layer("environment", "ERNIE_DEPLOY_{variable}", from_environment(os.environ)))
    file = asked.file or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None)
    if file:
        layers.append(layer("file", f"{file}: {{key}}", from_file(file)))
    return tuple(layers)


def read_facts(path: Path) -> "Facts":
    """Facts of another host, as `check --json` prints them under "facts"."""
    import msgspec

    from ernie_deploy.errors import SpecError, UsageError
    from ernie_deploy.facts.values import Facts

    hint = "write them on that host: ernie-deploy facts > facts.json"
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_FACTS_BYTES + 1)
        if len(content) > MOST_FACTS_BYTES:
            raise SpecError(f"{path}: not the facts of a host: more than {MOST_FACTS_BYTES >> 20} MiB", hint=hint)
        return msgspec.convert(_printable(msgspec.json.decode(content)), Facts)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise SpecError(f"{path}: not the facts of a host: {error}", hint=hint) from None


def _printable(value: object) -> object:
    """The same without control characters: names in a file of another host could steer this terminal."""
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else "?" for letter in value)
    if isinstance(value, list):
        return [_printable(one) for one in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(one) for key, one in value.items()}
    return value


def check(made: Planned, *, only: Collection[str] = ()) -> "tuple[Result, ...]":
    """All checks on a plan; those the spec ignores are demoted."""
    from ernie_deploy.checks.base import Subject, run
    from ernie_deploy.checks.registry import CHECKS

    subject = Subject(made.plan, made.launch, made.facts)
    return run(CHECKS, subject, ignore=set(made.plan.ignore_checks.value), only=only)


def without_running(made: Planned, store: "Store") -> Planned:
    """The same plan on the host as it is without the processes of this deployment."""
    from ernie_deploy.facts.values import without

    pids = {one.pid for one in store.family()}
    return made._replace(facts=without(made.facts, pids)) if pids else made


def preflight(made: Planned, store: "Store") -> None:
    """Run the checks as if the deployment were stopped, and say what warns and fails. PreflightError when one fails."""
    results = check(without_running(made, store))
    failed = [result for result in results if result.status == "fail"]
    for result in results:
        if result.status in ("warn", "fail"):
            ui.finding(result.status, result.name, result.message, result.hint, to_stderr=True)
    if failed:
        names = ", ".join(result.name for result in failed)
        flags = " ".join(
            f"--ignore {name}" for name in (*made.plan.ignore_checks.value, *(result.name for result in failed))
        )
        raise PreflightError(f"failed checks: {names}", hint=f"mend them, or go on at your own risk with: {flags}")


def named(name: str | None) -> str:
    """The deployment that is meant: the named one, that of ./deploy.yaml, else the usual one.

    Raises UsageError for what is no name, lest it lead out of the state directory.
    """
    from ernie_deploy.errors import UsageError
    from ernie_deploy.spec.schema import DEFAULT_NAME, is_name

    if name is None:
        name = _written_name()
    if name is not None and not is_name(name):
        raise UsageError(f"--name: {name!r} is no name of a deployment", hint="letters, digits, '.', '_' and '-'")
    return name or DEFAULT_NAME


def _written_name() -> str | None:
    """The name in ./deploy.yaml, or that of its preset. Other keys may be wrong: a service must still be stoppable."""
    from ernie_deploy.catalog.load import presets
    from ernie_deploy.errors import SpecError, UsageError
    from ernie_deploy.spec.load import DEFAULT_FILE, parse, text_of

    path = Path(DEFAULT_FILE)
    if not path.exists():
        return None
    try:
        document = parse(text_of(path), str(path))
    except SpecError as error:
        raise UsageError(error.message, hint="name the deployment: --name NAME") from None
    preset = presets().get(str(document.get("preset")))
    given = preset.values.get("name") if preset else None
    name = document.get("name", given.value if given else None)
    return None if name is None else str(name)


def store_of(name: str) -> "Store":
    """The state directory of a deployment."""
    from ernie_deploy.serve.places import state_root
    from ernie_deploy.serve.state import Store

    return Store(state_root(os.environ) / name)


def look(need: "Wanted", *, import_engine: bool = False) -> "Facts":
    """The facts of this host: the interpreters and the model directory that the spec points at, and all the rest.

    Interpreters take a tenth of a second and more to answer, so all else is done meanwhile.
    """
    from concurrent.futures import ThreadPoolExecutor

    import msgspec

    from ernie_deploy.environments.locate import find
    from ernie_deploy.facts.collect import collect

    installed = find(need.engine, cpu=need.device == "cpu", version=need.engine_version)
    pythons = [(need.engine_python, "asked")] if need.engine_python else []
    pythons += [(str(installed.python), "installed")] if installed else []
    with ThreadPoolExecutor(max_workers=1) as pool:
        looking = pool.submit(collect, pythons=pythons, import_engine=need.engine if import_engine else "")
        models = _models(need)
        _make_ready(need.engine)
        found = looking.result()

    from ernie_deploy.serve import calibrations
    from ernie_deploy.serve.places import state_root

    return msgspec.structs.replace(found, models=models, calibrations=calibrations.read(state_root(os.environ)))


def _models(need: "Wanted") -> "tuple[ModelFacts, ...]":
    """The directory that is asked for, or the snapshot of the model that is."""
    import msgspec

    from ernie_deploy.weights.snapshot import inspect
    from ernie_deploy.weights.store import snapshot_of

    if need.model_is_directory:
        return (inspect(Path(need.model)),)
    snapshot = snapshot_of(need.model, need.revision)
    seen = [inspect(snapshot)] if snapshot else []
    return tuple(msgspec.structs.replace(one, id=need.model, revision=need.revision) for one in seen)


def _make_ready(engine: str) -> None:
    """Load what the plan needs next."""
    from importlib import import_module

    from ernie_deploy.catalog.flags import DESCRIBED_ENGINES, flags_of
    from ernie_deploy.catalog.load import reasons

    for module in NEEDED_NEXT:
        import_module(module)
    if engine in DESCRIBED_ENGINES:
        flags_of(engine)
        reasons()


def resolved(layers: "tuple[Layer, ...]", facts: "Facts", asked: Asked) -> Planned:
    """The plan of these layers on the host of these facts. Raises SpecError for a path that cannot be written down."""
    import msgspec

    from ernie_deploy.engines.registry import launch_of
    from ernie_deploy.errors import SpecError
    from ernie_deploy.plan.resolve import resolve
    from ernie_deploy.serve.places import state_root

    plan = resolve(layers, facts, state_root=state_root(os.environ))
    launch = launch_of(plan)
    try:
        msgspec.json.encode((plan, launch))
    except UnicodeEncodeError as error:
        # In a locale without UTF-8 every name with other letters is one.
        hint = "rename it, or use a locale with UTF-8: LC_ALL=C.UTF-8"
        raise SpecError(f"{error.object!a} is not UTF-8 text", hint=hint) from None
    return Planned(plan, launch, facts, layers, asked)


def name_flag(plan: "Plan") -> str:
    """How the deployment is named in a command that a hint gives; nothing for the usual one."""
    from ernie_deploy.spec.schema import DEFAULT_NAME

    return "" if plan.name == DEFAULT_NAME else f" --name {plan.name}"
