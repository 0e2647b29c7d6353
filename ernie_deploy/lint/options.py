"""Words of a command line, or keys of a launch YAML, as the engine's own parser would take them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from ernie_deploy.catalog.flags import Flag, flags_of, holds
from ernie_deploy.errors import SpecError
from ernie_deploy.lint.values import Assignment, Engine, Option, Word, as_kind
from ernie_deploy.lint.yaml_nodes import Document, Node, documents

FLAG = re.compile(r"-{1,2}[A-Za-z]")
ARRAY = re.compile(r"\$\{(\w+)\[[@*]\]\}")
TAKES_NONE = ("switch", "pair")
TAKES_MANY = ("texts", "integers")


class Taken(NamedTuple):
    """Options, the words that no flag takes, and whether more may come from where lint cannot look."""

    options: tuple[Option, ...]
    strays: tuple[Word, ...]
    is_open: bool


def taken(engine: Engine, version: str, words: Sequence[Word], lost: Iterable[Word] = ()) -> Taken:
    """What an argument parser makes of `words`; those among `lost` never reach it."""
    unseen = {word.start for word in lost}
    options: list[Option] = []
    strays: list[Word] = []
    is_open = False
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if not FLAG.match(word.text) or (word.is_opaque and word.text.startswith("$")):
            if word.is_opaque:
                is_open = True
            else:
                strays.append(word)
            continue
        name, value = _split(word)
        flag = found(engine, version, name.text)
        values = [value] if value else []
        if not value:
            while index < len(words) and not FLAG.match(words[index].text) and _wants(flag, len(values)):
                values.append(words[index])
                index += 1
        members = _members(flag, values)
        options.append(Option(name, flag, tuple(values), members, is_lost=word.start in unseen))
    return Taken(tuple(options), tuple(strays), is_open)


def found(engine: Engine, version: str, name: str) -> Flag | None:
    """The flag that this word means to the engine's parser: exactly, or as its only beginning."""
    facts = flags_of(engine)
    if engine == "vllm" and name.startswith("--"):
        name = name.replace("_", "-").partition(".")[0]
    if engine == "vllm" and not name.startswith("--"):
        name = name.partition(".")[0]
    exact = facts.named(name)
    if exact is not None or not name.startswith("--"):
        return exact
    begun = {flag.name: flag for option, flag in _spellings(engine, version) if option.startswith(name)}
    return next(iter(begun.values())) if len(begun) == 1 else None


@cache
def _spellings(engine: Engine, version: str) -> tuple[tuple[str, Flag], ...]:
    return tuple((option, flag) for flag in flags_of(engine).of(version) for option in flag.options)


def keys(engine: Engine, document: Document) -> tuple[Option, ...]:
    """The pairs of a launch YAML."""
    facts = flags_of(engine)
    options = []
    for key, node in document.root.pairs:
        name = document.word(key)
        # vLLM makes flags of its keys; FastDeploy knows only the flags' names, and no key that begins with no_.
        as_flag = facts.named("--" + name.text.replace("_", "-")) if engine == "vllm" else None
        flag = as_flag or facts.named(name.text)
        nodes = node.items if node.kind == "list" and flag and flag.kind != "json" else [node]
        words = tuple(document.word(one) for one in nodes)
        members = _pairs(document, node) or _members(flag, words)
        options.append(Option(name, flag, words, members, is_key=True))
    return tuple(options)


def spliced(words: Iterable[Word], arrays: Mapping[str, tuple[Word, ...]]) -> tuple[Word, ...]:
    """`"${ARGS[@]}"` replaced by the words of the array, where the script says them."""
    result: list[Word] = []
    for word in words:
        name = ARRAY.fullmatch(word.text)
        result += arrays.get(name[1], (word,)) if name else (word,)
    return tuple(result)


def _split(word: Word) -> tuple[Word, Word | None]:
    """`--port=8180` → the flag and its value, each with its place."""
    name, sign, value = word.text.partition("=")
    if not sign:
        return word, None
    if word.source and len(word.source.offsets) > len(name) + 1:
        source = word.source.slice(len(name) + 1, len(word.text))
        middle = word.source.offsets[len(name)]
    else:
        source, middle = None, word.start + len(name)
    left = Word(name, word.start, middle)
    return left, Word(value, middle + 1, word.end, word.is_opaque, is_quoted=word.is_quoted, source=source)


def _wants(flag: Flag | None, count: int) -> bool:
    """Whether a flag takes one more word. An unknown one gets all that follow, so that they are not reported too."""
    if flag is None or flag.kind in TAKES_MANY:
        return True
    return count == 0 and flag.kind not in TAKES_NONE


def _members(flag: Flag | None, words: Sequence[Word]) -> tuple[Assignment, ...]:
    """The keys of a JSON value with their places: JSON is read as the YAML that it is."""
    if flag is None or flag.kind != "json" or len(words) != 1:
        return ()
    word = words[0]
    if word.source is None or word.is_opaque or not isinstance(as_kind(flag, word.text), dict):
        return ()
    try:
        for document in documents(word.source, ""):
            return tuple(one._replace(value=_as_json(one.value)) for one in _pairs(document, document.root))
    except SpecError:
        pass
    return ()


def _as_json(word: Word) -> Word:
    """YAML 1.1 takes 1e7 for text; JSON means a number."""
    try:
        return word if word.is_quoted else word._replace(value=json.loads(word.text))
    except (ValueError, RecursionError):
        return word


def _pairs(document: Document, node: Node) -> tuple[Assignment, ...]:
    return tuple(Assignment(document.word(key), document.word(value)) for key, value in node.pairs)


def engines_of(names: Iterable[str], version: Mapping[Engine, str]) -> dict[Engine, int]:
    """How many of these flags each engine knows."""
    result: dict[Engine, int] = {"fastdeploy": 0, "vllm": 0}
    for name in names:
        option = "--" + name.lstrip("-").replace("_", "-").partition("=")[0].partition(".")[0]
        for engine in result:
            flag = flags_of(engine).named(option) or flags_of(engine).named(name)
            result[engine] += flag is not None and holds(flag, version[engine])
    return result
