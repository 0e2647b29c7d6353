"""What the simulated model writes: the rehearsal grammar's right answer as raw text, before any parser. Pure."""

import re

from ernie_deploy.rehearsal import grammar, sights, talk
from ernie_deploy.sim.fastdeploy import sight, tokens
from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest
from ernie_deploy.sim.fastdeploy.pictures import Picture

END_OF_THOUGHT = "</think>"
AFTER_A_THOUGHT = f"\n{END_OF_THOUGHT}\n\n"
SECRET = re.compile(r"The secret word is (\w+)\.")
FOUND = re.compile(r"Found: (\w+)\.")


def write(request: ChatRequest) -> str:
    """The raw text after the prompt's own `<think>`. With thinking closed there is no thought and no end of one."""
    seen = tuple(picture for picture in request.pictures if picture.rows)
    raw = _call(request, seen) or _written(_reply(request, seen))
    return raw if request.is_thinking else raw.partition(AFTER_A_THOUGHT)[2]


def generated(raw: str, request: ChatRequest) -> tuple[list[str], bool]:
    """The tokens that come out, and whether max_tokens cut them: a thought over its budget is ended by force."""
    words = tokens.pieces(raw)
    if END_OF_THOUGHT in words:
        end = words.index(END_OF_THOUGHT)
        if end > request.reasoning_max_tokens:
            words = words[: request.reasoning_max_tokens] + words[end:]
    return words[: request.max_tokens], len(words) >= request.max_tokens


def stopped(words: list[str], stops: tuple[str, ...]) -> list[str]:
    """The tokens before the first stop sequence."""
    text = "".join(words)
    found = [at for at in (text.find(stop) for stop in stops if stop) if at >= 0]
    return tokens.pieces(text[: min(found)]) if found else words


def _written(reply: grammar.Reply) -> str:
    """FastDeploy's model writes no markers around its answer."""
    return f"{reply.thought}{AFTER_A_THOUGHT}{reply.answer}"


# Calls ----------------------------------------------------------------------------------------------------------------


def _call(request: ChatRequest, seen: tuple[Picture, ...]) -> str | None:
    """What it writes when it wants a tool; None when it wants none."""
    if not seen or request.turns[-1].role == "tool":
        return None
    question, tools = request.text, request.tool_names
    if talk.IMAGE_SEARCH_TOOL_NAME in tools and question in talk.SEARCH_QUESTIONS:
        return _written_call(talk.SEARCH_THOUGHT, talk.IMAGE_SEARCH_TOOL_NAME, dict(talk.SEARCH_ARGUMENTS))
    if grammar.ZOOM_TOOL_NAME not in tools:
        return None
    named = talk.quadrants_named(question)
    if len(named) == 2:
        return talk.written_two_zooms(*named).rstrip("\n")
    if question in sights.SMALL_PRINT_QUESTIONS:
        named = (sight.odd_quadrant(seen[0]),)
    if len(named) != 1:
        return None
    return _written_call(grammar.zoom_thought(named[0]), grammar.ZOOM_TOOL_NAME, grammar.zoom_arguments(named[0]))


def _written_call(thought: str, name: str, arguments: dict[str, object]) -> str:
    return grammar.written_call(thought, name, arguments).rstrip("\n")


# Answers --------------------------------------------------------------------------------------------------------------


def _reply(request: ChatRequest, seen: tuple[Picture, ...]) -> grammar.Reply:
    if request.turns[-1].role == "tool":
        return _about_a_result(request, seen)
    clips = [clip for turn in request.turns for clip in turn.clips if clip.frames]
    if clips:
        return _about_a_video(request.text, list(sight.seconds(clips[-1])))
    return _about_pictures(request.text, seen) if seen else _about_text(request)


def _about_a_result(request: ChatRequest, seen: tuple[Picture, ...]) -> grammar.Reply:
    result = request.turns[-1]
    found = FOUND.search(result.text)
    if found:
        return talk.search_reply(found[1])
    shown = tuple(picture for picture in result.pictures if picture.rows) or seen
    if not shown:
        return grammar.FALLBACK
    if request.text in sights.SMALL_PRINT_QUESTIONS:
        read = sight.numbers(shown[-1])
        return sights.small_print_reply(read[0]) if read else grammar.FALLBACK
    corner = grammar.quadrant_named(request.text) or "top left"
    return grammar.zoomed_reply(sight.colour(shown[-1]), corner)


def _about_a_video(question: str, colours: list[str]) -> grammar.Reply:
    if question in sights.COLOUR_ORDER_QUESTIONS:
        return sights.colour_order_reply(colours)
    for colour in grammar.COLOURS:
        if question in sights.event_questions(colour):
            return sights.event_reply(colour, colours.index(colour)) if colour in colours else grammar.FALLBACK
    return grammar.FALLBACK


def _about_pictures(question: str, seen: tuple[Picture, ...]) -> grammar.Reply:
    picture = seen[-1]
    for language in talk.LANGUAGES.values():
        if question == language.colour_question:
            return language.colour_reply(sight.colour(picture))
    if question in sights.TWO_PICTURES_QUESTIONS and len(seen) > 1:
        return sights.two_pictures_reply(sight.colour(seen[0]), sight.colour(seen[1]))
    if question in sights.SUM_QUESTIONS:
        read = sight.numbers(picture)
        return sights.sum_reply(*read) if len(read) == 2 else grammar.FALLBACK
    if "square" in question.lower():
        return _about_squares(question, picture)
    return _about_a_chart(question, picture) or grammar.colour_reply(sight.colour(picture))


def _about_squares(question: str, picture: Picture) -> grammar.Reply:
    named = sights.colours_named(question)
    wanted = [(colour, place) for place, colour in sight.squares(picture).items() if not named or colour in named]
    return grammar.ground_reply(*wanted[0]) if wanted else grammar.FALLBACK


def _about_a_chart(question: str, picture: Picture) -> grammar.Reply | None:
    """None when the question is not about a chart."""
    asked = [colour for colour in grammar.COLOURS if question in sights.bar_value_questions(colour)]
    if not asked and question not in sights.TALLEST_BAR_QUESTIONS:
        return None
    bars = sight.bars(picture)
    if not bars or not set(asked) <= set(bars):
        return grammar.FALLBACK
    return sights.bar_value_reply(bars, asked[0]) if asked else sights.tallest_bar_reply(bars)


def _about_text(request: ChatRequest) -> grammar.Reply:
    question = request.text
    for language in talk.LANGUAGES.values():
        if question == language.text.prompt:
            return grammar.Reply(language.text.thought, language.text.answer)
    if question.endswith(talk.SECRET_QUESTION):
        told = [word for turn in request.turns for word in SECRET.findall(turn.text)]
        return talk.secret_reply(told[-1]) if told else grammar.FALLBACK
    told = SECRET.findall(question)
    if told and question == talk.secret_told(told[0]):
        return talk.REMEMBERED
    return grammar.text_reply(question)
