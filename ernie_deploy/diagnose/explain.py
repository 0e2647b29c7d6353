"""From logs to one cause and one fix, or to nothing: a guess would be worse."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from ernie_deploy.diagnose.read import opened
from ernie_deploy.diagnose.scan import Hit, Seen, first_of_each, scan
from ernie_deploy.diagnose.signatures import Confidence, Signature, signatures
from ernie_deploy.redact import Redactor

Outcome = Literal["cause", "ready", "unknown"]
CONFIDENT: tuple[Confidence, ...] = ("certain", "likely")
ORDER: tuple[Confidence, ...] = ("certain", "likely", "possible")
LONGEST_EVIDENCE = 400
MOST_OTHERS = 5


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a log, redacted and clipped."""

    file: str
    line: int
    text: str


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a line means. `source` says where this is known from."""

    id: str
    cause: str
    fix: str
    confidence: Confidence
    source: str
    evidence: Evidence


class Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log that was looked at; `problem` when not to its end."""

    file: str
    bytes: int
    problem: str = ""


class Diagnosis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cause`: it is in `finding`. `ready`: a service came up, and nothing fatal followed. `unknown`: see `collect`.

    `others` were considered and not chosen; `notes` are worth knowing and failed nothing.
    """

    outcome: Outcome
    engine: str
    finding: Finding | None
    others: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    read: tuple[Read, ...]
    collect: tuple[str, ...] = ()

    @property
    def is_confident(self) -> bool:
        """Whether a cause is named that can be relied on."""
        return self.finding is not None and self.finding.confidence in CONFIDENT


class _Judged(NamedTuple):
    hit: Hit
    file: str
    confidence: Confidence

    @property
    def order(self) -> tuple[bool, bool, int, int]:
        """The nearest to the root comes first; with equals, what stands first."""
        signature = self.hit.signature
        is_weak = self.confidence not in CONFIDENT
        return is_weak, signature.kind == "symptom", signature.rank, ORDER.index(self.confidence)


def diagnose(paths: Iterable[Path], *, engine: str = "") -> Diagnosis:
    """Read these logs, those of the workers first. Raises OSError for one that cannot be opened."""
    seen = []
    for path in paths:
        with opened(path) as stream:
            seen.append(scan(stream, str(path), engine=engine))
    return judge(seen)


def explain(log: str, engine: str) -> Signature | None:
    """The signature that this engine's log shows; None when it shows none for sure."""
    found = judge([scan(io.BytesIO(log.encode("utf-8", "replace")), "log", engine=engine)])
    if found.finding is None or not found.is_confident:
        return None
    return signature_of(found.finding)


def signature_of(finding: Finding) -> Signature:
    return next(one for one in signatures() if one.id == finding.id)


def judge(seen: Sequence[Seen]) -> Diagnosis:
    """One verdict over all logs of one run."""
    is_ready = any(one.is_ready for one in seen)
    is_dead = any(_is_death(hit) for one in seen for hit in one.hits)
    engines = sorted({name for one in seen for name in one.engines})
    if len(engines) > 1:
        # vLLM uses that library, too.
        engines = [name for name in engines if name != "transformers"]
    judged = [
        _Judged(hit, one.name, _confidence(hit, engines, is_ready=is_ready, is_dead=is_dead, is_own=one.is_ready))
        for one in seen
        for hit in first_of_each(one.hits)
        if not _is_voided(hit, is_ready=is_ready, is_own=one.is_ready) and _is_of(hit.signature, engines)
    ]
    notes = _distinct([one for one in judged if one.hit.signature.kind == "note"])
    found = _distinct(sorted((one for one in judged if one.hit.signature.kind != "note"), key=lambda one: one.order))
    is_named = bool(found) and (found[0].confidence in CONFIDENT or not is_ready)
    best, others = (found[0], found[1:]) if is_named else (None, found)
    outcome: Outcome = "cause" if best else "ready" if is_ready else "unknown"
    whose = engines[0] if len(engines) == 1 else ""
    return Diagnosis(
        outcome=outcome,
        engine=whose,
        finding=_finding(best) if best else None,
        others=tuple(_finding(one) for one in others[:MOST_OTHERS]),
        notes=tuple(_finding(one) for one in notes),
        read=tuple(Read(one.name, one.bytes_read, one.problem) for one in seen),
        collect=() if outcome == "ready" or (best and best.confidence in CONFIDENT) else collect(whose),
    )


def collect(engine: str) -> tuple[str, ...]:
    """What helps somebody else to find a cause that is not known here, as commands."""
    worker = ("ernie-deploy logs --worker 0",) if engine in ("fastdeploy", "") else ()
    return (
        "ernie-deploy support-bundle",
        *worker,
        "dmesg -T | grep -iE 'xid|out of memory|killed process|segfault'",
        "nvidia-smi -q",
    )


def _is_death(hit: Hit) -> bool:
    return hit.is_after_ready and hit.signature.kind == "symptom"


def _is_of(signature: Signature, engines: Sequence[str]) -> bool:
    return not engines or signature.stands_alone or bool(set(engines) & set(signature.engines))


def _is_voided(hit: Hit, *, is_ready: bool, is_own: bool) -> bool:
    """What can only spoil a start did not, where another log shows that the start went well."""
    return is_ready and not is_own and hit.signature.phase == "start" and hit.signature.kind != "note"


def _confidence(hit: Hit, engines: Sequence[str], *, is_ready: bool, is_dead: bool, is_own: bool) -> Confidence:
    signature = hit.signature
    if signature.stands_alone:
        return hit.confidence
    is_stray = not engines
    # A service that goes on after an error was not ended by it.
    goes_on = is_ready and not is_dead and (hit.is_after_ready or not is_own)
    return "possible" if is_stray or (goes_on and signature.kind == "cause") else hit.confidence


def _distinct(found: Sequence[_Judged]) -> list[_Judged]:
    first: dict[str, _Judged] = {}
    for one in found:
        first.setdefault(one.hit.signature.id, one)
    return list(first.values())


def _finding(one: _Judged) -> Finding:
    signature = one.hit.signature
    redact = Redactor().log
    text = " ".join(redact(one.hit.text).split())
    clipped = text if len(text) <= LONGEST_EVIDENCE else text[: LONGEST_EVIDENCE - 1] + "…"
    return Finding(
        id=signature.id,
        cause=redact(one.hit.cause),
        fix=redact(one.hit.fix),
        confidence=one.confidence,
        source=signature.source,
        evidence=Evidence(one.file, one.hit.line_number, clipped),
    )
