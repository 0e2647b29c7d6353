"""The part of JSON Schema that our flag facts use: type, enum, minimum, maximum, required, properties, items."""

from collections.abc import Iterator, Mapping
from typing import Any

WORDS = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}


def violations(value: object, schema: Mapping[str, Any], *, at: str = "") -> Iterator[str]:
    """What is wrong with `value`, each with its key: `image_max_pixels: expected an integer, got 12845056.0`.

    As strict as Python's own types: 1.0 is no integer and true is no number.
    """
    prefix = f"{at}: " if at else ""
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{prefix}expected {' or '.join(WORDS[kind] for kind in kinds)}, got {value!r}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{prefix}expected one of {', '.join(str(one) for one in schema['enum'])}, got {value!r}"
    if isinstance(value, int | float):
        if value < schema.get("minimum", value):
            yield f"{prefix}expected at least {schema['minimum']}, got {value!r}"
        if value > schema.get("maximum", value):
            yield f"{prefix}expected at most {schema['maximum']}, got {value!r}"
    if isinstance(value, Mapping):
        for key in schema.get("required", ()):
            if key not in value:
                yield f"{prefix}{key} is missing"
        for key, inner in schema.get("properties", {}).items():
            if key in value:
                yield from violations(value[key], inner, at=f"{at}.{key}" if at else key)
    if isinstance(value, list | tuple) and "items" in schema:
        for index, item in enumerate(value):
            yield from violations(item, schema["items"], at=f"{at}[{index}]")


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    types: dict[str, tuple[type, ...]] = {
        "integer": (int,),
        "number": (int, float),
        "string": (str,),
        "object": (Mapping,),
        "array": (list, tuple),
        "null": (type(None),),
    }
    return isinstance(value, types.get(kind, ()))
