"""What lint reads and what it says: words with their places, launches, and findings."""

import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from ernie_deploy.catalog.flags import EngineFlags, Flag, default_of, flags_of, holds
from ernie_deploy.lint.text import Text

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
Engine = Literal["fastdeploy", "vllm"]
NAMES: dict[Engine, str] = {"fastdeploy": "FastDeploy", "vllm": "vLLM"}


LOCAL = ("127.0.0.1", "localhost", "::1")
# Stands for all ports of a container, where it shares the network of its host.
EVERY_PORT = "*"


class Word(NamedTuple):
    """A word of a command line or a value in a file. `is_opaque` when a variable or a template stands in it.

    `value` is what YAML makes of it, where it stood in YAML; `start` and `end` are offsets in the file. `source` has
    the place of every character, where the word may hold another language: JSON, a script.
    """

    text: str
    start: int
    end: int
    is_opaque: bool = False
    value: Any = None
    is_quoted: bool = False
    source: Text | None = None


class Option(NamedTuple):
    """A flag of a command line or a key of a launch YAML; `name` is how it is spelled there.

    `members` are the keys of a JSON value. `is_lost` when the engine never sees it, because it stands behind a line
    continuation that is missing.
    """

    name: Word
    flag: Flag | None
    words: tuple[Word, ...]
    members: "tuple[Assignment, ...]" = ()
    is_key: bool = False
    is_lost: bool = False

    @property
    def start(self) -> int:
        return self.name.start

    @property
    def end(self) -> int:
        return max(self.name.end, self.words[-1].end if self.words else 0)

    @property
    def word(self) -> Word | None:
        return self.words[0] if self.words else None


class Assignment(NamedTuple):
    """A variable given to the engine; `name` and `value` with their places."""

    name: Word
    value: Word


class Break(NamedTuple):
    """A place where a command ends although its flags go on."""

    cut: str
    start: int
    end: int
    lost: tuple[Word, ...]
    edits: "tuple[Edit, ...]" = ()


class Probe(NamedTuple):
    """A health probe in a compose file, a manifest or a unit."""

    role: str
    word: Word
    follows_http_only: bool
    failure_threshold: Word | None = None


class Around(NamedTuple):
    """What surrounds the engine: who starts it again, what memory it shares, who asks whether it lives.

    `published` are the ports of a container that other hosts reach, each by its number there.
    """

    kind: str = ""
    name: Word | None = None
    restart: Word | None = None
    kill_mode: Word | None = None
    shares_memory: bool | None = None
    probes: tuple[Probe, ...] = ()
    strategy: Word | None = None
    image: Word | None = None
    published: tuple[Word, ...] = ()


class Launch(NamedTuple):
    """One start of an engine, as far as the file tells it.

    `is_open` when more flags may come from where lint cannot look, `is_env_open` the same for variables.
    """

    engine: Engine
    form: str
    head: Word
    options: tuple[Option, ...]
    strays: tuple[Word, ...]
    environment: tuple[Assignment, ...]
    version: str
    is_assumed: bool
    given_version: Word | None
    is_open: bool = False
    is_env_open: bool = False
    breaks: tuple[Break, ...] = ()
    around: Around = Around()
    source: str = ""

    @property
    def facts(self) -> EngineFlags:
        return flags_of(self.engine)

    def given(self, name: str) -> Option | None:
        """The option that counts for this flag: the last one."""
        return next((one for one in reversed(self.options) if one.flag and one.flag.name == name), None)

    def all_given(self, name: str) -> list[Option]:
        return [one for one in self.options if one.flag and one.flag.name == name]

    def lacks(self, name: str) -> bool:
        """Surely not given: neither here nor where lint cannot look."""
        return not self.is_open and self.given(name) is None and self.has_flag(name)

    def has_flag(self, name: str) -> bool:
        """Whether this version of the engine knows the flag."""
        flag = self.facts.named(name)
        return flag is not None and holds(flag, self.version)

    def settled(self, name: str) -> Any:
        """The value the engine will use, by default too; None when that cannot be said."""
        option = self.given(name)
        if option is not None:
            return _value(option)
        flag = self.facts.named(name)
        return None if self.is_open or flag is None else default_of(flag, self.version)

    def variable(self, name: str) -> Assignment | None:
        """The assignment that counts for this variable."""
        return next((one for one in reversed(self.environment) if one.name.text == name), None)

    @property
    def is_thinking_model(self) -> bool:
        """Whether it serves the model this program is about; a directory may be anything, so names decide."""
        names = [*self.all_given("model"), *self.all_given("served_model_name")]
        words = [*self.strays[:1], *(word for one in names for word in one.words)]
        text = " ".join(word.text for word in words).lower()
        parsers = [*self.all_given("reasoning_parser"), *self.all_given("tool_call_parser")]
        return ("ernie" in text and "vl" in text and "thinking" in text) or any(
            "vl-thinking" in word.text for one in parsers for word in one.words
        )


def _value(option: Option) -> Any:
    """A number, a text, a boolean or what the JSON says; None when it cannot be said."""
    flag, word = option.flag, option.word
    if flag is None:
        return None
    if word is None:
        return not option.name.text.startswith("--no-") if flag.kind in ("switch", "pair") else None
    if word.is_opaque:
        return None
    if option.is_key and not isinstance(word.value, str):
        return word.value
    return as_kind(flag, word.text)


def as_kind(flag: Flag, text: str) -> Any:
    """The text as the flag's type; None when it is none."""
    try:
        if flag.kind == "integer":
            return int(text)
        if flag.kind == "number":
            return float(text)
        if flag.kind == "json":
            return json.loads(text)
    except (ValueError, RecursionError):
        is_bare = flag.kind == "json" and "string" in (flag.schema or {}).get("type", ())
        return text if is_bare else None
    return text


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replace what stands between two offsets of the file."""

    start: int
    end: int
    text: str


class Remark(NamedTuple):
    """What a judge says; what it leaves empty is said by the rule."""

    start: int
    end: int
    message: str
    consequence: str = ""
    fix: str = ""
    severity: Severity | None = None
    edits: tuple[Edit, ...] = ()


Remarks = Iterator[Remark]


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is wrong, where, what follows from it and what to do. Lines and columns count from 1."""

    rule: str
    severity: Severity
    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    consequence: str
    fix: str
    edits: tuple[Edit, ...] = ()


class Install(NamedTuple):
    """A package that the file installs with pip: name, version ("" when any), and whether an index is named."""

    name: str
    version: str
    word: Word
    has_index: bool


class Reading(NamedTuple):
    """Everything found in one file."""

    path: str
    kind: str
    characters: str
    launches: tuple[Launch, ...]
    installs: tuple[Install, ...]
    has_windows_lines: bool = False
