"""YAML as nodes that know their places, read without constructing anything: no tag runs, no alias is copied.

The nodes are built from the parser's events in a loop, with limits: what is nested or aliased to exhaust a reader is
refused.
"""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import yaml

from ernie_deploy.errors import SpecError
from ernie_deploy.lint.text import Lines, Text, aligned
from ernie_deploy.lint.values import Word

MOST_DEPTH = 100
MOST_NODES = 20_000
# libyaml of PyYAML 6.0.4 and later reads ahead, and gives up before the event that we would stop at.
TOO_DEEP = "maximum nesting depth"
# Nothing that starts an engine is longer; it bounds the time to about two seconds.
MOST_CHARACTERS = 256 * 1024
# Documents of a stream are read apart: one that names no engine is not read at all.
SEPARATOR = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
RESOLVER: Any = yaml.resolver.Resolver()
OPAQUE = re.compile(r"\$\{|\$\(|\$[A-Za-z_]|\{\{")
PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "merge")}
HEADER = re.compile(r"[|>][^\n]*\n?")


class Node:
    """A scalar, a list or a mapping. Mappings keep every pair, also those with equal keys."""

    __slots__ = ("end", "items", "kind", "pairs", "start", "style", "tag", "text", "value")

    def __init__(self, kind: str, start: int, end: int) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.value: Any = None
        self.tag = ""
        self.style = ""
        self.items: list[Node] = []
        self.pairs: list[tuple[Node, Node]] = []
        self.text: Text | None = None

    def get(self, *path: str) -> "Node | None":
        """The node at the end of the keys; of equal keys the last one, as parsers do. Merged mappings count too."""
        node: Node | None = self
        for key in path:
            node = node and node.member(key)
        return node

    def member(self, key: str) -> "Node | None":
        """The value of one key."""
        merged: Node | None = None
        for name, value in reversed(self.pairs):
            if name.value == key:
                return value
            if name.value == "<<" and merged is None:
                sources = value.items if value.kind == "list" else [value]
                merged = next((found for one in sources if (found := own(one, key)) is not None), None)
        return merged

    def elements(self) -> "list[Node]":
        """The items of a list; nothing of anything else."""
        return self.items if self.kind == "list" else []


def own(mapping: Node, key: str) -> Node | None:
    """The value of a key that stands in this very mapping."""
    return next((value for name, value in reversed(mapping.pairs) if name.value == key), None)


class Document(NamedTuple):
    """One document of a stream and the text it was read from."""

    root: Node
    text: Text

    def word(self, node: Node) -> Word:
        """A scalar as a word; what a template or a shell would put in makes it opaque."""
        shown = node.text.characters if node.text else str(node.value)
        is_opaque = node.kind != "scalar" or OPAQUE.search(shown) is not None or node.tag not in PLAIN_TAGS
        value = node.value if node.kind == "scalar" else as_value(node)
        if node.kind != "scalar":
            shown = json.dumps(value, default=str)
        return Word(
            shown, node.start, node.end, is_opaque and node.kind == "scalar", value, bool(node.style), node.text
        )


def documents(text: Text, path: str, only: re.Pattern[str] | None = None) -> Iterator[Document]:
    """The documents of a stream, or those that `only` is found in; raises SpecError for what is no YAML."""
    cuts = [0, *(found.start() for found in SEPARATOR.finditer(text.characters)), len(text.characters)]
    for start, end in pairwise(cuts):
        part = text.slice(start, end)
        if only is not None and not only.search(part.characters):
            continue
        if part.characters.strip().strip("-.").strip():
            if len(part.characters) > MOST_CHARACTERS:
                raise too_long(path, part.characters)
            root = _root(part, path, text)
            if root is not None:
                yield Document(root, part)


def too_long(path: str, characters: str) -> SpecError:
    """Why a text is not read."""
    size, most = f"{len(characters) // 1024} KiB", f"{MOST_CHARACTERS // 1024} KiB"
    return SpecError(f"{path}: {size} in one piece: more than {most} is no launch", hint="lint the launch alone")


