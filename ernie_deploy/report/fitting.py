"""What a service sent, made fit to be written down: bounded, and without what a format cannot hold."""

import json
import math
import re
from collections.abc import Mapping, Sized
from itertools import islice

LONGEST = 4000
"""Characters of one text in a report."""

MOST_ITEMS = 200
DEEPEST = 24

# Half characters, which no UTF-8 file can hold; a service can send them as \ud800 in its JSON.
HALVES = re.compile("[\ud800-\udfff]")
# What XML 1.0 cannot hold, not even escaped; a terminal and a page are better off without, too.
CONTROLS = re.compile("[^\t\n\r\u0020-\x7e\x85\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What turns the direction of the text after it: it would make a line read as it was not written.
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# What JSON may hold as it is, and what still commands a terminal or breaks a line.
UNSEEN = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# `##[error]` commands GitHub's runner and `##vso[…]` that of Azure wherever they stand in a line of a log.
COMMANDING = re.compile(r"##(?=\w*\[)")


def fitted(value: object, longest: int = LONGEST, depth: int = 0) -> object:
    """Anything as JSON has it, with its long texts cut and the rest of long lists left out, both said."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return cut(value, longest)
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if depth >= DEEPEST:
        return "… (nested deeper)"
    if isinstance(value, Mapping):
        kept = [
            (cut(str(key), 200), fitted(item, longest, depth + 1)) for key, item in islice(value.items(), MOST_ITEMS)
        ]
        return dict(kept) | ({"…": _left_out(value)} if len(value) > MOST_ITEMS else {})
    if isinstance(value, list | tuple):
        items = [fitted(item, longest, depth + 1) for item in value[:MOST_ITEMS]]
        return items + ([_left_out(value)] if len(value) > MOST_ITEMS else [])
    return cut(str(value), longest)


def cut(text: str, longest: int = LONGEST) -> str:
    """At most so many characters of it, and how many there were."""
    whole = len(text)
    shown = HALVES.sub("�", text[:longest])
    return shown if whole <= longest else f"{shown}… ({whole} characters in all)"


def printable(text: str) -> str:
    """Without what commands a terminal, turns the direction or is half a character: "�" stands for each."""
    return TURNS.sub("�", CONTROLS.sub("�", text))


def one_line(text: str) -> str:
    return " ".join(printable(text).split())


def loggable(text: str, longest: int) -> str:
    """For a terminal and the log of a CI, which both take commands from what they are shown."""
    return COMMANDING.sub("# #", one_line(cut(text, longest)))


def json_text(value: object) -> str:
    """A JSON document, readable in any script, that is harmless where it is printed."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def _left_out(value: Sized) -> str:
    return f"({len(value) - MOST_ITEMS} more)"
