"""Words of a service in a page: bounded, escaped, only text."""

import json
from html import escape

from ernie_deploy.report.fitting import cut, fitted, printable


def text(words: str, longest: int = 4000) -> str:
    return escape(printable(cut(words, longest)))


def json_block(value: object) -> str:
    return f"<pre>{text(json.dumps(fitted(value), indent=2, ensure_ascii=False), longest=40_000)}</pre>"
