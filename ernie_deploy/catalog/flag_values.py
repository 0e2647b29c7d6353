"""Whether an engine would take a value for a flag, and all values together: types, choices, bounds, assertions."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ernie_deploy.catalog.flags import Assertion, EngineFlags, Flag, default_of
from ernie_deploy.catalog.json_schema import violations

FALSE_WORDS = ("false", "0", "no", "off", "none", "null")
MEANS = {
    "<": "less than",
    "<=": "at most",
    ">=": "at least",
    "==": "exactly",
    "divides-by": "a multiple of the number of",
}


class Unmet(NamedTuple):
    """A start-time assertion that does not hold. `names` are the flags it speaks about, the left one first."""

    assertion: Assertion
    names: tuple[str, ...]
    message: str


def problems_with(facts: EngineFlags, word: str, value: object, version: str) -> tuple[str, ...]:
    """Why `version` cannot take this value for this flag; empty when it can.

    The value is as it stands in the engine's YAML, or the text of a command line; True for a bare flag.
    """
    flag = facts.named(word)
    absent = facts.why_absent(word, version)
    if flag is None or absent:
        return (absent,)
    return tuple(value_problems(flag, value))


def value_problems(flag: Flag, value: object) -> Iterator[str]:
    """What is wrong with a value, whatever the version: `expected an integer, got 1.5`."""
    if flag.kind in ("integer", "number"):
        yield from _number_problems(flag, value)
    elif flag.kind in ("switch", "pair"):
        if not isinstance(value, bool):
            yield f"expected true or false, got {value!r}"
    elif flag.kind == "truthy":
        if not isinstance(value, str | bool) or str(value).lower() in FALSE_WORDS:
            yield f"any text counts as true here, {str(value)!r} too: leave it out to have false"
    elif flag.kind == "json":
        yield from _json_problems(flag, value)
    elif isinstance(value, list | tuple) and flag.kind in ("texts", "integers", "comma", "append"):
        for item in value:
            yield from _word_problems(flag, item)
    else:
        yield from _word_problems(flag, value)


def unmet(facts: EngineFlags, values: Mapping[str, object], version: str) -> tuple[Unmet, ...]:
    """The start-time assertions that do not hold. `values` are flags and variables by name.

    For all others the defaults of `version` are taken; an assertion about something unknown is left out.
    """
    asked = {(flag.name if (flag := facts.named(name)) else name): value for name, value in values.items()}
    found = (_unmet(facts, one, asked, version) for one in facts.assertions)
    return tuple(one for one in found if one is not None)


def _unmet(facts: EngineFlags, one: Assertion, asked: Mapping[str, object], version: str) -> Unmet | None:
    def value(name: str) -> object:
        return _value(facts, name, asked, version)

    asserted = all(str(value(name)) == str(expected) for name, expected in one.when.items())
    excused = any(str(value(name)) == str(expected) for name, expected in one.unless.items())
    if excused or not asserted:
        return None
    if one.relation == "is-set":
        names = (one.left, *one.unless, *one.when)
        return Unmet(one, names, f"{one.left} is missing: {one.says}") if value(one.left) is None else None
    factors = one.right if isinstance(one.right, tuple) else (one.right,)
    names = tuple(factor for factor in factors if isinstance(factor, str))
    left = _count(value(one.left))
    numbers = [_count(value(factor)) if isinstance(factor, str) else factor for factor in factors]
    known = [number for number in numbers if number is not None]
    if left is None or len(known) < len(numbers):
        return None
    right = math.prod(known)
    if _is_met(left, one.relation, right):
        return None
    shown = f"{' x '.join(names)} = {right:.10g}" if names else f"{right:.10g}"
    message = f"{one.left} {left:.10g} must be {MEANS[one.relation]} {shown}: {one.says}"
    return Unmet(one, (one.left, *names), message)


def _is_met(left: float, relation: str, right: float) -> bool:
    if relation == "divides-by":
        return right == 0 or left % right == 0
    return {"<": left < right, "<=": left <= right, ">=": left >= right, "==": left == right}[relation]


def _value(facts: EngineFlags, name: str, asked: Mapping[str, object], version: str) -> object:
    """What was asked for, else the default, else what the engine then takes; None when that is not known."""
    if asked.get(name) is not None:
        return asked[name]
    flag = facts.named(name)
    if flag is None:
        variable = facts.variable(name)
        return variable.default if variable else None
    default = default_of(flag, version)
    return flag.unset_value if default is None else default


def _count(value: object) -> float | None:
    """A number, a text that is one, or how many a list or a text with commas names."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, list | tuple):
        return len(value)
    if isinstance(value, str):
        number = _parsed(value, float)
        return number if number is not None else len(value.split(","))
    return None


def _number_problems(flag: Flag, value: object) -> Iterator[str]:
    is_whole = flag.kind == "integer"
    number: float | None = None
    if isinstance(value, str):
        number = _parsed(value, int if is_whole else float)
    elif not isinstance(value, bool) and isinstance(value, int if is_whole else int | float):
        number = value
    if number is None or not math.isfinite(number):
        yield f"expected {'an integer' if is_whole else 'a number'}, got {value!r}"
        return
    if flag.least is not None and number < flag.least:
        yield f"expected at least {flag.least:.10g}, got {value!r}"
    if flag.most is not None and number > flag.most:
        yield f"expected at most {flag.most:.10g}, got {value!r}"
    if flag.choices and str(value) not in flag.choices:
        yield f"expected one of {', '.join(flag.choices)}, got {value!r}"


def _json_problems(flag: Flag, value: object) -> Iterator[str]:
    schema = flag.schema or {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            if "string" not in schema.get("type", ()):
                yield f"expected JSON, got {value!r}"
                return
        except RecursionError:
            yield "expected JSON that is not nested so deeply"
            return
    yield from violations(value, schema)


def _word_problems(flag: Flag, value: object) -> Iterator[str]:
    """One word. YAML reads `off` and `no` as false, which would reach the engine as the text False."""
    if flag.kind == "integers":
        if isinstance(value, bool) or not (
            isinstance(value, int) or (isinstance(value, str) and _parsed(value, int) is not None)
        ):
            yield f"expected integers, got {value!r}"
        return
    if isinstance(value, bool):
        yield f"expected text, got {value!r}" + (", which YAML makes of off and no: quote it" if not value else "")
    elif not isinstance(value, str | int | float):
        yield f"expected text, got {value!r}"
    elif flag.choices and str(value) not in flag.choices:
        yield f"expected one of {', '.join(flag.choices)}, got {value!r}"


def _parsed(text: str, kind: type[int] | type[float]) -> float | None:
    try:
        return kind(text)
    except ValueError:
        return None
