"""Write ernie_deploy/catalog/engine_flags/vllm.yaml from an installed vLLM, so that no flag is guessed.

python scripts/vllm_flags.py PYTHON            write it; PYTHON is the interpreter that has vLLM
python scripts/vllm_flags.py PYTHON --check    only say whether the file is what that vLLM makes; exit code 1 if not

Names, groups, choices and defaults come from `vllm serve --help=all`. The help does not tell a number from a text, so
vLLM's own parser is asked what it makes of "7", "0.5", "1k" and of JSON. vLLM's sentences are not copied.
"""

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ernie_deploy.files import write_atomically

FILE = Path(__file__).resolve().parents[1] / "ernie_deploy" / "catalog" / "engine_flags" / "vllm.yaml"
HEADER = """\
# vLLM's command line, written by scripts/vllm_flags.py from an installed vLLM. Edit the script, not this file.
"""
# What the help cannot tell. Every flag has an answer: the type that each of the texts becomes, "" when it is refused.
PROBE = """
import json, sys
from argparse import ArgumentTypeError
import vllm
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.reasoning import ReasoningParserManager
from vllm.utils.argparse_utils import FlexibleArgumentParser

def becomes(kind, text):
    try:
        return type(text if kind is None else kind(text)).__name__
    except (ValueError, TypeError, KeyError, ArgumentTypeError):
        return ""

actions = make_arg_parser(FlexibleArgumentParser())._actions
texts = ("7", "0.5", "x", "1k", '{"a": 1}')
json.dump({
    "version": vllm.__version__,
    "reasoning": ReasoningParserManager.list_registered(),
    "types": {one.dest: [becomes(one.type, text) for text in texts] for one in actions},
}, open(sys.argv[1], "w"))
"""
SECRET = ("api_key", "hf_token")
VARIABLES = (
    {"name": "VLLM_API_KEY", "is_secret": True, "says": "the key that requests under /v1 must show"},
    {"name": "VLLM_NO_USAGE_STATS", "default": "0", "says": "1 sends no usage statistics"},
    {"name": "DO_NOT_TRACK", "default": "0", "says": "1 sends no usage statistics"},
    {"name": "VLLM_CACHE_ROOT", "unset": "~/.cache/vllm", "says": "where compiled code is kept"},
    {"name": "TMPDIR", "says": "where its sockets are made"},
    {"name": "SPT_NOENV", "says": "any text: renaming its processes leaves their environment readable"},
    {"name": "HF_HOME", "unset": "~/.cache/huggingface", "says": "where the hub client keeps downloads and code"},
    {"name": "HF_HUB_OFFLINE", "default": "0", "says": "1 asks no hub"},
    {"name": "TRANSFORMERS_OFFLINE", "default": "0", "says": "1 asks no hub"},
    {"name": "HF_HUB_DISABLE_UPDATE_CHECK", "says": "1 does not ask for newer versions of the hub client"},
    {"name": "HF_TOKEN", "is_secret": True, "says": "the key of the hub"},
    {"name": "CUDA_VISIBLE_DEVICES", "says": "the cards it may see"},
    {"name": "CUDA_DEVICE_ORDER", "says": "PCI_BUS_ID numbers the cards as NVML does"},
    {"name": "http_proxy", "says": "a proxy also for requests to itself; leave it unset"},
    {"name": "https_proxy", "says": "the same for https"},
)


def text(python: str, directory: Path) -> str:
    """The whole file for the vLLM of this interpreter; `directory` takes what it has to say besides."""
    environ = {**os.environ, "COLUMNS": "20000", "CUDA_VISIBLE_DEVICES": "", "VLLM_NO_USAGE_STATS": "1"}
    command = (python, "-m", "vllm.entrypoints.cli.main", "serve", "--help=all")
    shown = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=True).stdout
    answer = directory / "vllm-probe.json"
    subprocess.run((python, "-c", PROBE, str(answer)), env=environ, capture_output=True, timeout=300, check=True)
    probed = json.loads(answer.read_text(encoding="utf-8"))
    version = probed["version"].partition("+")[0]
    found = list(flags(shown, probed["types"]))
    tool = next(flag for flag in found if flag["name"] == "tool_call_parser").pop("choices")
    document: dict[str, Any] = {
        "engine": "vllm",
        "versions": [version],
        "newest_means": "the release that `engine install vllm` takes",
        "flags": found,
        "variables": [{**one, "source": "engines/vllm.py"} for one in VARIABLES],
        "ports": [{"role": "http", "flag": "port", "number": 8000, "source": "help"}],
        "parsers": [
            *({"name": name, "flag": "reasoning_parser", "source": "registry"} for name in probed["reasoning"]),
            *({"name": name, "flag": "tool_call_parser", "source": "help"} for name in tool),
        ],
    }
    return HEADER + "".join(_section(key, value) for key, value in document.items())


