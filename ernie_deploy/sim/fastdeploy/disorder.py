"""Faults of a stream: what happens to its pieces on the way. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]

COLLECTED = frozenset(("one-chunk", "late-first-token", "stream-out-of-order"))
"""While one of these holds, nothing is sent before everything is there."""


class Disorder:
    """One stream, while these faults hold. `words` counts the tokens, `_said` the pieces of the answer."""

    def __init__(self, faults: Collection[str]) -> None:
        self._faults = faults
        self._said = 0
        self._fragments = 0
        self._name = ""
        self.words = 0

    def disturbed(self, deltas: Iterable[Json]) -> list[Json]:
        """What becomes of the deltas of one token."""
        self.words += 1
        out = list(deltas)
        for name, change in CHANGES.items():
            if name in self._faults:
                out = [changed for delta in out for changed in change(self, delta)]
        return out

    def ordered(self, held: list[Json]) -> list[Json]:
        """What was collected, as it is sent at last."""
        if "stream-out-of-order" in self._faults:
            return sorted(held, key=lambda delta: "reasoning_content" in delta)
        return [_together(held)] if "one-chunk" in self._faults and held else held

    def _lose_words(self, delta: Json) -> Iterator[Json]:
        """The third piece of an answer is lost."""
        self._said += bool(delta.get("content"))
        if not delta.get("content") or self._said != 3:
            yield delta

    def _repeat_first(self, delta: Json) -> Iterator[Json]:
        """The first piece of an answer comes twice."""
        is_word = bool(delta.get("content", "").strip())
        if is_word and not self._said:
            yield dict(delta)
        self._said += is_word
        yield delta

    def _tear(self, delta: Json) -> Iterator[Json]:
        """A character of several bytes comes in two pieces, each decoded by itself."""
        text = delta.get("content", "")
        at = next((index for index, letter in enumerate(text) if not letter.isascii()), None)
        if at is None:
            yield delta
            return
        whole = text.encode()
        cut = len(text[:at].encode()) + 1
        yield {"content": whole[:cut].decode(errors="replace")}
        yield {"content": whole[cut:].decode(errors="replace")}

    def _lose_arguments(self, delta: Json) -> Iterator[Json]:
        """The third fragment of a call is lost."""
        self._fragments += "tool_calls" in delta
        if "tool_calls" not in delta or self._fragments != 3:
            yield delta

    def _repeat_name(self, delta: Json) -> Iterator[Json]:
        """Every fragment of a call says its name again."""
        for call in delta.get("tool_calls", ()):
            self._name = call["function"].get("name") or self._name
            call["function"]["name"] = self._name
        yield delta

    def _count_fragments(self, delta: Json) -> Iterator[Json]:
        """Every fragment of a call claims to be a call of its own."""
        for call in delta.get("tool_calls", ()):
            call["index"] = self._fragments
            self._fragments += 1
        yield delta


CHANGES: Mapping[str, Callable[[Disorder, Json], Iterator[Json]]] = {
    "stream-loses-words": Disorder._lose_words,
    "stream-repeats-first": Disorder._repeat_first,
    "split-unicode": Disorder._tear,
    "lost-fragment": Disorder._lose_arguments,
    "repeated-name": Disorder._repeat_name,
    "fragments-apart": Disorder._count_fragments,
}
"""By the name of the fault."""


def _together(deltas: list[Json]) -> Json:
    """Many deltas as one."""
    whole: Json = {}
    for delta in deltas:
        for key, value in delta.items():
            whole[key] = whole[key] + value if key in whole else value
    return whole
