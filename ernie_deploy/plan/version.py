"""What the planned version of the engine would not take: flags, values, parsers, and values that it asserts together.

FastDeploy tells of most of this only after minutes of loading, and of some of it never.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ernie_deploy.catalog.flag_values import Unmet, unmet, value_problems
from ernie_deploy.catalog.flags import (
    DESCRIBED_ENGINES,
    EngineFlags,
    Flag,
    flags_of,
    holds,
    is_newer,
    nearest_flag,
)
from ernie_deploy.catalog.load import engines, models
from ernie_deploy.plan.values import Plan, Setting
from ernie_deploy.spec.load import nearest
from ernie_deploy.spec.schema import KEYS

ASKED = ("flag", "environment", "file")
PARSERS = {"reasoning_parser": "reasoning_parser_plugin", "tool_call_parser": "tool_parser_plugin"}
# Kinds that have no way to say no on a command line; false means that the flag is left out.
LEFT_OUT = ("switch", "truthy")
LISTS = {"fastdeploy": "docs/reference/fastdeploy-flags.md has all", "vllm": "`vllm serve --help=all` shows all"}


class Known(NamedTuple):
    """The facts about the engine of a plan and the version that they are asked for."""

    facts: EngineFlags
    version: str

    @property
    def is_newer(self) -> bool:
        """Such a version may have flags and parsers that nobody has told us about."""
        return is_newer(self.facts.engine, self.version)


def unaccepted(plan: Plan, model: str) -> Iterator[tuple[str, str]]:
    """Messages and hints, nothing for an engine whose flags are not described. `model` is its id in the catalog."""
    name = plan.engine.value
    if name not in DESCRIBED_ENGINES:
        return
    known = Known(flags_of(name), plan.engine_version.value or engines()[name].version)
    yield from _settings(plan, known)
    yield from _arguments(plan, known)
    yield from _parsers(plan, known, model)
    for broken in unmet(known.facts, _values(plan), known.version):
        yield f"{_place(plan, broken)}: {broken.message}", f"change one of: {', '.join(broken.names)}"


def _settings(plan: Plan, known: Known) -> Iterator[tuple[str, str]]:
    """The keys of deploy.yaml that are flags of the engine."""
    for key, setting in _given(plan).items():
        flag = known.facts.named(key)
        if flag is None:
            continue
        if absent := known.facts.why_absent(key, known.version):
            yield f"{setting.origin}: {absent}", f"leave {key} out, or plan for another engine_version"
        elif key == "max_num_seqs" and flag.most and setting.value > flag.most:
            limit = f"{known.facts.engine} takes at most {flag.most:.0f}"
            yield f"{setting.origin}: {setting.value} is too much: {limit}", "choose a smaller value"
        elif not (key == "quantization" and setting.value == "bf16"):
            for problem in value_problems(flag, setting.value):
                yield f"{setting.origin}: {problem}", flag.if_wrong or "write a value of that kind"


def _arguments(plan: Plan, known: Known) -> Iterator[tuple[str, str]]:
    """What is passed through as it is."""
    seen: dict[str, str] = {}
    for key, value in plan.engine_args.value.items():
        place = plan.engine_args.place_of(key)
        flag = known.facts.named(key)
        name = flag.name if flag else key.replace("-", "_")
        if name in seen:
            yield f"{place}: this is {seen[name]} once more", "give it once"
        elif flag is None or not holds(flag, known.version):
            if flag or not known.is_newer:
                yield f"{place}: {known.facts.why_absent(key, known.version)}", _nearest(key, flag, known)
        elif not (value is False and flag.kind in LEFT_OUT):
            for problem in value_problems(flag, value):
                yield f"{place}: {problem}", flag.if_wrong or "write a value of that kind"
        seen[name] = key


def _nearest(key: str, flag: Flag | None, known: Known) -> str:
    if flag:
        return "leave it out, or plan for a version that has it: engine_version"
    close = nearest_flag(key, known.facts.engine, known.version)
    if close in KEYS:
        return f"did you mean {close}? It is a key of its own"
    return f"did you mean {close}?" if close else LISTS[known.facts.engine]


def _parsers(plan: Plan, known: Known, model: str) -> Iterator[tuple[str, str]]:
    """A wrong name kills the start late: FastDeploy looks it up in its workers."""
    plugins = {key.replace("-", "_") for key in plan.engine_args.value}
    for flag, plugin in PARSERS.items():
        setting: Setting[str | None] = getattr(plan, flag)
        if setting.value is None or plugin in plugins or setting.source not in ASKED:
            continue  # what the catalog says of a version too old for it is judged by the checks
        missing = known.facts.why_no_parser(flag, setting.value, known.version)
        if missing and not (known.is_newer and not _is_known_elsewhere(setting.value, known)):
            yield f"{setting.origin}: {missing}", _parser_hint(flag, setting.value, known, model)


def _is_known_elsewhere(name: str, known: Known) -> bool:
    """Another engine's parser is wrong in the newest version too."""
    others = (flags_of(engine) for engine in DESCRIBED_ENGINES if engine != known.facts.engine)
    return any(parser.name == name for facts in others for parser in facts.parsers)


def _parser_hint(flag: str, name: str, known: Known, model: str) -> str:
    documented = models()[model].serve.get(known.facts.engine, {}).get(flag)
    if documented and not known.facts.why_no_parser(flag, str(documented.value), known.version):
        return f"{known.facts.engine} calls this model's {flag.replace('_', ' ')} {documented.value}"
    return nearest(name, known.facts.parser_names(flag, known.version))


def _given(plan: Plan) -> dict[str, Setting[Any]]:
    """The settings that are said to the engine."""
    keys = [key for key in engines()[plan.engine.value].settings if getattr(plan, key).value is not None]
    return {key: getattr(plan, key) for key in keys} | {"port": plan.port}


def _values(plan: Plan) -> Mapping[str, object]:
    settings = {key: setting.value for key, setting in _given(plan).items()}
    return {**plan.env.value, **settings, **plan.engine_args.value}


def _place(plan: Plan, broken: Unmet) -> str:
    """Where the first of the values was asked for; of those that nobody asked for, where the first comes from."""
    places = [place for name in broken.names for place in _places(plan, name)]
    asked = [place for place, source in places if source in ASKED]
    return asked[0] if asked else places[0][0] if places else "engine default"


def _places(plan: Plan, name: str) -> Iterator[tuple[str, str]]:
    setting = _given(plan).get(name)
    if setting:
        yield setting.origin, setting.source
    for mapping in (plan.engine_args, plan.env):
        for key in mapping.value:
            if key.replace("-", "_") == name:
                yield mapping.place_of(key), mapping.source
