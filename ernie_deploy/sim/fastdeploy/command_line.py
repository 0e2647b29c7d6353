"""FastDeploy's command line, made from the catalog's flags of one version, with every trap of its YAML.

What argparse refuses ends with exit 2, as there. What its YAML drops or keeps raw is dropped or kept raw here.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ernie_deploy.catalog.flags import Flag, default_of, flags_of

PROGRAM = "api_server.py"


class CommandLine(NamedTuple):
    """The values by their dest, and what FastDeploy would log about its YAML (nobody is told of dropped keys)."""

    values: dict[str, Any]
    logged: tuple[str, ...]
    dropped: tuple[str, ...]


class YamlError(Exception):
    """The file given with --config cannot be used; the text is a traceback's last line."""


def parse(argv: Sequence[str], version: str) -> CommandLine:
    """Raises SystemExit(2) as argparse does, YamlError for a file that is no mapping."""
    flags = flags_of("fastdeploy").of(version)
    parser = _parser(flags, version)
    path, rest = _config_of(argv)
    document = _read(path) if path else {}
    by_name = {flag.name: flag for flag in flags}
    given, logged = {}, []
    for name, value in document.items():
        flag = by_name.get(str(name))
        if flag is None:
            continue
        given[flag.name], problem = _converted(flag, value)
        logged += [problem] if problem else []
    # A namespace that is filled beforehand: choices are not looked at, and what appends is added to what is there.
    values = vars(parser.parse_args(rest, argparse.Namespace(**given)))
    values["config"] = path
    early = values.get("early_stop_config")
    if isinstance(early, Mapping) and "enable_early_stop" in early:
        values["enable_early_stop"] = early["enable_early_stop"]
    dropped = tuple(str(name) for name in document if name not in by_name)
    return CommandLine(values, tuple(logged), dropped)


def _parser(flags: Sequence[Flag], version: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM)
    for flag in flags:
        if flag.name == "config":
            parser.add_argument("--config", help=flag.says)
            continue
        shared: dict[str, Any] = {"dest": flag.name, "default": default_of(flag, version), "help": _help(flag)}
        if flag.kind == "switch":
            parser.add_argument(flag.option, *flag.aliases, action="store_true", **shared)
        elif flag.kind == "pair":
            parser.add_argument(flag.option, *flag.aliases, action=argparse.BooleanOptionalAction, **shared)
        elif flag.kind == "append":
            parser.add_argument(flag.option, *flag.aliases, action="append", **shared)
        else:
            shared |= {"type": _types(flag), "choices": flag.choices or None}
            shared |= {"nargs": "+"} if flag.kind in ("texts", "integers") else {}
            parser.add_argument(flag.option, *flag.aliases, **shared)
    return parser


def _help(flag: Flag) -> str:
    # argparse takes a percent sign for one of its own placeholders.
    return flag.says.replace("%", "%%")


def _types(flag: Flag) -> Any:
    if flag.name == "quantization":
        return _quantization
    return {
        "integer": int,
        "integers": int,
        "number": float,
        "json": json.loads,
        "comma": _comma,
    }.get(flag.kind, str)


def _quantization(text: str) -> Any:
    """JSON, or a bare name, which stands for {"quantization": name}."""
    try:
        value = json.loads(text)
    except ValueError:
        return {"quantization": text}
    return value if isinstance(value, dict) else {"quantization": text}


def _comma(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _config_of(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    first = argparse.ArgumentParser(prog=PROGRAM, add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    known, rest = first.parse_known_args(argv)
    return known.config, rest


def _read(path: str) -> Mapping[str, Any]:
    try:
        document = yaml.load(Path(path).read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise YamlError(f"FileNotFoundError: [Errno {error.errno}] {error.strerror}: '{path}'") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise YamlError(f"yaml.scanner.ScannerError: {error}") from None
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise YamlError(f"AttributeError: '{type(document).__name__}' object has no attribute 'items'")
    return document


def _converted(flag: Flag, value: Any) -> tuple[Any, str]:
    """A scalar goes through the flag's type; what does not fit is logged and kept as it is."""
    if flag.kind in ("switch", "pair") or value is None or isinstance(value, dict | list):
        return value, ""
    if flag.kind == "append":
        return [str(value)], ""
    if flag.kind in ("texts", "integers"):
        return [value], ""
    try:
        return _types(flag)(value if isinstance(value, str) else _as_text(flag, value)), ""
    except (ValueError, TypeError) as error:
        return value, f"Error converting '{flag.name}' with value '{value}': {error}"


def _as_text(flag: Flag, value: Any) -> Any:
    """`int(3.0)` works on the number itself; JSON and names want a text."""
    return value if flag.kind in ("integer", "number") else str(value)
