"""The start of an engine among the words of a command, and everything known about it put together."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ernie_deploy.catalog.flags import described
from ernie_deploy.lint.docker import run_of
from ernie_deploy.lint.options import FLAG, engines_of, taken
from ernie_deploy.lint.shell import assignment
from ernie_deploy.lint.values import Around, Assignment, Break, Edit, Engine, Launch, Word

MODULES: dict[str, Engine] = {
    "fastdeploy.entrypoints.openai.api_server": "fastdeploy",
    "fastdeploy.entrypoints.cli.main": "fastdeploy",
    "vllm.entrypoints.openai.api_server": "vllm",
    "vllm.entrypoints.cli.main": "vllm",
}
IMAGES: tuple[tuple[Engine, str], ...] = (("fastdeploy", "fastdeploy"), ("vllm", "vllm-openai"))
# Images that start the server themselves: what follows their name are its arguments.
SERVERS = re.compile(r"(?:.*/)?vllm-openai(?:[:@].*)?")
TAG = re.compile(r":v?(\d[\w.+-]*)(?:@.*)?$")
PINS: tuple[tuple[Engine, re.Pattern[str]], ...] = (
    (
        "fastdeploy",
        re.compile(r"fastdeploy[-_]gpu(?:==|-)(\d+\.\d[\w.]*?(?:-rc\d+)?)(?=[\s'\";,\]]|-py3|-cp3|$)", re.M),
    ),
    ("fastdeploy", re.compile(r"fastdeploy-cuda-[\d.]+:v?(\d[\w.-]*)")),
    ("vllm", re.compile(r"(?<![\w-])vllm(?:-cpu)?==(\d[\w.]*)")),
    ("vllm", re.compile(r"vllm-openai:v?(\d[\w.-]*)")),
)


class Versions(NamedTuple):
    """The versions that are asked for, and those that the file names, by engine."""

    asked: Mapping[Engine, str]
    pinned: Mapping[Engine, Word]
    usual: Mapping[Engine, str]

    def of(self, engine: Engine, image: Word | None = None) -> tuple[str, bool, Word | None]:
        """The described version to judge by, whether that is an assumption, and the word that gives it."""
        word = _tag(image) if image and not image.is_opaque else None
        word = word or self.pinned.get(engine)
        given = self.asked.get(engine) or (word.text if word else "")
        version, is_assumed = described(engine, given or self.usual[engine])
        return version, is_assumed or not given, None if engine in self.asked else word

    def plain(self) -> dict[Engine, str]:
        return {"fastdeploy": self.of("fastdeploy")[0], "vllm": self.of("vllm")[0]}


def pins(characters: str) -> dict[Engine, Word]:
    """The versions that a text installs or runs; comments do not count."""
    found: dict[Engine, Word] = {}
    for engine, pattern in PINS:
        for match in pattern.finditer(characters):
            line = characters[characters.rfind("\n", 0, match.start()) + 1 : match.start()]
            if "#" not in line:
                found.setdefault(engine, Word(match[1], match.start(1), match.end(1)))
    return found


def _tag(image: Word) -> Word | None:
    tag = TAG.search(image.text)
    return Word(tag[1], image.start + tag.start(1), image.start + tag.end(1)) if tag else None


class Start(NamedTuple):
    """Where an engine begins among words: its head, what stands before, what follows."""

    engine: Engine
    form: str
    head: Word
    before: tuple[Word, ...]
    rest: tuple[Word, ...]


def start(words: Sequence[Word], image: Word | None = None) -> Start | None:
    """The engine that these words start; None when they start none."""
    for at, word in enumerate(words):
        following = words[at + 1].text if at + 1 < len(words) else ""
        base = word.text.rpartition("/")[2]
        engine = MODULES.get(following) if word.text == "-m" else None
        if engine:
            end = at + 2
            if following.endswith("cli.main"):
                if end >= len(words) or words[end].text != "serve":
                    return None
                end += 1
            return Start(engine, "module", words[at + 1], tuple(words[:at]), tuple(words[end:]))
        if base in ("fastdeploy", "vllm") and following == "serve":
            name: Engine = "vllm" if base == "vllm" else "fastdeploy"
            return Start(name, "wrapper", word, tuple(words[:at]), tuple(words[at + 2 :]))
        script = re.search(r"(fastdeploy|vllm)/entrypoints/openai/api_server\.py$", word.text)
        if script:
            name = "vllm" if script[1] == "vllm" else "fastdeploy"
            return Start(name, "module", word, tuple(words[:at]), tuple(words[at + 1 :]))
        if image is None and SERVERS.fullmatch(word.text) and any(one.text == "run" for one in words[:at]):
            return Start("vllm", "image", word, tuple(words[: at + 1]), tuple(words[at + 1 :]))
    if image and SERVERS.fullmatch(image.text) and words and FLAG.match(words[0].text):
        return Start("vllm", "image", words[0], (), tuple(words))
    return None


def launch(
    found: Start,
    versions: Versions,
    source: str,
    *,
    environment: Sequence[Assignment] = (),
    is_env_open: bool = False,
    around: Around | None = None,
    breaks: Sequence[Break] = (),
) -> Launch:
    """The launch that begins at `found`; `breaks` hold the words that never reach it."""
    before, surroundings, is_env_open = _surroundings(found, around or Around(), is_env_open)
    version, is_assumed, word = versions.of(found.engine, surroundings.image)
    lost = [one for cut in breaks for one in cut.lost]
    options = taken(found.engine, version, (*found.rest, *lost), lost)
    given = {one.flag.name for one in options.options if one.flag}
    return Launch(
        engine=found.engine,
        form=found.form,
        head=found.head,
        options=options.options,
        strays=options.strays,
        environment=(*environment, *before),
        version=version,
        is_assumed=is_assumed,
        given_version=word,
        is_open=options.is_open or "config" in given or any(o.name.text == "--config" for o in options.options),
        is_env_open=is_env_open,
        breaks=tuple(breaks),
        around=surroundings,
        source=source,
    )


def _surroundings(found: Start, around: Around, is_env_open: bool) -> tuple[tuple[Assignment, ...], Around, bool]:
    """The variables among the words before the engine, and what surrounds it, also where `docker run` says it."""
    run = run_of(found.before)
    plain = _assigned(run.before if run else found.before)
    if run is None:
        return plain, around, is_env_open
    image = next((word for word in found.before if _is_image(word.text)), None)
    return (*plain, *run.environment), run.around._replace(image=image), is_env_open or run.is_env_open


def _assigned(words: Sequence[Word]) -> tuple[Assignment, ...]:
    return tuple(made for word in words if (made := assignment(word)) is not None)


def _is_image(text: str) -> bool:
    return TAG.search(text) is not None and any(mark in text for _, mark in IMAGES)


def guessed(words: Sequence[Word], versions: Versions) -> Engine:
    """The engine that knows more of these flags; FastDeploy when both know as many."""
    names = [word.text for word in words if FLAG.match(word.text)]
    known = engines_of(names, versions.plain())
    return "vllm" if known["vllm"] > known["fastdeploy"] else "fastdeploy"


def no_backslash(source: str, last: Word, end_of_line: int) -> tuple[Edit, ...]:
    """The edit that continues the line behind `last`; none when a comment stands there."""
    return () if source[last.end : end_of_line].strip() else (Edit(last.end, last.end, " \\"),)
