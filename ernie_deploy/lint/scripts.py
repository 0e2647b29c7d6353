"""Launches in shell scripts, plain argument lists and environment files."""

import re
from collections.abc import Sequence

from ernie_deploy.lint.launches import Start, Versions, guessed, launch, no_backslash, start
from ernie_deploy.lint.options import FLAG, spliced
from ernie_deploy.lint.shell import Command, assignment, commands
from ernie_deploy.lint.text import Lines, Text
from ernie_deploy.lint.values import Around, Assignment, Break, Edit, Install, Launch, Word

SETS_NO_ENGINE = {"export", "declare", "typeset", "readonly", "local"}
PACKAGES = ("fastdeploy", "fastdeploy-gpu", "paddlepaddle-gpu")
PACKAGE = re.compile(r"[\w.-]+(?=$|[\[<>=!~ ;@])", re.ASCII)
# A command that breaks off more often is not a launch that somebody means to run.
MOST_BREAKS = 100
INDEXES = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--index")


def launches(
    text: Text,
    versions: Versions,
    source: str,
    *,
    environment: Sequence[Assignment] = (),
    is_env_open: bool = False,
    around: Around | None = None,
) -> list[Launch]:
    """Every engine that the script starts, with the variables it has exported by then."""
    found: list[Launch] = []
    script = commands(text)
    arrays = {one.array: one.words for one in script if one.array}
    known = {one.name.text: one for one in environment}
    own: dict[str, Assignment] = {}
    exports_all = False
    for at, command in enumerate(script):
        outside = spliced(command.words[: command.outside], arrays)
        inside = spliced(command.words[command.outside :], arrays)
        words = (*outside, *inside)
        here = start(words)
        if command.array:
            continue
        if here:
            breaks = _breaks(script, at, source)
            begun = launch(
                here, versions, source, environment=tuple(known.values()), is_env_open=is_env_open,
                around=around, breaks=breaks,
            )  # fmt: skip
            found.append(begun)
            continue
        if not inside:
            continue
        first = inside[0].text
        if first in (".", "source"):
            is_env_open = True
        elif first == "set":
            exports_all = exports_all or "-a" in (word.text for word in inside)
        elif first == "unset":
            known = {name: one for name, one in known.items() if name not in {word.text for word in inside}}
        made_here = [made for word in inside if (made := assignment(word)) is not None]
        if first in SETS_NO_ENGINE or len(made_here) == len(inside):
            own |= {one.name.text: one for one in made_here}
        if first == "export" or exports_all:
            exported = {word.text for word in inside} | {one.name.text for one in made_here}
            known |= {name: own[name] for name in exported if name in own}
    return found


def arguments(text: Text, versions: Versions, source: str) -> list[Launch]:
    """A plain list of arguments: flags and values, with or without backslashes at the ends of lines."""
    found = commands(text)
    words: list[Word] = [word for command in found for word in command.words]
    if not words:
        return []
    engine = guessed(words, versions)
    here = Start(engine, "arguments", words[0], (), tuple(words))
    return [launch(here, versions, source, is_env_open=True, breaks=open_quote(found[-1]))]


def variables(text: Text, versions: Versions, source: str) -> list[Launch]:
    """An environment file: only variables, of an engine that starts elsewhere."""
    words = [word for command in commands(text) for word in command.words]
    made = [one for word in words if (one := assignment(word)) is not None]
    engines = {"VLLM_": "vllm", "FD_": "fastdeploy"}
    for prefix, engine in engines.items():
        if any(one.name.text.startswith(prefix) for one in made):
            here = Start("vllm" if engine == "vllm" else "fastdeploy", "environment", made[0].name, (), ())
            whole = launch(here, versions, source, environment=made, is_env_open=True)
            return [whole._replace(is_open=True)]
    return []


def installs(text: Text) -> list[Install]:
    """The packages of this family that the script installs with pip."""
    found: list[Install] = []
    for command in commands(text):
        texts = [word.text for word in command.words]
        if "install" not in texts or not any(one.rpartition("/")[2] in ("pip", "pip3", "uv") for one in texts):
            continue
        has_index = any(one.startswith(INDEXES) for one in texts)
        for word in command.words[texts.index("install") + 1 :]:
            named = PACKAGE.match(word.text)
            name = named[0].lower().replace("_", "-") if named else ""
            if name in PACKAGES:
                found.append(Install(name, word.text.partition("==")[2], word, has_index))
    return found


def _breaks(script: Sequence[Command], at: int, source: str) -> list[Break]:
    """The places where this command ends although the next line goes on with a flag, and the words behind them."""
    found = _behind_a_pipe(script, at)
    while script[at].cut and len(found) < MOST_BREAKS:
        command = script[at]
        if command.cut == "quote":
            found += open_quote(command)
            break
        following = script[at + 1].words if at + 1 < len(script) else ()
        goes_on = bool(following) and FLAG.match(following[0].text) is not None
        if not goes_on and command.cut != "blank":
            break
        start, end = command.cut_at
        last = command.words[-1]
        if command.cut == "newline":
            line_end = Lines(source).end_of_line(last.end)
            found.append(Break("newline", last.start, last.end, following, no_backslash(source, last, line_end)))
        elif command.cut == "empty":
            line_start = source.rfind("\n", 0, start) + 1
            found.append(Break("empty", start, end, following, (Edit(line_start, end, ""),)))
        elif command.cut == "blank":
            found.append(Break("blank", start, end, following if goes_on else (), (Edit(start + 1, end, ""),)))
        else:
            found.append(Break("comment", start, end, following))
        if not goes_on:
            break
        at += 1
    return found


def _behind_a_pipe(script: Sequence[Command], at: int) -> list[Break]:
    """Flags on a line of their own, behind `| tee log` or `&`: which of both lines is wrong is for people to see."""
    last = script[at].words[-1]
    while not script[at].cut and at + 1 < len(script):
        at += 1
        if FLAG.match(script[at].words[0].text):
            return [Break("newline", last.start, last.end, script[at].words)]
    following = script[at + 1].words if at + 1 < len(script) and script[at].cut == "newline" else ()
    is_lost = bool(following) and script[at].words[-1] != last and FLAG.match(following[0].text) is not None
    return [Break("newline", last.start, last.end, following)] if is_lost else []


def open_quote(command: Command) -> list[Break]:
    """The quote in this command that nothing closes, when there is one."""
    return [Break("quote", *command.cut_at, ())] if command.cut == "quote" else []
