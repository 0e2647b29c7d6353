"""How a text is cut into tokens: not as the model does it, but as long and as repeatably."""

import re
from typing import Final

# Signs that stand for a word or a thing are tokens of their own: Chinese, Japanese, emoji.
SIGNS: Final = "\u2e80-\u9fff\uff00-\uffef\U00010000-\U0010ffff"
PIECES: Final = re.compile(rf"\n|</?\w+>| ?[^\s<{SIGNS}]+|[{SIGNS}]|\s|<")
# Longer than any context; a prompt of 100 MB would take minutes and gigabytes.
MOST_COUNTED: Final = 1 << 20


def pieces(text: str) -> list[str]:
    """Text cut the way a tokenizer might; joined again it is the same text. `</think>` is one piece."""
    return PIECES.findall(text)


def count(text: str) -> int:
    """How many pieces a text has; of a very long one, as many as its beginning lets expect."""
    beginning = text[:MOST_COUNTED]
    return len(pieces(beginning)) * max(1, len(text)) // max(1, len(beginning))
