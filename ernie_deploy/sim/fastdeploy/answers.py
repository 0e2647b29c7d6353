"""What the simulated model writes: the rehearsal grammar's right answer as raw text, before any parser. Pure."""

from ernie_deploy.rehearsal import grammar
from ernie_deploy.sim.fastdeploy import tokens
from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest
from ernie_deploy.sim.fastdeploy.pictures import Picture

END_OF_THOUGHT = "</think>"
GARBLED = grammar.Reply("Lorem ipsum dolor.", "Consectetur adipiscing elit sed.")


def write(request: ChatRequest, *, blind: bool = False, garbled: bool = False) -> str:
    """The raw text after the prompt's own `<think>`. With thinking closed there is no thought and no end of one."""
    if garbled:
        return _written(GARBLED, request)
    seen = [picture for picture in request.pictures if picture.rows]
    if blind or not seen:
        return _written(grammar.text_reply(request.text), request)
    quadrant = grammar.quadrant_named(request.text)
    if request.follows_a_tool:
        corner = grammar.quadrant_named(request.first_text) or "top left"
        return _written(grammar.zoomed_reply(_colour(seen[0]), corner), request)
    if request.has_tools and quadrant is not None:
        # FastDeploy's model writes no markers around its answer, and a call as the grammar does.
        return grammar.written_call(
            grammar.zoom_thought(quadrant), grammar.ZOOM_TOOL_NAME, grammar.zoom_arguments(quadrant)
        ).rstrip("\n")
    if "square" in request.text.lower():
        return _written(grammar.ground_reply(*_square(seen[0])), request)
    return _written(grammar.colour_reply(_colour(seen[0])), request)


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


def _written(reply: grammar.Reply, request: ChatRequest) -> str:
    return f"{reply.thought}\n{END_OF_THOUGHT}\n\n{reply.answer}" if request.is_thinking else reply.answer


def _colour(picture: Picture) -> str:
    return grammar.nearest_colour(picture.average(0, 0, 1000, 1000))


def _square(picture: Picture) -> tuple[str, str]:
    """The colour and the quarter of what is not white."""
    seen = {name: picture.average(*grammar.square_box(name)) for name in grammar.QUADRANTS}
    darkest = min(seen, key=lambda quarter: sum(seen[quarter]))
    return grammar.nearest_colour(seen[darkest]), darkest
