"""Launches in systemd unit files, and in the `.container` units of Podman."""

import re
from typing import NamedTuple

from ernie_deploy.lint.docker import open_port
from ernie_deploy.lint.launches import Versions, launch, no_backslash, start
from ernie_deploy.lint.scripts import open_quote
from ernie_deploy.lint.shell import assignment, commands
from ernie_deploy.lint.text import Lines, Text
from ernie_deploy.lint.values import EVERY_PORT, Around, Assignment, Break, Edit, Launch, Probe, Word

SETTING = re.compile(r"[ \t]*([A-Za-z][\w-]*)[ \t]*=[ \t]*")
OTHER_VARIABLES = ("EnvironmentFile", "PassEnvironment", "Secret")
LOST = re.compile(r"[ \t]*--?[A-Za-z]")
SECTION_OF_QUADLET = re.compile(r"^\[Container\]", re.MULTILINE)
PREFIXES = re.compile(r"[-@:+!|]*")


Piece = tuple[int, int]


class Setting(NamedTuple):
    """`Key=value` of a unit; lines that a backslash continues are one. `cut` tells why its flags were lost."""

    key: str
    text: Text
    start: int
    cut: str = ""
    cut_start: int = 0
    cut_end: int = 0
    lost: Text | None = None


def launches(text: Text, versions: Versions, source: str) -> list[Launch]:
    """Every engine that an ExecStart= or Exec= starts."""
    settings = _settings(text)
    values = {one.key: _word(one.text) for one in settings}
    environment: list[Assignment] = []
    for one in settings:
        if one.key == "Environment":
            words = [word for command in commands(one.text, "systemd") for word in command.words]
            environment += [made for word in words if (made := assignment(word)) is not None]
    around = Around(
        kind="unit",
        restart=values.get("Restart"),
        kill_mode=values.get("KillMode"),
        probes=tuple(_probe(one) for one in settings if one.key == "ExecStartPost" and "curl" in one.text.characters),
    )
    if SECTION_OF_QUADLET.search(text.characters):
        around = _in_container(around, settings)
    found = []
    for one in settings:
        if one.key not in ("ExecStart", "Exec") or not one.text.characters:
            continue
        skipped = PREFIXES.match(one.text.characters)
        line = one.text.slice(skipped.end() if skipped else 0, len(one.text.characters))
        for command in commands(line, "systemd"):
            here = start(command.words, around.image)
            if here:
                breaks = [*_breaks(one, command.words[-1], source), *open_quote(command)]
                is_env_open = not values.keys().isdisjoint(OTHER_VARIABLES)
                begun = launch(
                    here, versions, source, environment=environment, is_env_open=is_env_open, around=around,
                    breaks=breaks,
                )  # fmt: skip
                found.append(begun)
    return found


def _in_container(around: Around, settings: list[Setting]) -> Around:
    """A `.container` unit of Podman."""
    values = {one.key: _word(one.text) for one in settings}
    ports = [open_port(_word(one.text)) for one in settings if one.key == "PublishPort"]
    network = values.get("Network")
    if network is not None and network.text == "host":
        ports.append(network._replace(text=EVERY_PORT))
    return around._replace(
        kind="quadlet",
        image=values.get("Image"),
        shares_memory="ShmSize" in values or "--ipc" in (values["PodmanArgs"].text if "PodmanArgs" in values else ""),
        published=tuple(port for port in ports if port is not None),
    )


def _settings(text: Text) -> list[Setting]:
    found: list[Setting] = []
    lines = _lines(text)
    index = 0
    while index < len(lines):
        start, end = lines[index]
        index += 1
        match = SETTING.match(text.characters, start, end)
        if not match or text.characters[start:end].lstrip().startswith(("#", ";")):
            continue
        pieces = [(match.end(), end)]
        while text.characters[pieces[-1][0] : pieces[-1][1]].endswith("\\") and index < len(lines):
            pieces[-1] = (pieces[-1][0], pieces[-1][1] - 1)
            # systemd passes over comments between continued lines.
            while index < len(lines) and text.characters[slice(*lines[index])].lstrip().startswith(("#", ";")):
                index += 1
            if index < len(lines):
                pieces.append(lines[index])
                index += 1
        setting = Setting(match[1], _joined(text, pieces), text.offsets[match.start(1)])
        lost_from = index
        while index < len(lines) and LOST.match(text.characters, *lines[index]):
            index += 1
        found.append(_with_lost(setting, text, pieces, lines[lost_from:index]))
    return found


def _with_lost(setting: Setting, text: Text, pieces: list[Piece], behind: list[Piece]) -> Setting:
    """The setting with the lines of flags behind it, which systemd does not take for a part of it."""
    if not behind:
        return setting
    first, end = pieces[-1]
    at = first + len(text.characters[first:end].rstrip())
    lost = _joined(text, [(one, last - text.characters[one:last].endswith("\\")) for one, last in behind])
    if text.characters[at - 1 : at] != "\\":
        return setting._replace(cut="newline", lost=lost)
    kept = _joined(text, [*pieces[:-1], (first, at - 1)])
    cut_start, cut_end = text.offsets[at - 1], text.offsets[end]
    return setting._replace(text=kept, cut="blank", lost=lost, cut_start=cut_start, cut_end=cut_end)


def _lines(text: Text) -> list[Piece]:
    found: list[Piece] = []
    at = 0
    for line in text.characters.split("\n"):
        found.append((at, at + len(line.rstrip("\r"))))
        at += len(line) + 1
    return found


def _joined(text: Text, pieces: list[Piece]) -> Text:
    characters: list[str] = []
    offsets: list[int] = []
    for first, behind in pieces:
        if characters:
            characters.append(" ")
            offsets.append(text.offsets[first])
        characters.append(text.characters[first:behind])
        offsets += text.offsets[first:behind]
    last = pieces[-1]
    return Text("".join(characters), [*offsets, text.offsets[last[1]]])


def _word(text: Text) -> Word:
    stripped = text.characters.rstrip()
    return Word(stripped, text.offsets[0], text.offsets[len(stripped)], "%" in stripped)


def _probe(setting: Setting) -> Probe:
    return Probe("ExecStartPost", _word(setting.text), follows_http_only=False)


def _breaks(setting: Setting, last: Word, source: str) -> list[Break]:
    if setting.lost is None:
        return []
    lost = tuple(word for command in commands(setting.lost, "systemd") for word in command.words)
    if setting.cut == "blank":
        edit = Edit(setting.cut_start + 1, setting.cut_end, "")
        return [Break("blank", setting.cut_start, setting.cut_end, lost, (edit,))]
    edits = no_backslash(source, last, Lines(source).end_of_line(last.end))
    return [Break("newline", last.start, last.end, lost, edits)]
