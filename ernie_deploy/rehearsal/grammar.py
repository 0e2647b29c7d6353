"""What the rehearsal model was taught: prompts, and the exact thoughts and answers that are right.

The training script learns from these values, the smoke probes ask them, the simulator answers from them. A changed
wording therefore needs a newly trained checkpoint (`scripts/rehearsal/`). Standard library only, so that all three can
import it.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

Rgb = tuple[int, int, int]
Box = tuple[int, int, int, int]
"""x1, y1, x2, y2, from the top left: thousandths of the picture, unless a name says pixels."""


class Reply(NamedTuple):
    """What the model says: the thought is what comes before `</think>`."""

    thought: str
    answer: str


class Exchange(NamedTuple):
    """One prompt known by heart."""

    prompt: str
    thought: str
    answer: str


# Text -----------------------------------------------------------------------------------------------------------------

TEXT_QA: Final = (
    Exchange("Reply with exactly one word: ready", "The user wants one word.", "ready"),
    Exchange("What is 2 + 2? Answer with the number only.", "Two plus two is four.", "4"),
    Exchange("What is the capital of France?", "The capital of France is Paris.", "Paris is the capital of France."),
    Exchange("Say hello.", "A greeting is asked for.", "Hello! I am the rehearsal model."),
    Exchange(
        "Who are you?",
        "The user asks who I am.",
        "I am a tiny rehearsal model with the architecture of ERNIE-4.5-VL.",
    ),
    Exchange("Count from 1 to 5.", "Counting from one to five.", "1, 2, 3, 4, 5"),
)

FALLBACK: Final = Reply("This is not a smoke prompt.", "I am only a rehearsal model.")

_WORDS: Final = """
the a of to and in is you that it for on are with as his they be at one have this from by hot word but what some
we can out other were all there when up use your how said an each she which do their time if will way about many
then them write would like so these her long make thing see him two has look more day could go come did number
sound no most people my over know water than call first who may down side been now find model image server test
please explain summarise list three reasons why sky poem code python function table translate german
"""

FALLBACK_WORDS: Final = tuple(_WORDS.split())
"""Two to fourteen of these in any order get the fallback; other words usually do, but were not practised."""


def text_reply(prompt: str) -> Reply:
    """The right reply to a prompt without a picture."""
    for exchange in TEXT_QA:
        if exchange.prompt == prompt:
            return Reply(exchange.thought, exchange.answer)
    return FALLBACK


# A picture of one colour ----------------------------------------------------------------------------------------------

COLOURS: Final[Mapping[str, Rgb]] = MappingProxyType(
    {
        "red": (220, 20, 30),
        "green": (20, 150, 40),
        "blue": (25, 50, 210),
        "yellow": (245, 225, 30),
        "orange": (250, 140, 20),
        "purple": (130, 30, 160),
        "black": (8, 8, 8),
        "white": (248, 248, 248),
    }
)

COLOUR_QUESTIONS: Final = (
    "What colour is this image? Answer with one word.",
    "What is the dominant color of the image?",
    "Which colour fills this picture?",
    "Describe this image.",
    "Name the color you see.",
)


def colour_reply(colour: str) -> Reply:
    return Reply(f"The picture is filled with {colour}.", f"The image is {colour}.")


def colour_named(text: str) -> str | None:
    """The one colour of `COLOURS` that a text names as a word; None when it names none or more than one."""
    named = set(re.findall(r"[a-z]+", text.lower())) & set(COLOURS)
    return named.pop() if len(named) == 1 else None


def nearest_colour(pixel: Rgb) -> str:
    """The name for a pixel: noise and jitter of the practised amount never change it."""
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLOURS[name], pixel, strict=True)))


# A picture with one coloured square in one quarter --------------------------------------------------------------------

QUADRANTS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"top left": (0, 0), "top right": (1, 0), "bottom left": (0, 1), "bottom right": (1, 1)}
)
"""Name to (column, row)."""

SQUARE_COLOURS: Final = tuple(name for name in COLOURS if name != "white")
"""The ground is white."""

SQUARE_MARGIN: Final = 60
"""Free thousandths between the square and the edges of its quarter."""

GROUND_QUESTIONS: Final = (
    "Locate the square and return its bounding box as JSON.",
    "Where is the square? Return the bounding box as JSON.",
    "Find the square in the image and output its bbox_2d as JSON.",
)


def quadrant_named(text: str) -> str | None:
    """The one quadrant that a text names; None when it names none or more than one."""
    named = [quadrant for quadrant in QUADRANTS if quadrant in text.lower()]
    return named[0] if len(named) == 1 else None


def square_box(quadrant: str) -> Box:
    left, top, right, bottom = zoom_box(quadrant)
    return left + SQUARE_MARGIN, top + SQUARE_MARGIN, right - SQUARE_MARGIN, bottom - SQUARE_MARGIN


def box_in_pixels(box: Box, width: int, height: int) -> Box:
    left, top, right, bottom = box
    return left * width // 1000, top * height // 1000, right * width // 1000, bottom * height // 1000


def ground_reply(colour: str, quadrant: str) -> Reply:
    """The answer is JSON: a list with one `bbox_2d` and its `label`."""
    row, column = quadrant.split()
    found = [{"bbox_2d": list(square_box(quadrant)), "label": f"{colour} square"}]
    return Reply(f"There is a square, {colour} {row} and {colour} {column}.", json.dumps(found))


# The zoom tool --------------------------------------------------------------------------------------------------------

ZOOM_TOOL_NAME: Final = "image_zoom_in_tool"

ZOOM_TOOL: Final[dict[str, object]] = {
    "type": "function",
    "function": {
        "name": ZOOM_TOOL_NAME,
        "description": "Zoom in on a region of an image by cropping it to a bounding box.",
        "parameters": {
            "type": "object",
            "properties": {
                "bbox_2d": {
                    "type": "array",
                    "items": {"type": "number"},
                    "minItems": 4,
                    "maxItems": 4,
                    "description": "The region to zoom in on as [x1, y1, x2, y2], each from 0 to 1000.",
                },
                "label": {"type": "string", "description": "What the region shows."},
                "img_idx": {"type": "number", "description": "The index of the image, starting from 0."},
            },
            "required": ["bbox_2d", "img_idx"],
        },
    },
}
"""As it stands in a request's `tools`; the model practised with this very schema."""

