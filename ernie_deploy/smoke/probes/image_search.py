"""Is the search tool called, and is what it finds told."""

from ernie_deploy.client import Answer, ToolCall
from ernie_deploy.rehearsal.grammar import ZOOM_TOOL
from ernie_deploy.rehearsal.scenes import colour_field
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
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.calling import Message, call_turn, result_turn
from ernie_deploy.smoke.looking import about, picture_meant, why_other
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.probes.tool_call import judge_no_call
from ernie_deploy.smoke.target import Profile, Target

TOOLS = [ZOOM_TOOL, IMAGE_SEARCH_TOOL]
THEN = " Then say in one word what was found."


def judge(target: Target) -> Judgement:
    word = target.rng.choice(WORDS)
    scene = colour_field(target.rng.choice(PLAIN_COLOURS), target.rng)
    question = SEARCH_QUESTIONS[0] + (THEN if target.profile == "model" else "")
    asked: Message = {"role": "user", "content": about(target, scene, question)}
    first = target.ask(target.conversation([asked], tools=TOOLS))
    if not first.tool_calls:
        return judge_no_call(target.profile, first)
    if why := why_wrong_call(target.profile, first.tool_calls):
        return failed(why)
    turns = [asked, call_turn(first.tool_calls), result_turn(0, search_result(word))]
    answer = target.ask(target.conversation(turns, tools=TOOLS))
    if why := why_untold(target.profile, word, answer):
        return failed(why)
    told = "" if target.profile == "contract" else f", and {word!r} was told"
    return passed(f"{first.tool_calls[0].name} was called{told}")


def why_wrong_call(profile: Profile, calls: tuple[ToolCall, ...]) -> str | None:
    call = calls[0]
    if len(calls) > 1:
        return f"{len(calls)} calls instead of one search"
    if call.name != IMAGE_SEARCH_TOOL_NAME:
        return f"{IMAGE_SEARCH_TOOL_NAME} was to be called, the call says {call.name!r}"
    if call.parsed is None:
        return f"the arguments are not a JSON object: {call.arguments[:200]!r}"
    expected = dict(SEARCH_ARGUMENTS)
    if profile == "rehearsal" and call.parsed != expected:
        return f"expected the arguments {expected}, got {call.parsed}"
    # There is one picture; to leave its number out, or to say more, is no other search.
    if profile == "model" and picture_meant(call, 1) is None:
        return f"the search is about a picture that was not sent: {call.parsed}"
    return None


def why_untold(profile: Profile, word: str, answer: Answer) -> str | None:
    if profile == "contract" and answer.tool_calls:
        return None
    if why := why_empty(answer):
        return why
    if profile == "rehearsal":
        return why_other(answer, search_reply(word).answer)
    if profile == "model" and word_named(answer.content) != word:
        return f"the search found {word!r}, the answer is {answer.content[:200]!r}"
    return None


PROBE = Probe(
    "image-search", "the search tool is called and its find is told", "full", judge, needs=("vision", "tools")
)
