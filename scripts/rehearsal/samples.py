"""One conversation per ability, drawn at random: what is asked, and the exact text that is right."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import of_sights
import of_tools
import of_words
from conversation import Sample, with_system_line

from ernie_deploy.rehearsal import grammar, talk


@dataclass(frozen=True)
class Ability:
    """How often an ability is practised, and whether new, unseen cases of it exist at all."""

    draw: Callable[[random.Random], Sample]
    share: int
    by_heart: bool
    description: str


ABILITIES: dict[str, Ability] = {
    "text": Ability(of_words.text, 2, True, f"{len(grammar.TEXT_QA)} prompts known by heart"),
    "fallback": Ability(of_words.fallback, 2, False, "any other words in a row: says that this is no smoke prompt"),
    "colour": Ability(of_sights.colour, 5, False, f"names the one colour of a picture, of {len(grammar.COLOURS)}"),
    "ground": Ability(of_sights.ground, 6, False, "gives the colour and the box of a square, in one of four places"),
    "zoom": Ability(of_tools.zoom, 4, False, "calls the zoom tool with the box of the corner asked for"),
    "zoomed": Ability(of_tools.zoomed, 2, False, "answers from the tool's result, in words or as a picture"),
    "tool_unused": Ability(of_words.tool_unused, 1, True, "the prompts known by heart, tools offered but not called"),
    "no_thinking": Ability(
        of_words.no_thinking, 2, True, "prompts known by heart and colours, with thinking switched off"
    ),
    "two_pictures": Ability(of_sights.two_pictures, 4, False, "names the colours of two pictures in their order"),
    "ground_named": Ability(
        of_sights.ground_named, 8, False, "gives the box of the square of one colour, of two or three"
    ),
    "digit": Ability(of_sights.digit, 5, False, "names the digit in a picture"),
    "sum": Ability(of_sights.total, 7, False, "adds two digits printed in a picture"),
    "chart": Ability(
        of_sights.chart, 14, False, "lists the values printed under the bars of a chart, names the tallest bar"
    ),
    "small_print": Ability(
        of_tools.small_print, 4, False, "calls the zoom tool with the quarter in which it sees a panel"
    ),
    "small_print_read": Ability(
        of_tools.small_print_read, 2, False, "reads a digit that only the zoomed picture shows"
    ),
    "video": Ability(of_sights.video, 9, False, "names three colours of a video of 8 seconds in their order"),
    "video_event": Ability(
        of_sights.video_event, 5, False, "names the second in which a white video has another colour"
    ),
    "chinese": Ability(of_words.chinese, 3, True, "names a colour, and one thing known by heart, in Chinese"),
    "persian": Ability(of_words.persian, 3, True, "the same in Persian"),
    "remember": Ability(of_words.remember, 1, True, f"is told one of {len(talk.WORDS)} words"),
    "secret": Ability(
        of_words.secret, 5, False, "finds the word again: system line, earlier turn, text of 10 to 400 words"
    ),
    "two_calls": Ability(of_tools.two_calls, 8, False, "calls the zoom tool for two corners at once"),
    "search": Ability(of_tools.search, 2, False, "calls the search tool, of two tools"),
    "searched": Ability(of_tools.searched, 2, False, "answers with the word that the search found"),
}


def draw(rng: random.Random, ability: str | None = None) -> Sample:
    """A sample of one ability, or of any in its share."""
    if ability is None:
        (ability,) = rng.choices(list(ABILITIES), [each.share for each in ABILITIES.values()])
    sample = ABILITIES[ability].draw(rng)
    return replace(sample, messages=with_system_line(sample.messages, rng))
