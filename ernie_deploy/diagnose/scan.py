"""Through one log, once: what in it is evidence of a known failure, and how far its last start came.

Speed comes from looking only at lines that hold one of the literals of a signature: finding those in a megabyte is a
matter of milliseconds, taking a line apart costs a hundred times as much as passing it by. What is said at level info,
which is nearly everything, is only searched for what may be said there.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

from ernie_deploy import redact
from ernie_deploy.diagnose.lines import LEVELS, Line, is_open_request, parse, starts
from ernie_deploy.diagnose.read import DAMAGED, REDRAW, Stream, chunks
from ernie_deploy.diagnose.signatures import Confidence, Marker, Signature, compiled, filled, knowledge

T = TypeVar("T", Signature, Marker)

# Lines before and after another that are looked at with it.
AROUND = 60
FENCE = b"```"
STEPS = ("loading", "launched", "ready")
# A literal that led nowhere so often is chatter of this log; it is left alone until the next start.
MOST_LOOKS = 20_000
LONGEST_REQUEST = 200
WORDS_OF_REQUESTS = re.compile(rb"equest|rompt|messages|body")
MILD = re.compile(rb"(?:\([\w.\- ]{1,40}pid=\d+\) )?(?:INFO|DEBUG|WARNING|WARN)[ :]")
ENTRY = re.compile(redact.ENTRY.pattern.encode())


class Hit(NamedTuple):
    """A line that names a failure. `confidence` is the signature's, or less where the line stands in odd company."""

    signature: Signature
    cause: str
    fix: str
    line_number: int
    text: str
    confidence: Confidence
    is_after_ready: bool


class Seen(NamedTuple):
    """What one log shows. `problem` says why it could not be read to its end."""

    name: str
    hits: tuple[Hit, ...]
    engines: frozenset[str]
    is_ready: bool
    is_stopped: bool
    bytes_read: int
    problem: str = ""


class _Table(NamedTuple):
    """What is looked for, by the literal that leads to it.

    `mild` literals can matter in lines of level info; `steps` are those of them that do more than tell the engine.
    """

    mild: tuple[bytes, ...]
    steps: tuple[bytes, ...]
    strict: tuple[bytes, ...]
    signatures: dict[bytes, tuple[Signature, ...]]
    markers: dict[bytes, tuple[Marker, ...]]


@cache
def _table() -> _Table:
    signatures: dict[bytes, list[Signature]] = {}
    markers: dict[bytes, list[Marker]] = {}
    for signature in knowledge().signatures:
        for literal in signature.literals:
            signatures.setdefault(literal.encode(), []).append(signature)
    for marker in knowledge().markers:
        for literal in marker.literals:
            markers.setdefault(literal.encode(), []).append(marker)
    mild = {literal for literal, found in signatures.items() if any(one.level != "error" for one in found)}
    steps = mild | {literal for literal, found in markers.items() if any(one.step for one in found)}
    return _Table(
        steps=(*sorted(steps), FENCE),
        mild=(*sorted(mild | set(markers)), FENCE),
        strict=tuple(literal for literal in signatures if literal not in mild and literal not in markers),
        signatures={literal: tuple(found) for literal, found in signatures.items()},
        markers={literal: tuple(found) for literal, found in markers.items()},
    )


def scan(stream: Stream, name: str, *, engine: str = "") -> Seen:
    """Read a log to its end. `engine` is whose it is known to be; otherwise it must show that itself."""
    reading = _Reading(engine)
    problem = ""
    try:
        for part in chunks(stream):
            reading.take(part)
    except DAMAGED as error:
        problem = f"damaged: {error}"
    except OSError as error:
        problem = error.strerror or str(error)
    reading.finish()
    return Seen(
        name=name,
        hits=tuple(reading.hits),
        engines=frozenset(reading.engines),
        is_ready=reading.is_ready,
        is_stopped=reading.is_stopped,
        bytes_read=reading.bytes_read,
        problem=problem,
    )


