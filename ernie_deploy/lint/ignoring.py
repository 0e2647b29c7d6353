"""Comments by which a file tells lint to leave something alone, each with its reason.

`# ernie-deploy lint: ignore=FD082 a proxy stands in front` behind a line speaks about that line. On a line of its own
it speaks about the next one, and about the lines that belong to it: those it continues with a backslash, and those
that are indented deeper. `ignore-file=` speaks about the whole file. Several rules are separated by commas.
"""

import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from ernie_deploy.lint.text import Lines

# Further ones are not heeded: every one of them is compared with every finding.
MOST = 200
# So many lines of comments and blanks may stand between a comment and what it speaks about.
FURTHEST = 100
MARK = "ernie-deploy lint:"
COMMENT = re.compile(
    rf"[#;][ \t]*{MARK}[ \t]*(?P<what>ignore(?:-file)?)?(?:=(?P<rules>[\w,]*))?[ \t]*(?P<reason>[^\r\n]*)"
)


class Ignore(NamedTuple):
    """One such comment: the rules, why, the lines it speaks about, and where it stands."""

    rules: frozenset[str]
    reason: str
    lines: range
    start: int
    end: int


def ignores(characters: str) -> tuple[Ignore, ...]:
    """All of them, also those that name no rule or give no reason."""
    if MARK not in characters:
        return ()
    lines, places = characters.split("\n"), Lines(characters)
    found = []
    for match in islice(COMMENT.finditer(characters), MOST):
        named = frozenset((match["rules"] or "").upper().split(",")) - {""}
        line = places.place(match.start()).line
        covered = range(1, len(lines) + 1) if match["what"] == "ignore-file" else _covered(lines, line)
        found.append(Ignore(named, match["reason"].strip(), covered, match.start(), match.end()))
    return tuple(found)


def _covered(lines: Sequence[str], line: int) -> range:
    """The lines, counted from 1, that a comment in `line` speaks about."""
    if not _is_comment(lines[line - 1]):
        return range(line, line + 1)
    first = line
    while first < min(len(lines), line + FURTHEST) and (_is_comment(lines[first]) or not lines[first].strip()):
        first += 1
    if first == len(lines) or _is_comment(lines[first]):
        return range(0)
    last, depth = first, _indent(lines[first])
    while last + 1 < len(lines) and (
        lines[last].rstrip().endswith("\\") or (lines[last + 1].strip() and _indent(lines[last + 1]) > depth)
    ):
        last += 1
    return range(first + 1, last + 2)


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", ";"))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
