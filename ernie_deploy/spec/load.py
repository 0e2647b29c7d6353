"""From a file, an environment and flags to layers. Whatever cannot be understood is named with its place.

Every refusal has the shape `deploy.yaml: port: expected an integer, got 'auto'`.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, get_args, get_type_hints

import msgspec
import yaml

from ernie_deploy.errors import SpecError, UsageError
from ernie_deploy.spec.schema import KEYS, PATTERNS_IN_WORDS, Spec, looks_secret

PREFIX = "ERNIE_DEPLOY_"
DEFAULT_FILE = "deploy.yaml"
# Set by us for other purposes; they are no keys of deploy.yaml.
RESERVED = ("ERNIE_DEPLOY_STATE", "ERNIE_DEPLOY_ENGINES", "ERNIE_DEPLOY_TOKEN", "ERNIE_DEPLOY_API_KEY")
MOST_BYTES = 1_000_000
STRUCTURED = ("mm_processor_kwargs", "limit_mm_per_prompt", "engine_args", "env")
LISTS = ("gpus", "ignore_checks")
WORDS = {"int": "an integer", "str": "text", "float": "a number", "bool": "true or false", "object": "a mapping",
         "array": "a list", "null": "nothing"}  # fmt: skip


class Wrong(NamedTuple):
    """What cannot be understood: the key, the way from there to the place (`.A`, `[0]`), and what stands there."""

    key: str
    rest: str
    reason: str
    value: object


def from_file(path: Path) -> Spec:
    """The layer of a deploy.yaml. Raises SpecError with the file, the key or the line, and what was expected."""
    document = parse(text_of(path), str(path))
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
    return decode(layer, "environment", strict=False, called=lambda key: f"environment: {PREFIX}{key.upper()}")


def from_text(key: str, text: str, place: str) -> object:
    """A value written on a command line or in a variable: JSON for a mapping, commas for a list, otherwise itself."""
    if key in LISTS:
        return [part.strip() for part in text.split(",") if part.strip()]
    if key not in STRUCTURED:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        got = "" if key == "env" and looks_secret(text) else f", got {text!r}"
        reason = f"{error.msg} at column {error.colno}"
        raise SpecError(f"{place}: expected JSON such as '{{\"image\": 4}}'{got} ({reason})") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, a thousand brackets
        raise SpecError(f"{place}: not JSON that can be read: {error}") from None


def decode(
    values: Mapping[str, object], place: str, *, strict: bool = True, called: Callable[[str], str] | None = None
) -> Spec:
    """`values` as one layer. `place` says where they stand; `strict=False` reads numbers and booleans from text.

    `called` gives the place of a key where it has a name of its own, such as a flag; else it is `place: key`.
    """
    for key in values:
        if key not in KEYS:
            raise SpecError(f"{place}: {key}: unknown key", hint=nearest(str(key), KEYS))
    try:
        spec = msgspec.convert(dict(values), Spec, strict=strict)
        wrong = _unusable(values)
    except msgspec.ValidationError as error:
        wrong = _explained(str(error), values, strict=strict)
    if wrong:
        where = called(wrong.key) if called else f"{place}: {wrong.key}"
        is_secret = wrong.key == "env" and looks_secret(f"{wrong.rest}{wrong.value!r}")
        got = "a value that is not shown" if is_secret else _shown(wrong.value)
        raise SpecError(f"{where}{wrong.rest}: {wrong.reason}, got {got}")
    return spec


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


def text_of(path: Path) -> str:
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


def _explained(message: str, values: Mapping[str, object], *, strict: bool) -> Wrong:
    """msgspec says ``Expected `int`, got `str` - at `$.port` ``; a person wants the key and the value."""
    found = re.search(r" - at (`key` in )?`\$\.(\w+)(.*)`$", message)
    if found is None:
        raise AssertionError(f"a refusal without a place: {message}")
    reason, key = message[: found.start()], found[2]
    rest, value = _culprit(key, found[3], values[key], strict=strict, is_key=bool(found[1]))
    return Wrong(key, rest, _reason_in_words(reason, key), value)


def _culprit(key: str, rest: str, value: object, *, strict: bool, is_key: bool) -> tuple[str, object]:
    """The way to what is wrong in the value of `key`, and the thing itself. Of a mapping msgspec says only `[...]`."""
    if index := re.fullmatch(r"\[(\d+)\]", rest):
        return rest, value[int(index[1])] if isinstance(value, list | tuple) else value
    if not isinstance(value, Mapping):
        return rest, value
    for name, item in value.items():
        try:
            msgspec.convert({key: {name: item}}, Spec, strict=strict)
        except msgspec.ValidationError:
            return ("", name) if is_key and not rest else (f".{name}", item)
    return "", value


def _reason_in_words(reason: str, key: str) -> str:
    if reason.startswith("Invalid enum value"):
        return f"expected one of {', '.join(_choices(get_type_hints(Spec, include_extras=True)[key]))}"
    for pattern, words in PATTERNS_IN_WORDS.items():
        if reason.endswith(f"matching regex {pattern!r}"):
            return f"expected {words}"
    reason = re.sub(r", got `\w+`$", "", reason)
    reason = re.sub(r"`([\w| ]+)`", lambda match: _in_words(match[1]), reason)
    return reason[0].lower() + reason[1:]


def _unusable(values: Mapping[str, object]) -> Wrong | None:
    """What has the right type and still cannot be passed on: no argv and no variable holds a NUL, no JSON a NaN."""
    todo = [(key, "", value) for key, value in values.items()]
    while todo:
        key, rest, value = todo.pop()
        if reason := _why_unusable(value):
            return Wrong(key, rest, reason, value)
        if isinstance(value, Mapping):
            todo += [(key, rest, name) for name in value]
            todo += [(key, f"{rest}.{name}", item) for name, item in value.items()]
        elif isinstance(value, list | tuple):
            todo += [(key, f"{rest}[{index}]", item) for index, item in enumerate(value)]
    return None


def _why_unusable(value: object) -> str:
    if isinstance(value, str):
        return "expected text without a NUL" if "\0" in value else ""
    if isinstance(value, float):
        return "" if math.isfinite(value) else "expected a finite number"
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**63 else "expected a number of at most 64 bits"
    is_json = value is None or isinstance(value, Mapping | list | tuple)
    return "" if is_json else "expected text, a number, a list or a mapping"


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
