"""The certain fixes applied, until there is nothing left to apply."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ernie_deploy.lint.values import Edit, Finding

# Every round mends at least one finding; what is not settled after so many would never be.
MOST_ROUNDS = 10


class Mended(NamedTuple):
    """The text after all certain fixes, and the findings that led to them."""

    characters: str
    findings: tuple[Finding, ...]


def mended(characters: str, judge: Callable[[str], tuple[Finding, ...]]) -> Mended:
    """Apply the edits that `judge` finds, judge again, and so on: two rounds may need each other."""
    done: list[Finding] = []
    for _ in range(MOST_ROUNDS):
        found = [one for one in judge(characters) if one.edits]
        changed, used = _applied(characters, found)
        if changed == characters:
            break
        characters = changed
        done += used
    return Mended(characters, tuple(done))


def _applied(characters: str, found: Iterable[Finding]) -> tuple[str, list[Finding]]:
    """The edits of findings that do not overlap; the others wait for the next round."""
    taken: list[Edit] = []
    used: list[Finding] = []
    for one in found:
        if all(_is_apart(edit, other) for edit in one.edits for other in taken):
            taken += one.edits
            used.append(one)
    for edit in sorted(taken, key=lambda edit: edit.start, reverse=True):
        text = edit.text.replace("\n", "\r\n") if "\r\n" in characters else edit.text
        characters = characters[: edit.start] + text + characters[edit.end :]
    return characters, used


def _is_apart(one: Edit, other: Edit) -> bool:
    return one.end < other.start or other.end < one.start
