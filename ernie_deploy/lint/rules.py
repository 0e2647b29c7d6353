"""The rules as data: `rules.yaml`, decoded strictly."""

from functools import cache
from importlib.resources import files

import msgspec
import yaml

from ernie_deploy.lint.values import Engine, Severity


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing lint looks for. `mends` when --fix corrects it, at least where the fix is certain."""

    id: str
    title: str
    severity: Severity
    engines: tuple[Engine, ...]
    consequence: str
    fix: str
    source: str
    mends: bool = False


@cache
def rules() -> dict[str, Rule]:
    """All rules by id, in the order of the file."""
    text = files("ernie_deploy.lint").joinpath("rules.yaml").read_text(encoding="utf-8")
    found = msgspec.convert(yaml.safe_load(text), tuple[Rule, ...])
    return {rule.id: rule for rule in found}
