"""The documentation and the program speak of the same things: links, commands, flags, checks, probes, exit codes."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ernie_deploy.catalog.load import engines
from ernie_deploy.checks.registry import CHECKS
from ernie_deploy.cli.app import COMMANDS, built
from ernie_deploy.cli.options import FLAGS
from ernie_deploy.engines.base import Launch
from ernie_deploy.engines.registry import ENGINES, launch_of
from ernie_deploy.errors import ExitCode
from ernie_deploy.facts.values import Facts
from ernie_deploy.lint.judge import findings
from ernie_deploy.lint.reading import read
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.smoke.registry import PROBES
from ernie_deploy.spec.load import PREFIX, decode
from ernie_deploy.spec.schema import KEYS
from tests.support import hosts

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MENTION = re.compile(r"(?<![\w/])ernie-deploy ([a-z][a-z-]*)")
# Words that follow the name of the program in prose.
NOT_VERBS = {"installed", "needs"}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def commands_in(text: str) -> Iterator[list[str]]:
    """Lines of code blocks that call ernie-deploy, as words after its name."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for line in "\n".join(blocks).splitlines():
        line = re.sub(r"^\$ ", "", line)
        line = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", line)
        if line.startswith("ernie-deploy "):
            yield shlex.split(re.split(r" [|>#] ", line.partition(" ")[2])[0])


def resolved(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words call, and the words left for it."""
    command, rest = built(words[0]), words[1:]
    while hasattr(command, "commands"):
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def anchors(text: str) -> set[str]:
    """The anchors of headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


def test_every_page_can_be_reached_from_the_index() -> None:
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in LINK.findall(page("index.md"))}
    assert set(DOCS.rglob("*.md")) - linked == {DOCS / "index.md"}


@pytest.mark.parametrize("path", [*PAGES, *CONFIGS], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_verb_that_is_mentioned_exists(path: Path) -> None:
    mentioned = set(MENTION.findall(path.read_text(encoding="utf-8")))
    assert mentioned - set(COMMANDS) - NOT_VERBS == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_shown_has_its_flags(path: Path) -> None:
    for words in commands_in(path.read_text(encoding="utf-8")):
        # What follows `--` is the engine's own.
        command, rest = resolved(words[: words.index("--")] if "--" in words else words)
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        # `-` alone is standard input.
        assert {word for word in rest if word.startswith("-") and word != "-"} - known == set(), words


def test_the_command_line_page_is_up_to_date() -> None:
    script = ROOT / "scripts" / "docs.py"
    done = subprocess.run((sys.executable, str(script), "--check"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_line_page_names_every_command_and_every_flag() -> None:
    text = page("reference/cli.md")
    for name in COMMANDS:
        assert f"## ernie-deploy {name}" in text
    for flag in FLAGS:
        for name in flag.names:
            assert re.search(rf"{name}[`,/ ]", text), name


def test_the_readme_names_every_verb() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == list(COMMANDS)


def test_every_check_has_a_row_and_a_section() -> None:
    text = page("reference/checks.md")
    names = [check.name for check in CHECKS]
    assert re.findall(r"^\| \[`([a-z-]+)`\]", text, re.MULTILINE) == names
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == names


def test_every_probe_has_a_row_with_its_tier_and_title_as_the_script_writes_it() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (\w+) \| (.*?) \|", page("reference/smoke-probes.md"), re.MULTILINE)
    assert rows == [(probe.id, probe.tier, probe.title) for probe in PROBES]
    script = ROOT / "scripts" / "smoke_reference.py"
    done = subprocess.run((sys.executable, str(script), "--check"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [ROOT / "README.md", DOCS / "reference" / "exit-codes.md"], ids=lambda path: path.name)
def test_every_exit_code_is_explained(path: Path) -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+)?", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == [int(code) for code in ExitCode]
    if path.name == "exit-codes.md":
        assert [name for _, name in rows] == [code.name for code in ExitCode]


def test_every_key_has_its_variable() -> None:
    rows = re.findall(r"^\| `(ERNIE_DEPLOY_\w+)` \| `(\w+)`", page("reference/environment-variables.md"), re.MULTILINE)
    assert sorted(rows) == sorted((PREFIX + key.upper(), key) for key in KEYS)


def launched(**spec: str) -> Launch:
    layers = completed([asked("flag", "it", decode(spec, "it"))])
    return launch_of(resolve(layers, Facts(host=hosts.a_host()), state_root=Path("/state")))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_page_of_engines_shows_the_command_that_is_launched(engine: str) -> None:
    section = page("reference/engines.md").partition(f"## {engine}\n")[2].partition("\n## ")[0]
    assert f"\n{shlex.join(launched(engine=engine).argv)}\n" in section
    assert engines()[engine].version in section


@pytest.mark.parametrize("engine", ENGINES)
def test_the_page_of_engines_names_every_variable_that_is_set(engine: str) -> None:
    common, _, rest = page("reference/engines.md").partition("## fastdeploy\n")
    section = f"## fastdeploy\n{rest}".partition(f"## {engine}\n")[2].partition("\n## ")[0]
    for name in launched(engine=engine, model="/srv/models/ernie").env:
        assert re.search(rf"`{name}[`=]", common + section), name


def test_nothing_shown_belongs_to_one_machine() -> None:
    for path in [*PAGES, *CONFIGS]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w.])/(work|root|tmp)\b", text), path


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_lint_finds_nothing_that_counts_in_a_launch_that_a_page_shows(path: Path) -> None:
    for block in re.findall(r"^```\w*\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        found = findings(read("block.sh", block))
        assert [f"{one.rule} {one.message}" for one in found if one.severity != "note"] == []