def _root(text: Text, path: str, stream: Text) -> Node | None:
    try:
        return _built(text, path)
    except yaml.MarkedYAMLError as error:
        if TOO_DEEP in str(error.problem):
            raise _unlike_a_launch(path, f"nested deeper than {MOST_DEPTH}") from None
        mark = error.problem_mark or error.context_mark
        offset = text.offsets[min(mark.index, len(text.characters))] if mark else 0
        line, column = Lines(stream.characters).place(offset - stream.offsets[0])
        raise SpecError(f"{path}:{line}:{column}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def _unlike_a_launch(path: str, what: str) -> SpecError:
    return SpecError(f"{path}: {what}: no launch looks like this")


def _built(text: Text, path: str) -> Node | None:
    """The root node of one document, from the parser's events."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    anchors: dict[str, Node] = {}
    stack: list[tuple[Node, Node | None]] = []
    root: Node | None = None
    count = 0
    for event in yaml.parse(text.characters, Loader=loader):
        if isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            node, _ = stack.pop()
            node.end = text.offsets[_index(event.end_mark, text)]
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        count += 1
        if count > MOST_NODES or len(stack) > MOST_DEPTH:
            what = f"more than {MOST_NODES} values" if count > MOST_NODES else f"nested deeper than {MOST_DEPTH}"
            raise _unlike_a_launch(path, what)
        node = _node(event, text, anchors)
        if stack:
            holder, key = stack[-1]
            _put(holder, key, node, stack)
        else:
            root = node
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append((node, None))
    return root


def _put(holder: Node, key: Node | None, node: Node, stack: list[tuple[Node, Node | None]]) -> None:
    if holder.kind == "list":
        holder.items.append(node)
    elif key is None:
        stack[-1] = (holder, node)
    else:
        holder.pairs.append((key, node))
        stack[-1] = (holder, None)


def _node(event: yaml.NodeEvent, text: Text, anchors: dict[str, Node]) -> Node:
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise yaml.YAMLError(f"the alias *{event.anchor} names nothing")
        return anchors[event.anchor]
    start, end = _index(event.start_mark, text), _index(event.end_mark, text)
    kind = "scalar"
    if isinstance(event, yaml.CollectionStartEvent):
        kind = "list" if isinstance(event, yaml.SequenceStartEvent) else "mapping"
    node = Node(kind, text.offsets[start], text.offsets[end])
    if isinstance(event, yaml.ScalarEvent):
        node.style = event.style or ""
        node.tag = event.tag or RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)
        node.value = _scalar(node.tag, event.value)
        node.text = _places(event, text, start, end)
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def _index(mark: Any, text: Text) -> int:
    """The index of a mark; libyaml's last one stands behind the text."""
    return int(min(mark.index, len(text.characters)))


def _scalar(tag: str, value: str) -> Any:
    """What YAML makes of a scalar; the text itself for a tag we do not read."""
    if tag not in PLAIN_TAGS or tag.endswith((":str", ":merge", ":timestamp")):
        return value
    try:
        return yaml.SafeLoader("").construct_object(yaml.ScalarNode(tag, value))
    except (yaml.YAMLError, ValueError, KeyError, OverflowError):
        return value


def _places(event: Any, text: Text, start: int, end: int) -> Text:
    inside = start
    if event.style in ("'", '"'):
        inside, end = start + 1, max(start + 1, end - 1)
    elif event.style in ("|", ">"):
        header = HEADER.match(text.characters, start)
        inside = header.end() if header else start
    elif text.characters[start:end] == event.value:
        return text.slice(start, end)
    return aligned(event.value, text, inside, end, event.style or "")


def as_value(node: Node, budget: int = 1000) -> Any:
    """The node as plain lists, dicts and scalars; None for one that is too large to be a setting."""
    left = [budget]

    def made(one: Node, depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or depth > MOST_DEPTH:
            raise OverflowError
        if one.kind == "list":
            return [made(item, depth + 1) for item in one.items]
        if one.kind == "mapping":
            return {str(key.value): made(value, depth + 1) for key, value in one.pairs}
        return one.value

    try:
        return made(node, 0)
    except OverflowError:
        return None
