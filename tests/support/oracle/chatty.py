"""How a fact is said by who says more than was asked: what it is not, what the others are, why it is so."""

import json

from ernie_deploy.rehearsal.scenes import VIDEO_SECONDS
from tests.support.oracle import facts
from tests.support.oracle.facts import Fact

STORY = "Well, there was once a keeper of a lighthouse, and he had a dog that was afraid of the sea. " * 80


def chatty(fact: Fact) -> str:
    match fact:
        case facts.Colour(told):
            return f"Sure! It is {told} all over, with no black or white in it."
        case facts.InOrder("part", (first, second, third)):
            return f"First the screen is {first}. Then it changes to {second}. Finally it becomes {third}."
        case facts.InOrder(of, (first, second)):
            return f"The first {of} is entirely {first}, whereas the second {of} is {second}. Both are plain."
        case facts.Tallest(values, told):
            lowest = min(values, key=lambda name: values[name])
            return f"The {told} bar is the tallest; the {lowest} one is the shortest."
        case facts.Value(values, colour, told):
            others = ", ".join(f"the {name} bar {value}" for name, value in values.items() if name != colour)
            return f"The {colour} bar shows {told}, {others}."
        case facts.Sum(first, second, told):
            return f"That's an easy one: {first} plus {second} is {told}."
        case facts.Root((divisor, added, result), told):
            return f"x = {told}. To check: {told}/{divisor} + {added} = {result - added} + {added} = {result}."
        case facts.Number(told):
            return f"It says {told}, in black digits of 15 × 21 pixels."
        case facts.Place(colour):
            sides = dict(zip(("x1", "y1", "x2", "y2"), fact.box, strict=True))
            return f"Here you are: {json.dumps({'object': f'{colour} square', 'bounding_box': sides})}."
        case facts.Moment(colour, told):
            return (
                f"It is white until second {told}, when it turns {colour}, and white again a second later "
                f"(counting from 0 to {VIDEO_SECONDS})."
            )
        case facts.Word("secret", told):
            return f"Of course: you said that the secret word is '{told}'!"
        case facts.Word("found", told):
            return f"{told.capitalize()}!"
        case facts.Echo(told):
            return f"Here it is: {told}"
        case facts.Capital(told=told):
            return f"{told}, of course, which lies on a river."
        case facts.Talk("story"):
            return STORY
    return "I'm ERNIE, nice to meet you. Show me a picture, a chart or a video, and ask whatever you like."
