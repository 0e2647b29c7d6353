"""What an answer in free words says about a chart: it names the other bars too, and only one is what was asked for.

Pure functions of texts; None is "nothing, or not one thing".
"""

import re
from collections.abc import Iterator
from typing import Final

from ernie_deploy.smoke.reading import ASIDE, MARKED, SENTENCE_END, colour_meant, colours_in, number_meant, numbers_in

CLAUSE_END: Final = re.compile(r"[,;，；]|\b(?:and the|but|while|whereas)\b")
HEDGE: Final = re.compile(r"\bor\b|或|\b(?:not|rather)\b|不是", re.IGNORECASE)
"""Where this stands it takes the whole sentence to know what is meant."""

VALUE: Final = re.compile(r"\b(?:values?|shows?|reads?)\b|[=:：→值]|[是为](?!第)", re.IGNORECASE)
TALLEST: Final = re.compile(r"(?<!second.)(?<!next.)\b(?:tallest|highest)\b|最[高大长]", re.IGNORECASE)
NOT_TALLEST: Final = re.compile(r"n[o']t (?:the )?(?:tallest|highest)|(?:不是|并非)最[高大长]", re.IGNORECASE)
SHORTEST: Final = re.compile(r"\b(?:shortest|lowest|smallest)\b|最[矮低短小]", re.IGNORECASE)


def value_meant(text: str, colour: str) -> float | None:
    """As `number_meant`; of several numbers in the last sentence with any, the one in the clause of this colour."""
    last = next((part for part in reversed(_sentences(text)) if numbers_in(part)), "")
    clauses = [clause for clause in _clauses(last) if set(colours_in(clause)) == {colour} and VALUE.search(clause)]
    beside = {number for clause in clauses for number in numbers_in(clause)}
    is_marked = any(pattern.search(text) for pattern in MARKED)
    return number_meant(text) if is_marked or len(beside) != 1 else beside.pop()


def tallest_meant(text: str) -> str | None:
    """The colour that is called the tallest; where the text as a whole means another one, none."""
    if NOT_TALLEST.search(text):
        return None
    kept = "\n".join(" , ".join(_kept(sentence)) for sentence in _sentences(text)) if SHORTEST.search(text) else text
    whole = colour_meant(kept)
    named = {colour for part in _sentences(kept) for clause in _clauses(part) for colour in _called_tallest(clause)}
    meant = named | ({whole} if whole else set())
    return meant.pop() if len(meant) == 1 else None


def _called_tallest(clause: str) -> set[str]:
    named = set(colours_in(clause))
    return named if TALLEST.search(clause) and len(named) == 1 else set()


def _kept(sentence: str) -> Iterator[str]:
    return (clause for clause in re.split(r"[,;，；]|\band\b", sentence) if not SHORTEST.search(clause))


def _clauses(sentence: str) -> list[str]:
    """Without what stands in brackets; none where the sentence takes something back."""
    plain = ASIDE.sub(" ", sentence)
    return [] if HEDGE.search(plain) else CLAUSE_END.split(plain)


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in SENTENCE_END.split(text) if sentence.strip()]
