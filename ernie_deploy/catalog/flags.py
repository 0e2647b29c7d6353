"""What an engine accepts, version by version: its flags, variables, ports and start-time assertions, as data.

One file per engine under `engine_flags/`. Everything that writes, checks, explains or imitates an engine's command
line asks here, so a plan for version X can only hold what X accepts.
"""

import difflib
import re
from functools import cache
from typing import Any, Literal

import msgspec

from ernie_deploy.catalog.load import read

# `switch` is a bare flag; `pair` is --x and --no-x; `append` may be given several times; `texts` and `integers` take
# several words; `comma` is one word with commas; `truthy` is a text that counts as true when it is not empty.
Kind = Literal[
    "integer", "number", "text", "path", "switch", "pair", "truthy", "json", "texts", "integers", "comma", "append"
]
DEVELOP = "develop"
# What a simulated `develop` calls itself, for it must be a version that can be compared. A real nightly has a date.
DEVELOP_AS_RELEASE = "2.6.0.dev0"
# Engines with a file under `engine_flags/`.
DESCRIBED_ENGINES = ("fastdeploy", "vllm")


class Since(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A default that changed: it holds from this version on."""

    version: str
    default: Any
    is_assumed: bool = False


class Flag(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One flag of the engine. `name` is the argparse dest, which is also the YAML key: underscores.

    `since` is the first version that has it, `until` the first that lacks it; empty means all that are described.
    `is_assumed` marks a version attribution that no source establishes. `schema` is the JSON Schema of a JSON value.
    `unset` tells that the default None is replaced by the engine when it starts, and by what; `unset_value` is that
    value where it is always the same. `trap` is what surprises, `if_wrong` what a wrong value does.
    """

    name: str
    kind: Kind
    group: str
    source: str
    says: str = ""
    default: Any = None
    changes: tuple[Since, ...] = ()
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    since: str = ""
    until: str = ""
    is_assumed: bool = False
    spelled: str = ""
    aliases: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    unset: str = ""
    unset_value: Any = None
    trap: str = ""
    if_wrong: str = ""
    deprecated: str = ""
    is_secret: bool = False

    @property
    def option(self) -> str:
        """`--max-model-len`, as it is spelled on a command line."""
        return self.spelled or "--" + self.name.replace("_", "-")

    @property
    def options(self) -> tuple[str, ...]:
        """Every spelling the parser knows, `--no-x` of a pair among them."""
        negated = ("--no-" + self.option[2:],) if self.kind == "pair" else ()
        return (self.option, *negated, *self.aliases)


class Variable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An environment variable that the engine reads. `set_by_engine`: it gives it to its workers whatever it was."""

    name: str
    says: str
    source: str
    default: str | None = None
    unset: str = ""
    choices: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    is_assumed: bool = False
    is_secret: bool = False
    set_by_engine: bool = False


class PortFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port the engine opens. `flag` names it; `number` is what it takes unasked.

    Without a number it finds a free one, or uses the port of the role in `shares`, or opens none when `is_off`.
    """

    role: str
    flag: str
    source: str
    number: int | None = None
    changes: tuple[Since, ...] = ()
    shares: str = ""
    is_off: bool = False
    is_always_everywhere: bool = False
    since: str = ""
    until: str = ""


class Assertion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A relation the engine asserts when it starts. `right` is a number, a flag, or flags to be multiplied.

    `left`, and the keys of `when` and `unless`, are flags or variables. It is asserted when everything in `when` holds
    and nothing in `unless` does.
    """

    id: str
    left: str
    relation: Literal["<", "<=", ">=", "==", "divides-by", "is-set"]
    says: str
    source: str
    right: int | str | tuple[str, ...] = 0
    when: dict[str, Any] = {}
    unless: dict[str, Any] = {}


class ParserName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parser the engine registers under this name."""

    name: str
    flag: str
    source: str
    says: str = ""
    since: str = ""
    until: str = ""
    is_assumed: bool = False


class EngineFlags(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything known about one engine's command line. `versions` are the described ones, oldest first."""

    engine: str
    versions: tuple[str, ...]
    newest_means: str
    flags: tuple[Flag, ...]
    variables: tuple[Variable, ...]
    ports: tuple[PortFact, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    parsers: tuple[ParserName, ...] = ()

    def of(self, version: str) -> tuple[Flag, ...]:
        """The flags that `version` has."""
        return tuple(flag for flag in self.flags if holds(flag, version))

    def named(self, word: str) -> Flag | None:
        """The flag that a command-line option or a YAML key means, in any version; None when nobody knows it.

        A key spelled with dashes is found too; that FastDeploy drops it is for the caller to say.
        """
        bare = word.partition("=")[0]
        return _by_word(self.engine).get(bare) or _by_word(self.engine).get(bare.replace("-", "_"))

    def variable(self, name: str) -> Variable | None:
        """The facts about an environment variable."""
        return next((one for one in self.variables if one.name == name), None)

    def why_absent(self, word: str, version: str) -> str:
        """Why `version` does not accept this flag: `fastdeploy 2.4.0 has no flag --x, which exists since 2.5.0`."""
        flag = self.named(word)
        if flag is not None and holds(flag, version):
            return ""
        typed = word.partition("=")[0]
        option = flag.option if flag else typed if typed.startswith("-") else "--" + typed.replace("_", "-")
        return f"{self.engine} {version} has no flag {option}{_elsewhere(flag) if flag else ''}"

    def why_no_parser(self, flag: str, name: str, version: str) -> str:
        """Why `version` has no parser of this name for `reasoning_parser` or `tool_call_parser`."""
        known = [one for one in self.parsers if (one.flag, one.name) == (flag, name)]
        if any(holds(one, version) for one in known):
            return ""
        kind = flag.replace("_", " ")
        return f"{self.engine} {version} has no {kind} {name!r}{_elsewhere(known[0]) if known else ''}"

    def parser_names(self, flag: str, version: str) -> tuple[str, ...]:
        """The parsers of `version` for this flag."""
        return tuple(one.name for one in self.parsers if one.flag == flag and holds(one, version))


def described(engine: str, version: str) -> tuple[str, bool]:
    """The described version whose facts hold for `version`, and whether that is an assumption.

    2.4.3 is taken for the newest described one that is not above it; what cannot be read is taken for the newest.
    """
    known = flags_of(engine).versions
    bare = version.partition("+")[0]
    named = DEVELOP if bare == DEVELOP_AS_RELEASE else bare
    if named in known:
        return named, False
    wanted = release(version)
    below = [one for one in known if one != DEVELOP and release(one) <= wanted]
    if not wanted:
        return known[-1], True
    return (below[-1] if below else known[0]), True


def is_newer(engine: str, version: str) -> bool:
    """Whether `version` is above everything that is described, so that it may have flags nobody told us about."""
    known = [release(one) for one in flags_of(engine).versions if one != DEVELOP]
    return version == DEVELOP or not release(version) or release(version) > known[-1]


def holds(fact: Flag | Variable | ParserName | PortFact, version: str) -> bool:
    """Whether `version` has this."""
    at = order(version)
    return not (fact.since and at < order(fact.since)) and not (fact.until and at >= order(fact.until))


def default_of(flag: Flag | PortFact, version: str) -> Any:
    """The default of that version."""
    first = flag.default if isinstance(flag, Flag) else flag.number
    at = order(version)
    for change in flag.changes:
        if at >= order(change.version):
            first = change.default
    return first


def nearest_flag(word: str, engine: str, version: str = "") -> str:
    """The name of the flag that was probably meant, "" when none is close; only flags of `version` when it is given."""
    facts = flags_of(engine)
    names = [flag.name for flag in (facts.of(version) if version else facts.flags)]
    close = difflib.get_close_matches(word.lstrip("-").replace("-", "_").lower(), names, n=1, cutoff=0.6)
    return close[0] if close else ""


def order(version: str) -> tuple[int, ...]:
    """A key to compare versions by: a candidate comes before its release; `develop`, and what is no number, last."""
    numbers = release(version)
    if not numbers:
        return (1 << 30,)
    is_candidate = re.search(r"\d[-._]?(?:rc|a|b|dev)\d*\b", version.partition("+")[0]) is not None
    return (*(*numbers, 0, 0, 0)[:3], 0 if is_candidate else 1)


def release(version: str) -> tuple[int, ...]:
    """`2.3.0-rc0` → (2, 3, 0); empty when it does not begin with a number."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()


@cache
def flags_of(engine: str) -> EngineFlags:
    """The facts of one engine: `fastdeploy` or `vllm`."""
    return msgspec.convert(read(f"engine_flags/{engine}.yaml"), EngineFlags)


@cache
def _by_word(engine: str) -> dict[str, Flag]:
    facts = flags_of(engine)
    found = {flag.name: flag for flag in facts.flags}
    return found | {option: flag for flag in facts.flags for option in flag.options}


def _elsewhere(fact: Flag | ParserName) -> str:
    assumed = " (assumed)" if fact.is_assumed else ""
    if isinstance(fact, ParserName) and fact.since and fact.until:
        return f": {fact.says}"
    if fact.since and fact.until:
        return f", which exists from {fact.since} until {fact.until}{assumed}"
    return f", which exists since {fact.since}{assumed}" if fact.since else f", which {fact.until} removed{assumed}"
