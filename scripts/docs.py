"""Write docs/reference/cli.md from the command line itself, so that no flag is missing or described twice.

python scripts/docs.py            write it
python scripts/docs.py --check    only say whether it is up to date; exit code 1 when it is not
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ernie_deploy.cli.app import app
from ernie_deploy.cli.options import FLAGS
from ernie_deploy.files import write_atomically
from ernie_deploy.spec.load import PREFIX

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
SPEC_KEYS = {"file", *(flag.key for flag in FLAGS)}
INTRODUCTION = """\
# The command line

This page is written by `scripts/docs.py` from the commands themselves. Edit the commands, not this page.

The result of a command goes to stdout, everything else to stderr. How a command ends is told by its
[exit code](exit-codes.md). `--help` after any command says what stands here.

## Flags of the spec

`plan`, `config`, `check`, `up`, `restart` and `rehearse` take all of these. A flag is stronger than its variable, and
the variable is stronger than the key in [deploy.yaml](deploy-yaml.md). A mapping is written as JSON. `rehearse` and
`up --rehearse` listen to flags alone: variables and deploy.yaml speak about the real deployment.

`--file`, `-f`: A deploy.yaml; ./deploy.yaml when there is one.
"""


def page() -> str:
    """The whole page."""
    rows = [(_code(", ".join(flag.names)), _code(flag.key), _code(PREFIX + flag.key.upper()), flag.help)
            for flag in FLAGS]  # fmt: skip
    parts = [INTRODUCTION, _table(("flag", "key", "variable", "meaning"), rows)]
    root: Any = typer.main.get_command(app)
    parts += [
        section for name, command in root.commands.items() for section in _sections(f"ernie-deploy {name}", command)
    ]
    return "\n".join(parts)


def _sections(name: str, command: Any) -> Iterator[str]:
    if hasattr(command, "commands"):
        for inner, one in command.commands.items():
            yield from _sections(f"{name} {inner}", one)
        return
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    own = [one for one in command.params if one.param_type_name == "option" and one.name not in _shared(command)]
    usage = " ".join([name, *(_placeholder(one) for one in arguments)])
    lines = [f"## {name}", "", command.help.strip(), "", f"Usage: `{usage} [FLAGS]`"]
    if _shared(command):
        lines.append("with all [flags of the spec](#flags-of-the-spec).")
    lines += ["", *(f"- `{_placeholder(one)}`: {one.help}" for one in arguments), *([""] if arguments else [])]
    yield "\n".join(lines) + (
        _table(("flag", "meaning"), [(_code(_names(one)), _meaning(one)) for one in own]) if own else ""
    )


def _shared(command: Any) -> set[str]:
    """The spec's keys, for a command that takes them all; `--name` alone is a flag of its own."""
    names = {one.name for one in command.params}
    return SPEC_KEYS if names >= SPEC_KEYS else set()


def _names(option: Any) -> str:
    return ", ".join([*option.opts, *option.secondary_opts])


def _meaning(option: Any) -> str:
    text = option.help or ""
    is_telling = option.default not in (None, False, [], ()) and not option.secondary_opts
    return f"{text} Default: {option.default}.".strip() if is_telling else text


def _placeholder(argument: Any) -> str:
    word = str(argument.name).upper()
    return word if argument.required else f"[{word}]"


def _code(text: str) -> str:
    return f"`{text}`"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        is_current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        print(f"{PAGE.name} is up to date" if is_current else f"{PAGE.name} is out of date: run scripts/docs.py")
        return 0 if is_current else 1
    write_atomically(PAGE, page())
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
