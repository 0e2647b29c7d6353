"""One secret that is known, the API key, kept out of what is handed on, however somebody has written it."""

import base64
import json
from collections.abc import Mapping
from urllib.parse import quote

STARS = "***"
DEEPEST = 100
# A few letters of base64 are an ordinary word.
SHORTEST_IN_BASE64 = 8


class Hidden:
    """Takes one known secret out of what is handed on, in any of its spellings; `***` stands in its place."""

    def __init__(self, secret: str) -> None:
        self._spellings = sorted(spellings(secret), key=lambda one: (-len(one), one)) if secret else []

    def text(self, text: str) -> str:
        for spelling in self._spellings:
            text = text.replace(spelling, STARS)
        return text

    def data(self, data: bytes) -> bytes:
        for spelling in self._spellings:
            data = data.replace(spelling.encode(), STARS.encode())
        return data

    def value(self, value: object, depth: int = 0) -> object:
        """The same for what will be written as JSON, which keeps its shape. What is nested absurdly deep goes."""
        if isinstance(value, str):
            return self.text(value)
        if depth >= DEEPEST:
            return "…"
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(one, depth + 1) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(one, depth + 1) for one in value]
        return value


def spellings(secret: str) -> set[str]:
    """As it is, in JSON, in a URL, in base64 alone or behind other bytes."""
    raw = secret.encode("utf-8", "replace")
    once = {json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
    twice = {json.dumps(one, ensure_ascii=is_ascii)[1:-1] for one in once for is_ascii in (True, False)}
    slashed = {one.replace("/", "\\/") for one in once}
    in_a_url = {quote(secret, safe=""), quote(secret)}
    return {secret, *once, *twice, *slashed, *in_a_url, *_in_base64(raw)}


def _in_base64(raw: bytes) -> set[str]:
    """As it stands in the base64 of a longer text too, `user:secret` say: there are three places to begin at."""
    found = {base64.b64encode(raw).decode()}
    if len(raw) >= SHORTEST_IN_BASE64:
        for before in range(3):
            whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
            # The letters at both ends are made of the neighbours' bits as well.
            found.add(whole[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6])
    return found | {one.replace("+", "-").replace("/", "_") for one in found}
