"""Write docs/reference/cli.md from the command line itself, so that no flag is missing or described twice.

python scripts/docs.py            write it
python scripts/docs.py --check    only say whether it is up to date; exit code 1 when it is not
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from page_writer import publish

from ernie_deploy.cli.app import COMMANDS, built
from ernie_deploy.cli.options import FLAGS
from ernie_deploy.spec.load import PREFIX

SPEC_KEYS = {"file", *(flag.key for flag in FLAGS)}
INTRODUCTION = """\
# The command line

This page is written by `scripts/docs.py` from the commands themselves. Edit the commands, not this page.

The result of a command goes to stdout, everything else to stderr. How a command ended is told by its
[exit code](exit-codes.md). `--help` after any command says what stands here.

## Flags of the spec

Commands about a plan take all of these, and `--file` (or `-f`) with the path of a deploy.yaml; without it ./deploy.yaml
is read when there is one. A flag is stronger than its variable, and the variable is stronger than the key in
[deploy.yaml](deploy-yaml.md). A mapping is written as JSON. `rehearse` and `up --rehearse` listen to flags alone:
variables and deploy.yaml speak about the real deployment."""


def page() -> str:
    """The whole page."""
    flags = (
        (_code(", ".join(flag.names)), _code(flag.key), _code(PREFIX + flag.key.upper()), flag.help) for flag in FLAGS
    )
    blocks = [INTRODUCTION, _table(("flag", "key", "variable", "meaning"), flags)]
    for name in COMMANDS:
        blocks += _command(f"ernie-deploy {name}", built(name))
    return "\n\n".join(blocks) + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    """The blocks of one command, or of all commands in a group."""
    if hasattr(command, "commands"):
        for inner, one in command.commands.items():
            yield from _command(f"{name} {inner}", one)
        return
    takes_spec = {one.name for one in command.params} >= SPEC_KEYS
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    own = [one for one in command.params if one not in arguments and not (takes_spec and one.name in SPEC_KEYS)]
    needed = [f"{one.opts[0]} {one.name.upper()}" for one in own if one.required]
    usage = " ".join([name, *(_placeholder(one) for one in arguments), *needed, "[FLAGS]"])
    yield f"## {name}"
    yield command.help.strip()
    yield f"Usage: `{usage}`" + (", with all [flags of the spec](#flags-of-the-spec)." if takes_spec else "")
    if arguments:
        yield "\n".join(f"- `{_placeholder(one)}`: {one.help}" for one in arguments)
    yield _table(("flag", "meaning"), ((_code(_flags(one)), _meaning(one)) for one in own))


def _flags(option: Any) -> str:
    return ", ".join([*option.opts, *option.secondary_opts])


def _meaning(option: Any) -> str:
    text = option.help or ""
    has_default = option.default not in (None, False, [], ()) and not option.secondary_opts
    return f"{text} Default: {option.default}." if has_default else text


def _placeholder(argument: Any) -> str:
    word = str(argument.name).upper()
    return word if argument.required else f"[{word}]"


def _code(text: str) -> str:
    return f"`{text}`"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (columns, tuple("---" for _ in columns), *rows)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


if __name__ == "__main__":
    sys.exit(publish("cli.md", page()))
