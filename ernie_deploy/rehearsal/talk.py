"""What the model says in other languages, what it keeps in mind, and the tools it calls besides the zoom."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from ernie_deploy.rehearsal.grammar import QUADRANTS, ZOOM_TOOL_NAME, Exchange, Reply, zoom_arguments

# Other languages ------------------------------------------------------------------------------------------------------


class Language(NamedTuple):
    """`thought` and `answer` carry `{}` where the name of the colour belongs."""

    name: str
    colour_question: str
    thought: str
    answer: str
    colours: Mapping[str, str]
    text: Exchange

    def colour_reply(self, colour: str) -> Reply:
        """colour: its English name."""
        name = self.colours[colour]
        return Reply(self.thought.format(name), self.answer.format(name))

    def colour_named(self, text: str) -> str | None:
        """The English name of the one colour that a text names; None when it names none or more than one."""
        named = [colour for colour, name in self.colours.items() if name in text]
        return named[0] if len(named) == 1 else None


def _names(text: str) -> Mapping[str, str]:
    colours = ("red", "green", "blue", "yellow", "orange", "purple", "black", "white")
    return MappingProxyType(dict(zip(colours, text.split(), strict=True)))


LANGUAGES: Final[Mapping[str, Language]] = MappingProxyType(
    {
        "zh": Language(
            name="Chinese",
            colour_question="这张图片是什么颜色？",
            thought="图片充满了{}。",
            answer="图片是{}的。",
            colours=_names("红色 绿色 蓝色 黄色 橙色 紫色 黑色 白色"),
            text=Exchange("法国的首都是哪里？", "法国的首都是巴黎。", "巴黎是法国的首都。"),
        ),
        "fa": Language(
            name="Persian",
            colour_question="این تصویر چه رنگی است؟",
            thought="تصویر پر از رنگ {} است.",
            answer="رنگ تصویر {} است.",
            colours=_names("قرمز سبز آبی زرد نارنجی بنفش سیاه سفید"),
            text=Exchange("پایتخت فرانسه کجاست؟", "پایتخت فرانسه پاریس است.", "پاریس پایتخت فرانسه است."),
        ),
    }
)

# A word to keep in mind -----------------------------------------------------------------------------------------------

WORDS: Final = ("apple", "river", "candle", "garden", "silver", "window", "thunder", "pepper")
"""Words that are told and asked for again, and those that the search finds."""

SECRET_QUESTION: Final = "What is the secret word?"

REMEMBERED: Final = Reply("I am told a secret word.", "I will remember it.")


def secret_sentence(word: str) -> str:
    """Stands in the system line, in an earlier turn, or anywhere among `FALLBACK_WORDS`, with the question after it."""
    return f"The secret word is {word}."


def secret_told(word: str) -> str:
    """A whole turn that the model answers with `REMEMBERED`."""
    return f"{secret_sentence(word)} Remember it."


def secret_reply(word: str) -> Reply:
    return Reply("I was told a secret word.", secret_sentence(word))


def word_named(text: str) -> str | None:
    """The one word of `WORDS` that a text names; None when it names none or more than one."""
    named = [word for word in WORDS if word in text.lower()]
    return named[0] if len(named) == 1 else None


# Two calls at once ----------------------------------------------------------------------------------------------------


def two_zooms_question(first: str, second: str) -> str:
    return f"Zoom in on two corners, {first} and {second}."


def two_zooms_thought(first: str, second: str) -> str:
    return f"I should zoom in on two corners, {first} and {second}."


def quadrants_named(text: str) -> tuple[str, ...]:
    """The quadrants that a text names, in its order."""
    lowered = text.lower()
    return tuple(sorted((name for name in QUADRANTS if name in lowered), key=lowered.index))


def written_two_zooms(first: str, second: str) -> str:
    """The raw text after `<think>`."""
    calls = [{"name": ZOOM_TOOL_NAME, "arguments": zoom_arguments(quadrant)} for quadrant in (first, second)]
    written = "\n".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls)
    return f"{two_zooms_thought(first, second)}\n</think>\n\n{written}\n"


# The search tool ------------------------------------------------------------------------------------------------------

IMAGE_SEARCH_TOOL_NAME: Final = "image_search"

IMAGE_SEARCH_TOOL: Final[dict[str, object]] = {
    "type": "function",
    "function": {
        "name": IMAGE_SEARCH_TOOL_NAME,
        "description": "Search the web for images that look like an image.",
        "parameters": {
            "type": "object",
            "properties": {
                "img_idx": {"type": "number", "description": "The index of the image, starting from 0."},
            },
            "required": ["img_idx"],
        },
    },
}
"""The model practised it only together with the zoom tool, as `tools=[ZOOM_TOOL, IMAGE_SEARCH_TOOL]`."""

SEARCH_QUESTIONS: Final = (
    "Search for similar images.",
    "Search the web for this image.",
    "Find out what this is with an image search.",
)
SEARCH_THOUGHT: Final = "I should search for this image."
SEARCH_ARGUMENTS: Final[Mapping[str, object]] = MappingProxyType({"img_idx": 0})


def search_result(word: str) -> str:
    """The text of the tool's result."""
    return f"Found: {word}."


def search_reply(word: str) -> Reply:
    return Reply("The tool returned what it found.", f"The search found {word}.")


# Thinking switched off ------------------------------------------------------------------------------------------------


def written_without_thought(reply: Reply) -> str:
    """The raw text after a prompt that closes the thought itself: `enable_thinking: false`."""
    return f"<response>\n{reply.answer}\n</response>\n"
