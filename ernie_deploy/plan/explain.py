"""A plan as lines for people: every setting with its value, its place of origin and its reason."""

import json
from typing import NamedTuple

from ernie_deploy.plan.secrets import shown
from ernie_deploy.plan.values import Plan, Setting


class Line(NamedTuple):
    """One setting in words."""

    key: str
    value: str
    origin: str
    why: str


def lines(plan: Plan) -> tuple[Line, ...]:
    """All settings in the order of the plan, secrets hidden."""
    settings = ((key, getattr(shown(plan), key)) for key in Plan.__struct_fields__)
    return tuple(
        Line(key, in_words(setting.value), setting.origin, setting.why)
        for key, setting in settings
        if isinstance(setting, Setting)
    )


def in_words(value: object) -> str:
    """`None` is the engine's choice, a mapping is JSON, a list is comma-separated."""
    if value is None:
        return "–"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple | list):
        return ", ".join(str(part) for part in value) or "–"
    return str(value).lower() if isinstance(value, bool) else str(value)