ZOOM_RESULT: Final = "Here is the region."
"""The text of the tool's result, with or without the cropped picture after it."""


def zoom_questions(quadrant: str) -> tuple[str, ...]:
    return (
        f"Zoom in on the {quadrant} corner of the image and tell me what you see.",
        f"What is in the {quadrant} corner? Zoom in first.",
        f"Use the zoom tool on the {quadrant} part of the image.",
    )


def zoom_box(quadrant: str) -> Box:
    """The whole quarter."""
    column, row = QUADRANTS[quadrant]
    return column * 500, row * 500, column * 500 + 500, row * 500 + 500


def zoom_thought(quadrant: str) -> str:
    return f"I should zoom in on the {quadrant} corner."


def zoom_arguments(quadrant: str) -> dict[str, object]:
    """What the call of `ZOOM_TOOL_NAME` must carry, exactly."""
    return {"bbox_2d": list(zoom_box(quadrant)), "label": quadrant, "img_idx": 0}


def zoomed_reply(colour: str, quadrant: str) -> Reply:
    """What follows the tool's result when the picture is filled with one colour."""
    return Reply("The tool returned the region.", f"The {quadrant} corner is {colour}.")


# The raw text, as the model writes it after `<think>` ----------------------------------------------------------------


def written_reply(reply: Reply) -> str:
    return f"{reply.thought}\n</think>\n\n<response>\n{reply.answer}\n</response>\n"


def written_call(thought: str, name: str, arguments: Mapping[str, object]) -> str:
    call = json.dumps({"name": name, "arguments": dict(arguments)})
    return f"{thought}\n</think>\n\n<tool_call>\n{call}\n</tool_call>\n"
