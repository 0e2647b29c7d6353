"""The report as a JSON document. Its shape is published: docs/reference/smoke-report.schema.json is made from here."""

import hashlib
from typing import Literal

import msgspec

from ernie_deploy.report.fitting import cut, fitted, json_text
from ernie_deploy.report.values import Box, Case, Exchange, Picture, Report, Verdict, summary


class Summary(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"passed": "pass"}):
    """How many cases have each verdict."""

    passed: int
    fail: int
    skip: int
    unsupported: int


class PictureTold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture or video that was sent, without its data."""

    media_type: str
    bytes: int
    sha256: str


class CaseTold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One probe and what it found. `attempts` is 2 or more when it was tried again; the exchanges are the last one's.

    In the exchanges "picture 0" stands for the first of `pictures`, and `boxes` count them in the same way.
    """

    id: str
    title: str
    verdict: Verdict
    message: str
    hint: str
    reference: str
    seconds: float
    tier: str
    attempts: int
    evidence: dict[str, object]
    exchanges: tuple[Exchange, ...]
    pictures: tuple[PictureTold, ...]
    boxes: tuple[Box, ...]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A smoke report. `format` is raised when a field is renamed, removed or means something else."""

    format: Literal[1]
    tool: str
    version: str
    created: str
    endpoint: str
    engine: str
    model: str
    profile: str
    tier: str
    seed: int | None
    is_simulated: bool
    was_interrupted: bool
    summary: Summary
    cases: tuple[CaseTold, ...]


def as_json(report: Report) -> str:
    return json_text(msgspec.to_builtins(document(report)))


def schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of what `as_json` writes."""
    found: dict[str, object] = msgspec.json.schema(Document, schema_hook=_anything)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ernie-deploy smoke report", **found}


def _anything(_kind: type) -> dict[str, object]:
    return {"description": "any JSON, as a service or a probe likes it"}


def document(report: Report) -> Document:
    counts = summary(report.cases)
    return Document(
        format=1,
        tool=report.tool,
        version=report.version,
        created=report.created,
        endpoint=cut(report.endpoint),
        engine=cut(report.engine),
        model=cut(report.model),
        profile=report.profile,
        tier=report.tier,
        seed=report.seed,
        is_simulated=report.is_simulated,
        was_interrupted=report.was_interrupted,
        summary=Summary(counts["pass"], counts["fail"], counts["skip"], counts["unsupported"]),
        cases=tuple(_told(case) for case in report.cases),
    )


def _told(case: Case) -> CaseTold:
    return CaseTold(
        id=case.id,
        title=case.title,
        verdict=case.verdict,
        message=cut(case.message),
        hint=cut(case.hint),
        reference=cut(case.reference),
        seconds=case.seconds,
        tier=case.tier,
        attempts=case.attempts,
        evidence={cut(name): fitted(value) for name, value in case.evidence.items()},
        exchanges=tuple(_bounded(exchange) for exchange in case.exchanges),
        pictures=tuple(_without_data(picture) for picture in case.pictures),
        boxes=tuple(msgspec.structs.replace(box, label=cut(box.label)) for box in case.boxes if box.is_drawable),
    )


def _bounded(exchange: Exchange) -> Exchange:
    return msgspec.structs.replace(
        exchange,
        path=cut(exchange.path),
        request=fitted(exchange.request),
        answer=fitted(exchange.answer),
        error=cut(exchange.error),
    )


def _without_data(picture: Picture) -> PictureTold:
    return PictureTold(cut(picture.media_type), len(picture.data), hashlib.sha256(picture.data).hexdigest())
