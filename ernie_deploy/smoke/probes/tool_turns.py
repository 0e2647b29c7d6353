"""What is around a call: its result, tools that nobody needs, tools that must not be called, words and markup."""

import json
import re

from ernie_deploy.client import Answer, image_part
from ernie_deploy.rehearsal.grammar import TEXT_QA, ZOOM_TOOL, zoom_thought
from ernie_deploy.rehearsal.talk import (
    IMAGE_SEARCH_TOOL,
    IMAGE_SEARCH_TOOL_NAME,
    SEARCH_ARGUMENTS,
    SEARCH_QUESTIONS,
    WORDS,
    search_reply,
    search_result,
    word_named,
)
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.pictures import colour_field
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.probes.remembering import why_lost_beside_tools
from ernie_deploy.smoke.probes.text import ADDITION, why_empty
from ernie_deploy.smoke.probes.tool_call import Zoom, judge_no_call
from ernie_deploy.smoke.reading import number_meant
from ernie_deploy.smoke.target import Target

CALL_ID = "call_1"
SEARCH_TOOLS = [ZOOM_TOOL, IMAGE_SEARCH_TOOL]
MARKUP = re.compile(r"</?(?:think|response|tool_call|tool_output)>")


# The result -------------------------------------------------------------------------------------------------------


def judge_result(target: Target) -> Judgement:
    """The call is ours and the result is drawn now, so only who reads it can say what it says."""
    word = target.rng.choice(WORDS)
    picture = colour_field(target.rng.choice(PLAIN_COLOURS), target.rng)
    question = SEARCH_QUESTIONS[0]
    if target.profile == "model":
        question += " Then say in one word what was found."
    function = {"name": IMAGE_SEARCH_TOOL_NAME, "arguments": json.dumps(dict(SEARCH_ARGUMENTS))}
    turns = (
        {"role": "user", "content": [image_part(picture), {"type": "text", "text": question}]},
        {"role": "assistant", "content": "", "tool_calls": [{"id": CALL_ID, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": CALL_ID, "content": search_result(word)},
    )
    answer = target.ask(target.conversation(turns, tools=SEARCH_TOOLS))
    if target.profile == "contract" and answer.tool_calls and not answer.content:
        return skipped("the tool was called again, so whether its result was read cannot be told")
    why = why_unused(target, word, answer)
    if why:
        return failed(why)
    return passed("the result was used" if target.judges_words else "a result is taken and an answer follows")


def why_unused(target: Target, word: str, answer: Answer) -> str | None:
    if answer.tool_calls and not answer.content:
        return "the tool was called again instead of its result being used"
    if why := why_empty(answer):
        return why
    if target.profile == "rehearsal":
        expected = search_reply(word).answer
        return None if answer.content == expected else f"expected {expected!r}, got {answer.content[:200]!r}"
    if target.profile == "model" and word_named(answer.content) != word:
        return f"the tool found {word!r}, the answer {answer.content[:200]!r}"
    return None


# No call ----------------------------------------------------------------------------------------------------------


def judge_none(target: Target) -> Judgement:
    zoom = Zoom.drawn(target.rng)
    answer = target.chat(zoom.content, tools=list(zoom.tools), tool_choice="none")
    return none_judged(target.engine, answer)


def none_judged(engine: str, answer: Answer) -> Judgement:
    limit, why = "", ""
    if answer.tool_calls:
        limit, why = "tool-choice-ignored", f"{answer.tool_calls[0].name} was called, though tool_choice is none"
    elif "<tool_call>" in answer.content:
        limit, why = "tool-choice-none-leaks", "no call came, but its markup stands in the answer"
    elif not answer.content and not answer.reasoning:
        why = "the answer is empty"
    if not why:
        return passed("no tool was called")
    known = why_unsupported(engine, limit)
    return Judgement("unsupported" if known else "fail", why, reference=known or "")


def judge_unused(target: Target) -> Judgement:
    asked = (TEXT_QA[3], ADDITION) if target.profile == "rehearsal" else (ADDITION,)
    for question in asked:
        answer = target.chat(question.prompt, tools=[ZOOM_TOOL])
        if why := why_called(target, question.answer, answer):
            return failed(f"{question.prompt!r}: {why}")
    if why := why_lost_beside_tools(target):
        return failed(why, hint="look at the chat template: tools may take the place of the system line")
    return passed("what needs no tool was answered without one")


def why_called(target: Target, expected: str, answer: Answer) -> str | None:
    if answer.tool_calls:
        return f"{answer.tool_calls[0].name} was called, and nothing asks for it"
    if why := why_empty(answer):
        return why
    if target.profile == "rehearsal" and answer.content != expected:
        return f"expected {expected!r}, got {answer.content[:200]!r}"
    if target.profile == "model" and number_meant(answer.content) != float(expected):
        return f"expected {expected}, got {answer.content[:200]!r}"
    return None


# Words around a call ----------------------------------------------------------------------------------------------


def judge_text(target: Target) -> Judgement:
    zoom = Zoom.drawn(target.rng)
    for way, ask in (("plain", target.chat), ("streamed", target.stream)):
        answer = ask(zoom.content, tools=list(zoom.tools))
        if not answer.tool_calls:
            return judge_no_call(target.profile, answer)
        if why := why_garbled(target, zoom.quadrant, answer):
            return failed(f"{way}: {why}")
    return passed("the thought before the call is kept, and no markup is left")


def why_garbled(target: Target, quadrant: str, answer: Answer) -> str | None:
    if left := MARKUP.search(answer.content + answer.reasoning):
        return f"{left[0]} stands in the text beside a call"
    expected = zoom_thought(quadrant)
    if target.profile == "rehearsal" and answer.reasoning != expected:
        return f"expected the thought {expected!r} before the call, got {answer.reasoning[:200]!r}"
    if target.profile == "rehearsal" and answer.content:
        return f"the model says nothing beside a call, and this came: {answer.content[:200]!r}"
    if target.profile == "model" and not (answer.reasoning or answer.content):
        return "nothing came but the call: what was thought or said before it is lost"
    return None


RESULT = Probe(
    "tool-result", "the result of a tool is used in the answer", "full", judge_result, needs=("vision", "tools")
)
NONE = Probe("tool-choice-none", "tool_choice none keeps tools uncalled", "full", judge_none, needs=("vision", "tools"))
UNUSED = Probe("tool-unused", "a tool that is not needed is not called", "full", judge_unused, needs=("chat", "tools"))
TEXT = Probe(
    "tool-text-between", "words before a call are kept, its markup is not", "full", judge_text,
    needs=("vision", "tools"),
)  # fmt: skip
