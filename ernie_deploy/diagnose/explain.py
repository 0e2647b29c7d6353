"""From an engine's log to one cause and one fix, or to nothing: a guess would be worse."""

import re
from functools import cache
from importlib.resources import files

import msgspec
import yaml


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A known failure. `remedy` holds settings of the plan that cure it."""

    id: str
    engines: tuple[str, ...]
    pattern: str
    cause: str
    fix: str
    remedy: dict[str, float] = {}


@cache
def signatures() -> tuple[Signature, ...]:
    """All known failures, the telling ones first."""
    text = files("ernie_deploy.diagnose").joinpath("signatures.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), tuple[Signature, ...])


def explain(log: str, engine: str) -> Signature | None:
    """The first signature of this engine that the log shows; None when it shows none."""
    for signature in signatures():
        if engine in signature.engines and re.search(signature.pattern, log):
            return signature
    return None
