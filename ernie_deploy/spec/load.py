"""From a file, an environment and flags to layers. Whatever cannot be understood is named with its place.

Every refusal has the shape `deploy.yaml: port: expected an integer, got 'auto'`.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import yaml

from ernie_deploy.errors import SpecError, UsageError
from ernie_deploy.spec.schema import KEYS, Spec

PREFIX = "ERNIE_DEPLOY_"
DEFAULT_FILE = "deploy.yaml"
# Set by us for other purposes; they are no keys of deploy.yaml.
RESERVED = ("ERNIE_DEPLOY_STATE", "ERNIE_DEPLOY_ENGINES", "ERNIE_DEPLOY_TOKEN", "ERNIE_DEPLOY_API_KEY")
MOST_BYTES = 1_000_000
STRUCTURED = ("mm_processor_kwargs", "limit_mm_per_prompt", "engine_args", "env")
LISTS = ("gpus", "ignore_checks")
WORDS = {"int": "an integer", "str": "text", "float": "a number", "bool": "true or false", "object": "a mapping",
         "array": "a list", "null": "nothing"}  # fmt: skip


def from_file(path: Path) -> Spec:
    """The layer of a deploy.yaml. Raises SpecError with the file, the key or the line, and what was expected."""
    document = parse(_text(path), str(path))
    return decode(document, str(path))


def from_environment(environ: Mapping[str, str]) -> Spec:
    """The layer of the ERNIE_DEPLOY_* variables; mappings are JSON, lists are comma-separated."""
    layer: dict[str, object] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in KEYS:
            known = [PREFIX + key.upper() for key in KEYS]
            raise SpecError(f"environment: {name}: unknown variable", hint=nearest(name, known))
        layer[key] = from_text(key, text, f"environment: {name}")
    return decode(layer, "environment", strict=False)


def from_text(key: str, text: str, place: str) -> object:
    """A value written on a command line or in a variable: JSON for a mapping, commas for a list, otherwise itself."""
    if key in LISTS:
        return [part.strip() for part in text.split(",") if part.strip()]
    if key not in STRUCTURED:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(
            f"{place}: expected JSON such as '{{\"image\": 4}}', got {text!r} ({error.msg} at column {error.colno})"
        ) from None


def decode(values: Mapping[str, object], place: str, *, strict: bool = True) -> Spec:
    """`values` as one layer. `place` says where they stand; `strict=False` reads numbers and booleans from text."""
    for key in values:
        if key not in KEYS:
            raise SpecError(f"{place}: {key}: unknown key", hint=nearest(str(key), KEYS))
    try:
        return msgspec.convert(dict(values), Spec, strict=strict)
    except msgspec.ValidationError as error:
        raise SpecError(f"{place}: {_explained(str(error), values)}") from None


def parse(text: str, place: str) -> dict[str, object]:
    """The mapping in a YAML text; an empty text is an empty mapping."""
    try:
        _refuse_ambiguity(text, place)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SpecError(
            f"{place}{line}: {error.problem}", hint="`ernie-deploy init` writes a file that works"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"{place}: not YAML: {error}", hint="`ernie-deploy init` writes a file that works") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SpecError(f"{place}: expected keys and values, got {_shown(document)}")
    return document


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the closest of `known`, or all of them when none is close."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else "known are: " + ", ".join(names)


def _refuse_ambiguity(text: str, place: str) -> None:
    """A key that stands twice would win silently, and a bomb of aliases is small on disk and endless in memory."""
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken):
            raise SpecError(f"{place}:{token.start_mark.line + 1}: an alias (*name) is not supported, write the value")
    open_nodes = [yaml.compose(text, Loader=yaml.SafeLoader)]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            open_nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                open_nodes.append(value)
                if str(key.value) in seen:
                    raise SpecError(f"{place}:{key.start_mark.line + 1}: {key.value}: this key stands here twice")
                seen.add(str(key.value))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SpecError(f"{path}: larger than {MOST_BYTES} bytes, so it is no deploy.yaml")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist", hint="`ernie-deploy init` writes one") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _explained(message: str, values: Mapping[str, object]) -> str:
    """msgspec says ``Expected `int`, got `str` - at `$.port` ``; a person wants the key and the value."""
    found = re.search(r" - at (?:`key` in )?`\$\.?(.*)`$", message)
    path = found[1].replace("[...]", "") if found else ""
    reason = message[: found.start()] if found else message
    key = re.split(r"[.\[]", path, maxsplit=1)[0]
    if reason.startswith("Invalid enum value"):
        reason = f"expected one of {', '.join(_choices(get_type_hints(Spec, include_extras=True)[key]))}"
    else:
        reason = re.sub(r", got `\w+`$", "", reason)
        reason = re.sub(r"`([\w| ]+)`", lambda match: _in_words(match[1]), reason)
        reason = reason[0].lower() + reason[1:]
    return f"{path}: {reason}, got {_shown(values.get(key))}"


def _choices(type_: object) -> tuple[str, ...]:
    """Every literal text that a type of the schema allows, however deep it stands."""
    return tuple(
        choice for part in get_args(type_) for choice in ((part,) if isinstance(part, str) else _choices(part))
    )


def _in_words(types: str) -> str:
    return " or ".join(WORDS.get(name, name) for name in types.split(" | "))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
