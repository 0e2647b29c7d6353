"""How a fact is said, and all manners of it.

A real model is asked for one word and gives three paragraphs. Right is right in each manner.
"""

import json
from collections.abc import Callable, Mapping

from ernie_deploy.rehearsal.scenes import VIDEO_SECONDS
from tests.support.oracle import facts
from tests.support.oracle.chatty import chatty
from tests.support.oracle.chinese import chinese
from tests.support.oracle.facts import Fact

Manner = Callable[[Fact], str]

ORDINALS = ("first", "second", "third")
STORY = "The old lighthouse stood on a rock, and every night its keeper lit the lamp for those at sea. " * 80


def plain(fact: Fact) -> str:
    """One short sentence."""
    match fact:
        case facts.Colour(told):
            return f"The picture is {told}."
        case facts.InOrder("part", (first, second, third)):
            return f"The video shows {first}, then {second}, and finally {third}."
        case facts.InOrder(of, (first, second)):
            return f"The first {of} is {first} and the second one is {second}."
        case facts.Tallest(told=told):
            return f"The {told} bar is the tallest."
        case facts.Value(colour=colour, told=told):
            return f"The {colour} bar shows {told}."
        case facts.Sum(told=told):
            return f"The sum is {told}."
        case facts.Root(told=told):
            return f"x is {told}."
        case facts.Number(told):
            return f"The number is {told}."
        case facts.Place():
            return f"It is at {fact.box}."
        case facts.Moment(colour, told):
            return f"It turns {colour} at second {told}."
        case facts.Word("secret", told):
            return f"The secret word is {told}."
        case facts.Word("found", told):
            return f"The search found a picture of: {told}."
        case facts.Echo(told):
            return told
        case facts.Capital(told=told):
            return f"The capital of France is {told}."
        case facts.Talk("story"):
            return STORY
    return "Hello! My name is ERNIE, and pictures are what I like best."


def verbose(fact: Fact) -> str:
    """The question once more, steps, Markdown and LaTeX, and a check at the end."""
    match fact:
        case facts.Colour(told):
            return (
                f"The dominant colour of this image is **{told}**.\n\nThe frame is filled with one shade of {told}; "
                "there is no text, no shape and no second colour (such as a patch of grey)."
            )
        case facts.InOrder("part", told):
            return (
                "Watching the video from start to end, the solid colours that fill the frame are, in order:\n\n"
                + "\n".join(f"{number}. **{name.capitalize()}**" for number, name in enumerate(told, start=1))
                + f"\n\nThe {told[-1]} segment comes last; each colour fills the entire frame."
            )
        case facts.InOrder(of, told):
            return "\n".join(f"- **The {ordinal} {of}:** {name}" for ordinal, name in zip(ORDINALS, told, strict=False))
        case facts.Tallest(values, told):
            rows = "\n".join(f"| {name.capitalize()} | {value} |" for name, value in values.items())
            return (
                "To find the tallest bar, let's compare the values under the bars:\n\n| Bar | Value |\n|---|---|\n"
                f"{rows}\n\nComparing these, the **{told}** bar reaches the highest and is the tallest."
            )
        case facts.Value(values, colour, told):
            rows = "\n".join(f"- {name.capitalize()}: {value}" for name, value in values.items() if name != colour)
            return f"The other bars of the chart show:\n\n{rows}\n\nThe {colour} bar shows a value of **{told}**."
        case facts.Sum(first, second, told):
            return (
                f"The two numbers are {first} and {second}.\n\n$$\n{first} + {second} = {told}\n$$\n\n"
                f"The sum of {first} and {second} is $\\boxed{{{told}}}$."
            )
        case facts.Root(equation, told):
            divisor, added, result = equation
            return (
                f"To solve $\\frac{{x}}{{{divisor}}} + {added} = {result}$ for $x$:\n\n"
                f"1. Subtract {added} from both sides: $\\frac{{x}}{{{divisor}}} = {result - added}$\n"
                f"2. Multiply both sides by {divisor}: $x = {told}$\n\n"
                f"**Check:** $\\frac{{{told}}}{{{divisor}}} + {added} = {result}$ ✓\n\n**Answer:** $x = {told}$"
            )
        case facts.Number(told):
            return f'Reading from left to right, the number is "**{" ".join(str(told))}**".'
        case facts.Place(colour, told):
            found = json.dumps([{"bbox_2d": fact.box, "label": f"{colour} square"}], indent=4)
            return f"The {colour} square is in the {told} part of the image, at {fact.box}:\n\n```json\n{found}\n```"
        case facts.Moment(colour, told):
            return (
                f"The video is {VIDEO_SECONDS} seconds long:\n\n- **0–{told} s:** white\n- **{told} s:** {colour}\n"
                f"- **{told + 1}–{VIDEO_SECONDS} s:** white again\n\n"
                f"So the picture turns {colour} at the **{told}-second mark** (00:0{told}), for about 1 second."
            )
        case facts.Word("secret", told):
            return f'You told me the secret word. It is "**{told.capitalize()}**".'
        case facts.Word("found", told):
            return f"**{told.capitalize()}**\n\nThe image search returned one result, a picture of this kind."
        case facts.Echo(told):
            return f"```\n{told}\n```"
        case facts.Capital(told, asked):
            return f"The capital of France is **{told}**." if asked % 3 else f"**{told}** is the capital of France."
        case facts.Talk("story"):
            return f"# The Lighthouse\n\n{STORY}"
    return (
        "I am **ERNIE**, a multimodal assistant. Here is what helps you most:\n\n"
        "1. **Pictures:** describing, comparing, measuring\n2. **Videos:** following what happens"
    )


MANNERS: Mapping[str, Manner] = {"plain": plain, "chatty": chatty, "verbose": verbose, "chinese": chinese}
