"""A file's text as a Reading: its kind by its content, and every launch in it."""

import re
from collections.abc import Mapping
from typing import Literal

from ernie_deploy.catalog.flags import flags_of
from ernie_deploy.catalog.load import engines
from ernie_deploy.errors import SpecError
from ernie_deploy.lint import containers, scripts, units
from ernie_deploy.lint.launches import Versions, pins
from ernie_deploy.lint.options import engines_of, keys
from ernie_deploy.lint.text import Text, whole
from ernie_deploy.lint.values import Engine, Install, Launch, Option, Reading, Word
from ernie_deploy.lint.yaml_nodes import MOST_CHARACTERS, Document, documents, too_long
from ernie_deploy.spec.schema import KEYS

Kind = Literal["shell", "arguments", "env", "unit", "compose", "kubernetes", "fastdeploy-yaml", "vllm-yaml"]
KINDS: tuple[Kind, ...] = (
    "shell", "arguments", "env", "unit", "compose", "kubernetes", "fastdeploy-yaml", "vllm-yaml",
)  # fmt: skip
YAML_KINDS = ("compose", "kubernetes", "fastdeploy-yaml", "vllm-yaml")
MOST_LAUNCHES = 1000
NAMES = ("fastdeploy", "vllm", "FastDeploy", "vLLM")
ENGINE = re.compile(r"fastdeploy|vllm|paddlepaddle", re.IGNORECASE)
SECTION = re.compile(r"^\[(?:Unit|Service|Install|Container)\][ \t]*\r?$", re.MULTILINE)
YAML_LINE = re.compile(r"(?:---|%YAML|- |[\"']?[A-Za-z_][\w.-]*[\"']?[ \t]*:(?:\s|$)|\{\s*[\"'\n])")
ENV_LINE = re.compile(r"(?:export[ \t]+)?[A-Za-z_]\w*=")
STARTS = re.compile(r"-m\s+(?:fastdeploy|vllm)\.|\b(?:fastdeploy|vllm)\s+serve\b")
ARGUMENT_LINE = re.compile(r"-{1,2}[A-Za-z][\w-]*(?:[ =]|$)")
# The keys of which one alone tells the engine of a launch YAML.
TELLING: tuple[tuple[Engine, re.Pattern[str]], ...] = (
    ("fastdeploy", re.compile(r"ernie-45-vl|wint[248]|_port:|^load[-_]choices:", re.MULTILINE)),
    ("vllm", re.compile(r"ernie45|trust[-_]remote[-_]code:|enable[-_]auto[-_]tool[-_]choice:")),
)


def read(path: str, characters: str, kind: Kind | None = None, versions: Mapping[Engine, str] | None = None) -> Reading:
    """Everything in this text that starts FastDeploy or vLLM. Raises SpecError for what cannot be read."""
    names_engine = any(name in characters for name in NAMES) or ENGINE.search(characters) is not None
    usual: dict[Engine, str] = {"fastdeploy": engines()["fastdeploy"].version, "vllm": engines()["vllm"].version}
    known = Versions(versions or {}, pins(characters) if names_engine else {}, usual)
    text = whole(characters)
    is_forced = kind is not None
    kind = kind or detected(path, characters, known)
    launches: list[Launch] = []
    installs: list[Install] = []
    if kind not in YAML_KINDS and not names_engine and kind not in ("arguments", "env"):
        return Reading(path, kind, characters, (), ())
    if kind not in YAML_KINDS and len(characters) > MOST_CHARACTERS:
        raise too_long(path, characters)
    if kind in YAML_KINDS:
        kind, launches = _from_yaml(path, text, kind, is_forced, known)
    elif kind == "unit":
        launches = units.launches(text, known, characters)
    elif kind == "env":
        launches = scripts.variables(text, known, characters)
    elif kind == "arguments":
        launches = scripts.arguments(text, known, characters)
    else:
        installs = scripts.installs(text)
        launches = scripts.launches(text, known, characters)
    _few_enough(launches, path)
    return Reading(path, kind, characters, tuple(launches), tuple(installs), "\r\n" in characters)


def _few_enough(launches: list[Launch], path: str) -> None:
    if len(launches) > MOST_LAUNCHES:
        raise SpecError(f"{path}: more than {MOST_LAUNCHES} launches are not judged", hint="split the file")


def detected(path: str, characters: str, versions: Versions) -> Kind:
    """The kind of file that this text is."""
    if characters.startswith("#!"):
        return "shell"
    if SECTION.search(characters):
        return "unit"
    significant = [line.strip() for line in characters[:20_000].splitlines() if line.strip()[:1] not in ("", "#")]
    first = significant[0] if significant else ""
    if path.endswith((".yaml", ".yml", ".json")) or (YAML_LINE.match(first) and not path.endswith(".sh")):
        return _yaml_kind(path, characters, versions)
    if ARGUMENT_LINE.match(first):
        return "arguments"
    if significant and all(ENV_LINE.match(line) for line in significant) and not STARTS.search(characters):
        return "env"
    return "shell"