def flags(shown: str, types: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """The flags of a help text: its entries begin two columns in, their explanation twenty-four."""
    group, entry = "", ""
    for line in [*shown.partition("\noptions:\n")[2].partition("\nWhen passing JSON")[0].splitlines(), "end:"]:
        heading = re.fullmatch(r"([A-Za-z]+):", line)
        if line.startswith("  -") or heading:
            if entry and not entry.startswith("  -h"):
                yield _flag(entry, group or "Server", types)
            entry = "" if heading else line
        elif entry and line.startswith("   "):
            entry += "\n" + line.strip()
        if heading:
            group = heading[1]


def _flag(entry: str, group: str, types: dict[str, list[str]]) -> dict[str, Any]:
    head, _, says = entry.strip().partition("\n")
    head, _, rest = head.partition("  ")
    says = f"{rest} {says}"
    options = [part.split(" ", 1) for part in re.split(r", (?=-)", head)]
    names = [option[0] for option in options]
    metavar = next((option[1] for option in options if len(option) > 1), "")
    long = next(name for name in names if name.startswith("--"))
    dest = long[2:].replace("-", "_")
    negated = "--no-" + long[2:]
    choices = _choices(metavar)
    kind = _kind(metavar, is_pair=negated in names, says=says, becomes=types.get(dest, []))
    if kind == "integers" or (kind == "integer" and choices):
        choices = []
    found: dict[str, Any] = {"name": dest, "kind": kind, "group": group, "source": "help"}
    default = _default(says)
    if default is not None and not (kind == "json" and not default):
        found["default"] = default
    if choices:
        found["choices"] = choices
    aliases = [name for name in names if name not in (long, negated)]
    if aliases:
        found["aliases"] = aliases
    if kind == "json" and types.get(dest, [""])[0] == "str":
        found["schema"] = {"type": ["object", "string"]}
    if dest in SECRET:
        found["is_secret"] = True
    return found


def _kind(metavar: str, *, is_pair: bool, says: str, becomes: list[str]) -> str:
    if is_pair:
        return "pair"
    if not metavar:
        return "switch"
    seven, half, word, human, document = becomes or ["str"] * 5
    several = "..." in metavar
    if document == "dict" or "valid JSON string" in says:
        return "json"
    if (half, word) == ("", "") and seven == "int" and human == "":
        return "integers" if several else "integer"
    if (half, word) == ("float", ""):
        return "number"
    if several:
        return "texts"
    return "append" if re.search(r"accept multiple\s+--", says) else "text"


def _choices(metavar: str) -> list[str]:
    """`{a,b,None}` → a and b. A list in brackets only names examples."""
    braces = re.match(r"\{([^}]*)\}", metavar)
    return [one for one in braces[1].split(",") if one != "None"] if braces else []


def _default(says: str) -> Any:
    """The default as data; None when there is none or when it is an object of vLLM's own."""
    stated = re.search(r"\(default: (.*)\)\s*$", says, re.DOTALL)
    if stated is None:
        return None
    try:
        value = ast.literal_eval(stated[1])
    except (ValueError, SyntaxError):
        is_word = re.fullmatch(r"[\w./-]+", stated[1]) and not re.fullmatch(r"\w+Enum\.\w+", stated[1])
        return stated[1] if is_word else None
    return value if isinstance(value, str | int | float | bool | list) else None


def _section(key: str, value: Any) -> str:
    """Lists have one line for each member, so that a new version is a readable change."""
    if not isinstance(value, list) or key == "versions":
        return _line({key: value})[1:-2] + "\n"
    return f"\n{key}:\n" + "".join(f"  - {_line(one)}" for one in value)


def _line(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=True, width=1 << 30)


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        made = text(sys.argv[1], Path(directory))
    if sys.argv[2:] == ["--check"]:
        is_current = FILE.exists() and FILE.read_text(encoding="utf-8") == made
        print(f"{FILE.name} is up to date" if is_current else f"{FILE.name} is out of date: run scripts/vllm_flags.py")
        return 0 if is_current else 1
    write_atomically(FILE, made)
    print(f"wrote {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