class _Reading:
    """Where the reading of one log stands. Of `lines` those before `done` have been looked at."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.engines: set[str] = {engine} if engine else set()
        self.hits: list[Hit] = []
        self.has_begun = self.is_ready = self.is_stopped = self.is_quoted = False
        self.bytes_read = 0
        self.lines: list[bytes] = []
        self.numbers: list[int] = []
        self.done = 0
        self.line_number = 1
        self.known: set[tuple[str, bool, bool]] = set()
        self.looks: dict[bytes, int] = {}

    def take(self, part: bytes) -> None:
        """Look at a portion of whole lines, but for the last ones: some signatures look at what follows them."""
        self.bytes_read += len(part)
        lines = part.split(b"\n")
        if not lines[-1]:
            lines.pop()
        numbers: Sequence[int] = range(self.line_number, self.line_number + len(lines))
        self.line_number += len(lines)
        if REDRAW in part:
            drawn = [
                (piece, number)
                for line, number in zip(lines, numbers, strict=True)
                for piece in (line.split(REDRAW) if REDRAW in line else (line,))
            ]
            lines, numbers = [piece for piece, _ in drawn], [number for _, number in drawn]
        self.lines += lines
        self.numbers += numbers
        self._look(len(self.lines) - AROUND)
        keep = max(0, self.done - LONGEST_REQUEST)
        self.lines, self.numbers, self.done = self.lines[keep:], self.numbers[keep:], self.done - keep

    def finish(self) -> None:
        self._look(len(self.lines))

    def _look(self, end: int) -> None:
        found = self._candidates(self.done, end)
        for index in sorted(found):
            self._line(index, found[index])
        self.done = max(self.done, end)

    def _candidates(self, begin: int, end: int) -> dict[int, list[bytes]]:
        """The lines that hold a literal, and which."""
        found: dict[int, list[bytes]] = {}
        everything = range(begin, max(begin, end))
        harsh = [index for index in everything if not MILD.match(self.lines[index])]
        for literals, where in ((self._mild(), everything), (_table().strict, harsh)):
            text = b"\n".join([self.lines[index] for index in where])
            for literal in literals:
                if literal not in text or self.looks.get(literal, 0) > MOST_LOOKS:
                    continue
                with_it = [index for index in where if literal in self.lines[index]]
                self.looks[literal] = self.looks.get(literal, 0) + len(with_it)
                for index in with_it:
                    found.setdefault(index, []).append(literal)
        return found

    def _mild(self) -> Sequence[bytes]:
        """Whose log it is need not be found out twice: every line of FastDeploy's would tell."""
        return _table().steps if self.engines - {"transformers"} else _table().mild

    def _line(self, index: int, literals: Sequence[bytes]) -> None:
        raw = self.lines[index]
        if FENCE in literals and raw.lstrip().startswith(FENCE):
            self.is_quoted = not self.is_quoted
        line = parse(raw)
        if self._is_in_request(index):
            return
        for marker in _led_to(_table().markers, literals):
            whole = line.message if marker.step else redact.plain(raw.decode("utf-8", "replace"))
            if compiled(marker.pattern).match(whole):
                self._mark(marker)
        for signature in _led_to(_table().signatures, literals):
            self._compare(signature, line, index)

    def _mark(self, marker: Marker) -> None:
        if marker.engine:
            self.engines.add(marker.engine)
        if marker.step == "begins":
            # What FastDeploy says of its settings stands before the line that begins a run.
            self.hits = [] if self.has_begun else [hit for hit in self.hits if hit.signature.kind == "note"]
            self.has_begun, self.is_ready, self.is_stopped = True, False, False
            self.looks.clear()
        elif marker.step == "stops":
            self.is_stopped = True
        elif marker.step == "ready":
            self.is_ready, self.is_stopped = True, False
        if marker.step in STEPS:
            reached = STEPS.index(marker.step)
            self.hits = [hit for hit in self.hits if _outlives(hit.signature, reached)]
        if marker.step:
            self.known = {(hit.signature.id, hit.is_after_ready, hit.confidence == "possible") for hit in self.hits}

    def _compare(self, signature: Signature, line: Line, index: int) -> None:
        is_odd = self.is_quoted or line.is_foreign
        key = (signature.id, self.is_ready, is_odd)
        if key in self.known or (line.level is not None and line.level < LEVELS[signature.level]):
            return
        if signature.kind != "note" and (self.is_stopped or (self.is_ready and signature.phase == "start")):
            return
        if self.engine and self.engine not in signature.engines:
            return
        found = starts(line, compiled(signature.pattern))
        if found is None or not self._fits(signature, index):
            return
        self.known.add(key)
        self.hits.append(
            Hit(
                signature=signature,
                cause=filled(signature.cause, found),
                fix=filled(signature.fix, found),
                line_number=self.numbers[index],
                text=line.message,
                confidence="possible" if is_odd else signature.confidence,
                is_after_ready=self.is_ready,
            )
        )

    def _fits(self, signature: Signature, index: int) -> bool:
        if not signature.needs and not signature.unless:
            return True
        near = self.lines[max(0, index - signature.window) : index + signature.window + 1]
        around = b"\n".join(near).decode("utf-8", "replace")
        return all(compiled(one).search(around) for one in signature.needs) and not any(
            compiled(one).search(around) for one in signature.unless
        )

    def _is_in_request(self, index: int) -> bool:
        """Whether a line goes on with the words of a user: it is no entry of this log, and the entry before is open."""
        shape = _shape(self.lines[index])
        for before in range(index - 1, max(-1, index - LONGEST_REQUEST), -1):
            other = _shape(self.lines[before])
            if other and WORDS_OF_REQUESTS.search(self.lines[before]) and is_open_request(parse(self.lines[before])):
                return shape != other
            if other and (other == shape or shape is None):
                return False
        return False


def _led_to(table: Mapping[bytes, tuple[T, ...]], literals: Iterable[bytes]) -> Iterator[T]:
    for literal in literals:
        yield from table.get(literal, ())


def _shape(line: bytes) -> int | None:
    """Which kind of entry a line begins; None when it begins none."""
    found = ENTRY.match(line)
    return found.lastindex if found else None


def _outlives(signature: Signature, reached: int) -> bool:
    """Whether a failure can still be the cause when the start has come this far."""
    return signature.kind == "note" or STEPS.index(signature.until) > reached


def first_of_each(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Of each signature the first line, a sure one before a doubtful one."""
    found: dict[str, Hit] = {}
    for hit in hits:
        known = found.setdefault(hit.signature.id, hit)
        if known.confidence == "possible" and hit.confidence != "possible":
            found[hit.signature.id] = hit
    return tuple(found.values())