def _yaml_kind(path: str, characters: str, versions: Versions) -> Kind:
    if re.search(r"^[\"']?services[\"']?:", characters, re.MULTILINE):
        return "compose"
    if re.search(r"^\s*[\"']?apiVersion[\"']?:", characters, re.MULTILINE):
        return "kubernetes"
    return "vllm-yaml" if _engine_of(path, characters, versions) == "vllm" else "fastdeploy-yaml"


def _engine_of(path: str, characters: str, versions: Versions) -> Engine:
    """Whose launch YAML this is: by values only one engine has, by the name of the file, by the keys' spelling."""
    characters = characters[:MOST_CHARACTERS]
    told = {engine for engine, mark in TELLING if mark.search(characters)}
    if len(told) == 1:
        return told.pop()
    name = path.rpartition("/")[2].lower() + characters[:200].lower()
    if ("vllm" in name) != ("fastdeploy" in name):
        return "vllm" if "vllm" in name else "fastdeploy"
    names = re.findall(r"^([A-Za-z_][\w-]*):", characters, re.MULTILINE)
    known = engines_of(names, versions.plain())
    if known["vllm"] != known["fastdeploy"]:
        return "vllm" if known["vllm"] > known["fastdeploy"] else "fastdeploy"
    is_dashed = any("-" in one for one in names) and not any("_" in one for one in names)
    return "vllm" if is_dashed else "fastdeploy"


def _from_yaml(path: str, text: Text, kind: Kind, is_forced: bool, versions: Versions) -> tuple[Kind, list[Launch]]:
    """Only the documents that could hold a launch are parsed: a stream of manifests may be long."""
    is_launch = kind in ("fastdeploy-yaml", "vllm-yaml")
    source = text.characters
    found: list[Launch] = []
    for document in documents(text, path, None if is_launch else ENGINE):
        if kind == "compose":
            found += containers.compose(document, versions, source)
        elif kind == "kubernetes":
            found += containers.kubernetes(document, versions, source)
            found += _from_config_maps(document, versions, source)
            _few_enough(found, path)
        elif document.root.kind != "mapping":
            raise SpecError(
                f"{path}: not a mapping: a launch config has keys such as max_model_len, this is a "
                f"{'list' if document.root.kind == 'list' else 'single value'}",
                hint="lint knows more kinds of files: see --kind in `ernie-deploy lint --help`",
            )
        else:
            engine: Engine = "vllm" if kind == "vllm-yaml" else "fastdeploy"
            options = keys(engine, document)
            if not is_forced and _is_ours(options):
                raise SpecError(
                    f"{path}: this is a deploy.yaml of ernie-deploy, no launch of an engine",
                    hint=f"lint what is made of it: ernie-deploy config --file {path} --out DIR",
                )
            if is_forced or any(one.flag for one in options):
                found.append(from_keys(engine, options, versions, source))
    return kind, found


def _is_ours(options: tuple[Option, ...]) -> bool:
    """Whether these are the keys of a deploy.yaml: all of them ours, and one that no engine has."""
    names = {one.name.text for one in options}
    return names <= set(KEYS) and any(one.flag is None for one in options)


def _from_config_maps(document: Document, versions: Versions, source: str) -> list[Launch]:
    found: list[Launch] = []
    for name, node in containers.config_texts(document):
        if node.text is None or not ENGINE.search(name + node.text.characters):
            continue
        inner = detected(name, node.text.characters, versions)
        if inner in ("fastdeploy-yaml", "vllm-yaml"):
            for one in documents(node.text, name):
                engine: Engine = "vllm" if inner == "vllm-yaml" else "fastdeploy"
                options = keys(engine, one) if one.root.kind == "mapping" else ()
                if any(option.flag for option in options):
                    found.append(from_keys(engine, options, versions, source))
        elif inner == "shell":
            found += scripts.launches(node.text, versions, source, is_env_open=True)
    return found


def from_keys(engine: Engine, options: tuple[Option, ...], versions: Versions, source: str) -> Launch:
    """The launch that a YAML given to --config describes; its environment is elsewhere."""
    version, is_assumed, word = versions.of(engine)
    head = options[0].name if options else Word("", 0, 0)
    return Launch(
        engine=engine,
        form="yaml",
        head=head,
        options=options,
        strays=(),
        environment=(),
        version=version,
        is_assumed=is_assumed,
        given_version=word,
        is_env_open=True,
        source=source,
    )


def described_versions() -> dict[Engine, tuple[str, ...]]:
    """The versions whose facts are known, by engine."""
    return {"fastdeploy": flags_of("fastdeploy").versions, "vllm": flags_of("vllm").versions}
