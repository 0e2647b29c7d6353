"""Faults of perception: what the simulated model is made to overlook in a request. Pure."""

from collections.abc import Callable, Collection, Mapping

from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest
from ernie_deploy.sim.fastdeploy.message_parts import Turn
from ernie_deploy.sim.fastdeploy.pictures import Picture
from ernie_deploy.sim.fastdeploy.videos import Clip


def perceived(request: ChatRequest, faults: Collection[str]) -> ChatRequest:
    """The request as it is seen while these faults hold."""
    for name, lapse in LAPSES.items():
        if name in faults:
            request = lapse(request)
    return request


def _every(change: Callable[[Turn], Turn]) -> Callable[[ChatRequest], ChatRequest]:
    return lambda request: request._replace(turns=tuple(change(turn) for turn in request.turns))


def _only(wanted: Callable[[Turn], bool]) -> Callable[[ChatRequest], ChatRequest]:
    return lambda request: request._replace(
        turns=tuple(turn for turn in request.turns if wanted(turn)) or request.turns[-1:]
    )


def _forget_turns(request: ChatRequest) -> ChatRequest:
    """Only the system line and the last turn are left; a tool's result keeps its question."""
    kept = [turn for turn in request.turns[:-1] if turn.role == "system"]
    users = [turn for turn in request.turns if turn.role == "user"]
    last = [*users[-1:], request.turns[-1]] if request.turns[-1].role == "tool" else [request.turns[-1]]
    return request._replace(turns=(*kept, *last))


def _skip_the_middle(turn: Turn) -> Turn:
    """Of a long text the second third is not read."""
    words = turn.text.split(" ")
    if len(words) < 60:
        return turn
    return turn._replace(text=" ".join(words[: len(words) // 3] + words[len(words) * 2 // 3 :]))


def _skip_the_beginning(turn: Turn) -> Turn:
    words = turn.text.split(" ")
    return turn._replace(text=" ".join(words[len(words) // 3 :])) if len(words) >= 60 else turn


def _first_picture_only(request: ChatRequest) -> ChatRequest:
    """Every picture of a turn is taken for its first."""
    return _every(lambda turn: turn._replace(pictures=turn.pictures[:1] * len(turn.pictures)))(request)


def _turned(clip: Clip) -> Clip:
    return clip._replace(frames=clip.frames[::-1])


def _first_frame(clip: Clip) -> Clip:
    return clip._replace(frames=clip.frames[:1] * len(clip.frames))


def _blind(turn: Turn) -> Turn:
    return turn._replace(pictures=())


def remembered(request: ChatRequest, pictures: dict[tuple[int, int], Picture]) -> ChatRequest:
    """Every picture is taken for the first of its size that was ever seen, as from a cache with too short a key."""
    for picture in request.pictures:
        pictures.setdefault((picture.width, picture.height), picture)
    return _every(lambda turn: turn._replace(pictures=tuple(pictures[one.width, one.height] for one in turn.pictures)))(
        request
    )


LAPSES: Mapping[str, Callable[[ChatRequest], ChatRequest]] = {
    "blind": _every(_blind),
    "video-blind": _every(lambda turn: turn._replace(clips=())),
    "ignores-system": _only(lambda turn: turn.role != "system"),
    "forgets-turns": _forget_turns,
    "skips-the-middle": _every(_skip_the_middle),
    "skips-the-beginning": _every(_skip_the_beginning),
    "one-image-only": _first_picture_only,
    "swapped-images": _every(lambda turn: turn._replace(pictures=turn.pictures[::-1])),
    "stale-crop": _every(lambda turn: _blind(turn) if turn.role == "tool" else turn),
    "tool-result-ignored": _only(lambda turn: turn.role != "tool"),
    "video-frames-lost": _every(lambda turn: turn._replace(clips=tuple(_first_frame(clip) for clip in turn.clips))),
    "video-reversed": _every(lambda turn: turn._replace(clips=tuple(_turned(clip) for clip in turn.clips))),
    "tools-ignored": lambda request: request._replace(tool_names=()),
    "thinking-always-on": lambda request: request._replace(is_thinking=True),
    "reasoning-unbounded": lambda request: request._replace(reasoning_max_tokens=request.max_tokens),
    "ignores-max-tokens": lambda request: request._replace(max_tokens=1 << 20),
    "ignores-stop": lambda request: request._replace(stops=()),
    "ignores-stop-streamed": lambda request: request._replace(stops=() if request.stream else request.stops),
}
"""By the name of the fault."""
