"""Faults of speech: what the simulated model is made to write instead of what is right. Pure."""

import re
from collections.abc import Callable, Collection, Mapping

from ernie_deploy.rehearsal import grammar
from ernie_deploy.sim.fastdeploy.answers import AFTER_A_THOUGHT, END_OF_THOUGHT
from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest

GARBLED = f"Lorem ipsum dolor.{AFTER_A_THOUGHT}Consectetur adipiscing elit sed."
BOX = re.compile(r"\[(\d+), (\d+), (\d+), (\d+)\]")
CALL = "<tool_call>"
END_OF_CALL = "</tool_call>"
END_OF_SENTENCE = "<|end_of_sentence|>"


def misspoken(raw: str, request: ChatRequest, faults: Collection[str]) -> str:
    """The raw text as it comes out while these faults hold."""
    for name, slip in SLIPS.items():
        if name in faults:
            raw = slip(raw, request)
    return raw


def _mirrored(raw: str) -> str:
    """Boxes on the other side of the picture."""
    return BOX.sub(lambda box: f"[{1000 - int(box[3])}, {box[2]}, {1000 - int(box[1])}, {box[4]}]", raw)


def _rows_first(raw: str) -> str:
    """Boxes with y before x."""
    return BOX.sub(lambda box: f"[{box[2]}, {box[1]}, {box[4]}, {box[3]}]", raw)


def _in_pixels(raw: str, request: ChatRequest) -> str:
    picture = request.pictures[0]

    def in_pixels(box: re.Match[str]) -> str:
        left, top, right, bottom = (int(side) for side in box.groups())
        return str(list(grammar.box_in_pixels((left, top, right, bottom), picture.width, picture.height)))

    return BOX.sub(in_pixels, raw)


def _one_more(pattern: str) -> Callable[[str, ChatRequest], str]:
    """The number in a sentence of the answer becomes one larger."""
    sentence = re.compile(pattern)

    def slip(raw: str, _request: ChatRequest) -> str:
        thought, end, answer = raw.rpartition(AFTER_A_THOUGHT)
        return thought + end + sentence.sub(lambda said: said[0].replace(said[1], str(int(said[1]) + 1)), answer)

    return slip


def _wrong_bar(raw: str, _request: ChatRequest) -> str:
    """The lowest bar is called the tallest."""
    values = dict(re.findall(r"([a-z]+) (\d)[,.]", raw.partition(END_OF_THOUGHT)[0]))
    if "The tallest bar is " not in raw or not values:
        return raw
    return re.sub(r"tallest bar is \w+", f"tallest bar is {min(values, key=lambda name: values[name])}", raw)


def _other_square(raw: str, request: ChatRequest) -> str:
    """Any square is good enough: the box moves, the label stays. One that stands alone is found."""
    named = [name for name in grammar.COLOURS if f"the {name} square" in request.text]
    return _mirrored(raw) if named and CALL not in raw else raw


def _lost_calls(raw: str, _request: ChatRequest) -> str:
    first, end, _ = raw.partition(END_OF_CALL)
    return first + end


def _unasked_call(raw: str, request: ChatRequest) -> str:
    """Whatever is asked, a tool is called when there is one."""
    if not request.tool_names or CALL in raw:
        return raw
    box: dict[str, object] = {"bbox_2d": [0, 0, 1000, 1000], "label": "all of it", "img_idx": 0}
    return grammar.written_call("A tool could help.", request.tool_names[0], box).rstrip("\n")


def _without_thought(raw: str, _request: ChatRequest) -> str:
    _, end, answer = raw.partition(END_OF_THOUGHT)
    return end + answer if end else raw


def _as_latin(raw: str, _request: ChatRequest) -> str:
    return raw.encode().decode("latin-1")


def _as_escapes(raw: str, _request: ChatRequest) -> str:
    return raw.encode("ascii", errors="backslashreplace").decode("ascii")


SLIPS: Mapping[str, Callable[[str, ChatRequest], str]] = {
    "garbled": lambda _, request: GARBLED if request.is_thinking else GARBLED.partition(AFTER_A_THOUGHT)[2],
    "malformed-tool-json": lambda raw, _: raw.replace('"img_idx": 0', '"img_idx": ,'),
    "wrong-box": lambda raw, _: raw if CALL in raw else _mirrored(raw),
    "wrong-square": _other_square,
    "pixel-boxes": lambda raw, request: raw if CALL in raw or not request.pictures else _in_pixels(raw, request),
    "swapped-sides": lambda raw, _: raw if CALL in raw else _rows_first(raw),
    "broken-box": lambda raw, _: raw if CALL in raw else raw.replace('], "label"', ', "label"'),
    "zooms-elsewhere": lambda raw, _: _mirrored(raw) if CALL in raw else raw,
    "sum-wrong": _one_more(r"The sum is (\d+)"),
    "wrong-bar": _wrong_bar,
    "wrong-value": _one_more(r"The chart shows \w+ (\d+)"),
    "misreads-print": _one_more(r"The number is (\d+)"),
    "event-late": _one_more(r"At second (\d+)"),
    "wrong-tool-name": lambda raw, _: raw.replace('{"name": "', '{"name": "my_'),
    "second-call-lost": _lost_calls,
    "calls-unasked-tools": _unasked_call,
    "chatty-call": lambda raw, _: raw.replace(CALL, f"Let me look. {CALL}", 1),
    "thought-lost": _without_thought,
    "special-tokens": lambda raw, _: f"{raw}{END_OF_SENTENCE}",
    "mojibake": _as_latin,
    "escapes-unicode": _as_escapes,
}
"""By the name of the fault."""
