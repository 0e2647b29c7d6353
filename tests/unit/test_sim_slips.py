"""Faults of perception and of speech in the simulated model: each changes what comes out, and nothing else does."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ernie_deploy.client.avi import avi
from ernie_deploy.client.media import image_part, video_part
from ernie_deploy.client.png import png
from ernie_deploy.rehearsal import grammar, scenes, sights, talk
from ernie_deploy.sim.fastdeploy import answers, faults
from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest, understand
from ernie_deploy.sim.fastdeploy.disorder import CHANGES, Disorder
from ernie_deploy.sim.fastdeploy.lapses import LAPSES, perceived, remembered
from ernie_deploy.sim.fastdeploy.miscounting import miscounted
from ernie_deploy.sim.fastdeploy.misparsing import finish_after, misparsed
from ernie_deploy.sim.fastdeploy.misreadings import understood
from ernie_deploy.sim.fastdeploy.parsers import as_call
from ernie_deploy.sim.fastdeploy.pictures import Picture
from ernie_deploy.sim.fastdeploy.refusals import RefusedError, WordlessError
from ernie_deploy.sim.fastdeploy.replies import usage
from ernie_deploy.sim.fastdeploy.request_types import Served
from ernie_deploy.sim.fastdeploy.slips import SLIPS, misspoken

SERVED = Served("ernie", True, 4096, {"image": 2, "video": 1}, {}, False, False)
RNG = random.Random(1)
TOOLS = [grammar.ZOOM_TOOL]
RED, BLUE = (image_part(scenes.colour_field(colour, RNG).png()) for colour in ("red", "blue"))
SQUARES = image_part(scenes.squares({"top left": "red", "bottom right": "blue"}, RNG).png())
CORNER = image_part(scenes.squares({"top right": "red"}, RNG).png())
CHART = image_part(scenes.bar_chart({"red": 3, "blue": 7, "green": 2}, RNG).png())
SUM = image_part(scenes.sum_picture(3, 4, RNG).png())
PRINT = scenes.small_print(7, "top left", "blue", RNG)
SECRET = talk.secret_sentence("river")
OFF = {"options": {"thinking_mode": "close"}}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"messages": list(messages), **fields}


def user(text: str, *media: dict[str, object]) -> dict[str, Any]:
    return {"role": "user", "content": [*media, {"type": "text", "text": text}]}


def film(colours: tuple[str, ...]) -> dict[str, object]:
    video = scenes.video(colours, RNG)
    return video_part(avi([frame.pixels for frame in video.frames], 56, 56, video.fps))


def zoomed(question: str, picture: scenes.Picture) -> dict[str, Any]:
    result = [{"type": "text", "text": grammar.ZOOM_RESULT}, image_part(picture.png())]
    return body(user(question, image_part(PRINT.png())), {"role": "tool", "content": result}, tools=TOOLS)


HELLO = user("Say hello.")
ORDER = user(sights.COLOUR_ORDER_QUESTIONS[0], film(("red",) * 4 + ("green",) * 2 + ("blue",) * 2))
CROPPED = zoomed(sights.SMALL_PRINT_QUESTIONS[0], PRINT.crop((0, 0, 500, 500)))
ZOOM = body(user(grammar.zoom_questions("top left")[0], RED), tools=TOOLS)
LONG = "the a of " * 60
CHINESE = talk.LANGUAGES["zh"].text.prompt

SHOWN_BY: dict[str, dict[str, Any]] = {
    "blind": body(user(grammar.COLOUR_QUESTIONS[0], RED)),
    "video-blind": body(ORDER),
    "ignores-system": body({"role": "system", "content": SECRET}, user(talk.SECRET_QUESTION)),
    "forgets-turns": body(user(talk.secret_told("river")), user(talk.SECRET_QUESTION)),
    "skips-the-middle": body(user(f"{LONG}{SECRET} {LONG}{talk.SECRET_QUESTION}")),
    "skips-the-beginning": body(user(f"{SECRET} {LONG}{talk.SECRET_QUESTION}")),
    "one-image-only": body(user(sights.TWO_PICTURES_QUESTIONS[0], RED, BLUE)),
    "swapped-images": body(user(sights.TWO_PICTURES_QUESTIONS[0], RED, BLUE)),
    "stale-crop": CROPPED,
    "tool-result-ignored": CROPPED,
    "video-frames-lost": body(ORDER),
    "video-reversed": body(ORDER),
    "tools-ignored": ZOOM,
    "thinking-always-on": body(HELLO, chat_template_kwargs=OFF),
    "reasoning-unbounded": body(HELLO, reasoning_max_tokens=2),
    "ignores-max-tokens": body(HELLO, max_tokens=5),
    "ignores-stop": body(HELLO, stop=["rehearsal"]),
    "ignores-stop-streamed": body(HELLO, stop=["rehearsal"], stream=True),
    "garbled": body(HELLO),
    "malformed-tool-json": ZOOM,
    "wrong-box": body(user(grammar.GROUND_QUESTIONS[0], SQUARES)),
    "wrong-square": body(user(sights.named_square_questions("blue")[0], SQUARES)),
    "pixel-boxes": body(user(grammar.GROUND_QUESTIONS[0], SQUARES)),
    "swapped-sides": body(user(grammar.GROUND_QUESTIONS[0], CORNER)),
    "broken-box": body(user(grammar.GROUND_QUESTIONS[0], SQUARES)),
    "zooms-elsewhere": ZOOM,
    "sum-wrong": body(user(sights.SUM_QUESTIONS[0], SUM)),
    "wrong-bar": body(user(sights.TALLEST_BAR_QUESTIONS[0], CHART)),
    "wrong-value": body(user(sights.bar_value_questions("blue")[0], CHART)),
    "misreads-print": CROPPED,
    "event-late": body(user(sights.event_questions("red")[0], film(scenes.flash("red", 3)))),
    "wrong-tool-name": ZOOM,
    "second-call-lost": body(user(talk.two_zooms_question("top left", "top right"), RED), tools=TOOLS),
    "calls-unasked-tools": body(HELLO, tools=TOOLS),
    "chatty-call": ZOOM,
    "thought-lost": body(HELLO),
    "special-tokens": body(HELLO),
    "mojibake": body(user(CHINESE)),
    "escapes-unicode": body(user(CHINESE)),
}


def spoken(request: ChatRequest, *holding: str) -> list[str]:
    """What is generated while faults hold."""
    seen = perceived(request, holding)
    words, _ = answers.generated(misspoken(answers.write(seen), seen, holding), seen)
    return answers.stopped(words, seen.stops)


def test_each_fault_of_the_model_is_shown_by_a_request() -> None:
    assert set(SHOWN_BY) == {*LAPSES, *SLIPS}


@pytest.mark.parametrize("fault", SHOWN_BY)
def test_a_fault_changes_the_answer_to_what_it_is_about_and_not_a_greeting(fault: str) -> None:
    asked = understand(SHOWN_BY[fault], SERVED)
    right = spoken(asked)
    assert spoken(asked, fault) != right
    greeting = understand(body(HELLO), SERVED)
    is_about_all = fault in ("garbled", "thought-lost", "special-tokens")
    assert (spoken(greeting, fault) == spoken(greeting)) is not is_about_all


def test_faults_can_hold_together() -> None:
    asked = understand(SHOWN_BY["sum-wrong"], SERVED)
    assert "".join(spoken(asked, "sum-wrong", "thought-lost")).endswith("The sum is 8.")
    assert spoken(asked, "sum-wrong", "thought-lost")[0] == answers.END_OF_THOUGHT


def test_every_fault_that_can_be_asked_for_is_acted_out_somewhere() -> None:
    directory = Path(faults.__file__).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in directory.glob("*.py"))
    unknown = [
        fault.name for fault in faults.known().values() if fault.kind != "worker" and f'"{fault.name}"' not in source
    ]
    assert unknown == []


# Reading --------------------------------------------------------------------------------------------------------------

BROKEN: dict[str, object] = {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}
NO_VIDEO: dict[str, object] = {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,eA=="}}


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        ("any-model", body(HELLO, model="another")),
        ("any-number", body(HELLO, temperature=99, max_tokens=-1)),
        ("any-number", body(HELLO, max_tokens="many")),
        ("any-tools", body(HELLO, tools=[{"type": "function"}])),
        ("accepts-too-long", body(user("word " * 5000))),
        ("accepts-broken-images", body(user("?", BROKEN))),
        ("accepts-broken-videos", body(user("?", NO_VIDEO))),
    ],
)
def test_what_is_refused_is_let_through_by_a_fault_and_only_by_its_own(fault: str, asked: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        understood(asked, SERVED, ["blind", "usage-zero"])
    assert len(understood(asked, SERVED, [fault]).pictures) <= 2


@pytest.mark.parametrize(
    ("fault", "asked", "refusal"),
    [
        ("half-length", body(user("word " * 2200)), RefusedError),
        ("chokes-on-tiny-images", body(user("?", image_part(scenes.Picture(1, 1, bytes(3)).png()))), WordlessError),
        ("misnames-limit", body(user("?", RED, BLUE)), RefusedError),
        ("chokes-on-alpha", body(user("?", image_part(png(1, 1, [bytes(3)], with_alpha=True)))), WordlessError),
        ("chokes-on-emoji", body(user("Hello 🎉")), WordlessError),
    ],
)
def test_what_is_right_is_refused_by_a_fault(fault: str, asked: dict[str, Any], refusal: type[Exception]) -> None:
    assert understood(asked, SERVED, ()).turns
    with pytest.raises(refusal):
        understood(asked, SERVED, [fault])


def test_a_picture_can_be_taken_for_an_earlier_one_of_its_size() -> None:
    cache: dict[tuple[int, int], Picture] = {}
    red, blue = (understand(body(user("?", picture)), SERVED) for picture in (RED, BLUE))
    assert remembered(red, cache).pictures == red.pictures
    assert remembered(blue, cache).pictures == red.pictures


def test_tools_can_hide_the_system_line_which_then_costs_nothing() -> None:
    asked = body({"role": "system", "content": SECRET}, user(talk.SECRET_QUESTION), tools=TOOLS)
    right, lost = (understood(asked, SERVED, faults) for faults in ((), ["tools-hide-system"]))
    assert [turn.role for turn in lost.turns] == ["user"]
    assert lost.prompt_tokens < right.prompt_tokens
    assert understood({**asked, "tools": []}, SERVED, ["tools-hide-system"]).turns == right.turns


# Counting and streaming -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "is_stream"),
    [("usage-missing", False), ("usage-zero", False), ("usage-flat", False), ("usage-sum-wrong", False),
     ("usage-without-thought", False),
     ("no-usage-chunk", True), ("stream-usage-differs", True), ("blind", False)],
)  # fmt: skip
def test_a_fault_of_counting_changes_the_usage(fault: str, is_stream: bool) -> None:
    counted = usage(understand(body(user("?", RED)), SERVED), ["a", "b"])
    assert miscounted(counted, [], is_stream=is_stream) == counted
    assert miscounted(counted, [fault], is_stream=is_stream) != counted


def test_a_call_can_lose_its_id_or_be_encoded_twice_or_end_like_any_answer() -> None:
    call = as_call("zoom", '{"a": 1}')
    assert misparsed([call], []) == (call,)
    assert misparsed([call], ["calls-without-id"])[0]["id"] == ""
    assert json.loads(misparsed([call], ["arguments-twice"])[0]["function"]["arguments"]) == '{"a": 1}'
    asked = [("stop", True, ()), ("stop", True, ["call-says-stop"]), ("stop", False, ()), ("length", True, ())]
    said = [finish_after(finish, has_called=called, faults=faults) for finish, called, faults in asked]
    assert said == ["tool_calls", "stop", "stop", "length"]


CALL = [
    {"tool_calls": [{"index": 0, "function": {"name": "zoom" if not at else "", "arguments": "{"}}]} for at in range(4)
]
PIECES: dict[str, list[dict[str, Any]]] = {
    "stream-loses-words": [{"content": word} for word in "abcde"],
    "stream-repeats-first": [{"content": word} for word in "abc"],
    "split-unicode": [{"content": "巴黎"}],
    "lost-fragment": CALL,
    "repeated-name": CALL,
    "fragments-apart": CALL,
}


def test_each_fault_of_a_stream_is_shown() -> None:
    assert set(PIECES) == set(CHANGES)


@pytest.mark.parametrize("fault", PIECES)
def test_a_fault_of_a_stream_changes_its_pieces(fault: str) -> None:
    healthy = Disorder([]).disturbed(PIECES[fault])
    before = str(healthy)
    assert str(Disorder([fault]).disturbed(PIECES[fault])) != before


def test_a_torn_character_is_lost() -> None:
    torn = Disorder(["split-unicode"]).disturbed([{"content": "a巴"}])
    assert [piece["content"] for piece in torn] == ["a\ufffd", "\ufffd\ufffd"]


def test_what_is_collected_can_come_in_the_wrong_order_or_as_one() -> None:
    held = [{"reasoning_content": "a"}, {"content": "b"}, {"content": "c"}]
    assert Disorder(["stream-out-of-order"]).ordered(held) == [*held[1:], held[0]]
    assert Disorder(["one-chunk"]).ordered(held) == [{"reasoning_content": "a", "content": "bc"}]
    assert Disorder([]).ordered(held) == held
