"""What is true: from a request to the fact that answers it, or to the calls that come first."""

import re
from typing import NamedTuple

from ernie_deploy.rehearsal.grammar import QUADRANTS, TEXT_QA, ZOOM_TOOL_NAME, zoom_box
from ernie_deploy.rehearsal.talk import IMAGE_SEARCH_TOOL_NAME, SECRET_QUESTION, quadrants_named
from ernie_deploy.sim.fastdeploy import sight
from ernie_deploy.smoke.probes.long_answers import QUESTION as STORY_QUESTION
from ernie_deploy.smoke.probes.scripts import ECHO
from tests.support.oracle import facts, seeing
from tests.support.oracle.facts import Fact
from tests.support.oracle.request import Request

CAPITAL_QUESTION = TEXT_QA[2].prompt
ECHO_BEGINS = ECHO.removesuffix("{}")
ADDITION = re.compile(r"What is (\d+) \+ (\d+)\?")
SECRET = re.compile(r"secret word is (\w+)")
FOUND = re.compile(r"Found: (\w+)")
TURNS = re.compile(r"turn (\w+)\?")
BAR = re.compile(r"the (\w+) bar")


class Call(NamedTuple):
    name: str
    arguments: dict[str, object]


class Calls(NamedTuple):
    """What is asked of tools before there is an answer."""

    calls: tuple[Call, ...]


def answer(request: Request, count: int) -> Fact | Calls:
    """count: how many questions came before."""
    if request.turns[-1].role == "tool":
        return _after_tool(request)
    if request.videos:
        return _of_videos(request)
    if request.pictures and request.tools:
        return _calls(request)
    return _of_pictures(request) if request.pictures else _of_text(request, count)


def _after_tool(request: Request) -> Fact:
    if found := FOUND.search(request.question):
        return facts.Word("found", found[1])
    return facts.Number(seeing.number_in_crop(request.pictures[-1]))


def _calls(request: Request) -> Calls:
    """With more arguments than are asked for, and sides that are no whole numbers, as the real model likes them."""
    if IMAGE_SEARCH_TOOL_NAME in request.tools:
        return Calls((Call(IMAGE_SEARCH_TOOL_NAME, {"img_idx": 0, "query": "a plain field"}),))
    boxes = {f"{name} corner": zoom_box(name) for name in quadrants_named(request.question)}
    sides = {name: tuple(map(float, box)) for name, box in boxes.items()} or {
        "panel": seeing.crop_box(request.pictures[0])
    }
    calls = (Call(ZOOM_TOOL_NAME, {"bbox_2d": box, "img_idx": 0, "label": label}) for label, box in sides.items())
    return Calls(tuple(calls))


def elsewhere(request: Request, found: Calls) -> Calls:
    """The same calls, but of a corner that was not asked for; what no corner was asked for stays as it is."""
    asked = quadrants_named(request.question)
    other = next(name for name in QUADRANTS if name not in asked)
    if not asked or found.calls[0].name != ZOOM_TOOL_NAME:
        return found
    return Calls(tuple(Call(call.name, {**call.arguments, "bbox_2d": zoom_box(other)}) for call in found.calls))


def _of_videos(request: Request) -> Fact:
    seconds = [tuple(sight.seconds(clip)) for clip in request.videos]
    if len(seconds) == 2:
        return facts.InOrder("video", tuple(colours[0] for colours in seconds))
    if turns := TURNS.search(request.question):
        return facts.Moment(turns[1], seconds[0].index(turns[1]))
    return facts.InOrder("part", tuple(dict.fromkeys(seconds[0])))


def _of_pictures(request: Request) -> Fact:
    question, picture = request.question, request.pictures[-1]
    if len(request.pictures) > 1:
        return facts.InOrder("picture", tuple(map(seeing.colour, request.pictures)))
    if "square" in question:
        return facts.Place(*seeing.square(picture, question))
    if "bar" in question:
        return _of_chart(request)
    if "the two numbers" in question:
        first, second = seeing.numbers(picture)
        return facts.Sum(first, second, first + second)
    if "equation" in question:
        equation = seeing.equation(picture)
        return facts.Root(equation, equation.solution)
    if "number is written" in question:
        return facts.Number(seeing.number(picture))
    return facts.Colour(seeing.colour(picture))


def _of_chart(request: Request) -> Fact:
    values = seeing.bars(request.pictures[-1])
    named = BAR.search(request.question)
    if named and named[1] in values:
        return facts.Value(values, named[1], values[named[1]])
    return facts.Tallest(values, max(values, key=lambda colour: values[colour]))


def _of_text(request: Request, count: int) -> Fact:
    question = request.question
    if question.startswith(ECHO_BEGINS):
        return facts.Echo(question.removeprefix(ECHO_BEGINS))
    if added := ADDITION.match(question):
        return facts.Sum(int(added[1]), int(added[2]), int(added[1]) + int(added[2]))
    told = SECRET.findall(" ".join(turn.text for turn in request.turns))
    if question.endswith(SECRET_QUESTION) and told:
        return facts.Word("secret", told[-1])
    if question == CAPITAL_QUESTION:
        return facts.Capital(facts.CAPITALS[0], count)
    return facts.Talk("story" if question == STORY_QUESTION else "myself")
