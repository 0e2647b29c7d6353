"""What the probes of the six abilities call right, and what wrong."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ernie_deploy.client import Answer, Client, Endpoint, RawAnswer, RefusedError, ToolCall
from ernie_deploy.client.answers import Usage
from ernie_deploy.client.wire import Chunk, Reply, Sent
from ernie_deploy.rehearsal.grammar import QUADRANTS, ground_reply, square_box
from ernie_deploy.rehearsal.scenes import flash
from ernie_deploy.smoke.formula import Equation
from ernie_deploy.smoke.looking import judge_counted, picture_meant
from ernie_deploy.smoke.probes.charts import why_not_tallest, why_not_value
from ernie_deploy.smoke.probes.grounding import SCALE, Square, judged
from ernie_deploy.smoke.probes.image_search import why_untold, why_wrong_call
from ernie_deploy.smoke.probes.stem import why_unsolved, why_wrong_sum
from ernie_deploy.smoke.probes.video_limits import BROKEN_VIDEO, PICTURE, judge_cost, limit_judged, why_mixed_up
from ernie_deploy.smoke.probes.videos import why_other_order, why_other_time
from ernie_deploy.smoke.probes.zoom_loop import why_misread
from ernie_deploy.smoke.target import Profile, Target
from ernie_deploy.smoke.videos import judge_refusal

BARS = {"red": 3, "blue": 7, "green": 2}
SQUARE = Square("red", "top left")
COLOURS = ("red", "red", "green", "blue", "blue", "blue", "blue", "blue")


def said(content: str, usage: Usage | None = None) -> Answer:
    return Answer("", content, (), "stop", usage or Usage(), 0.1)


def raw(status: int, body: str = '{"error": {"message": "At most 1 video(s) may be provided"}}') -> RawAnswer:
    return RawAnswer(status, {}, body.encode(), "http://x/", 0.1)


def search(name: str = "image_search", arguments: dict[str, object] | None = None) -> ToolCall:
    return ToolCall(name, "", {"img_idx": 0} if arguments is None else arguments)


def test_a_chart_is_read_exactly_by_the_rehearsal_model_and_rightly_by_the_real_one() -> None:
    assert why_not_tallest("rehearsal", BARS, said("The tallest bar is blue.")) is None
    assert why_not_tallest("rehearsal", BARS, said("blue"))
    assert why_not_tallest("model", BARS, said("**Blue**, not red")) is None
    assert why_not_tallest("model", BARS, said("red"))
    assert why_not_value("rehearsal", BARS, "blue", said("The chart shows blue 7.")) is None
    assert why_not_value("model", BARS, "blue", said("It is 7.")) is None
    assert why_not_value("model", BARS, "blue", said("It is 3."))
    assert why_not_value("rehearsal", BARS, "blue", said("The chart shows blue 3."))


def test_a_sum_and_an_equation_must_be_right() -> None:
    assert why_wrong_sum("rehearsal", 3, 4, said("The sum is 7.")) is None
    assert why_wrong_sum("rehearsal", 3, 4, said("The sum is 8."))
    assert why_wrong_sum("model", 3, 4, said("3 + 4 = 7")) is None
    assert why_wrong_sum("model", 3, 4, said("34"))
    assert why_unsolved(Equation(2, 1, 6), said("x = 10")) is None
    assert why_unsolved(Equation(2, 1, 6), said("x = 6"))


@pytest.mark.parametrize(
    ("profile", "content", "verdict", "words"),
    [
        ("rehearsal", ground_reply("red", "top left").answer, "pass", "100 %"),
        ("rehearsal", ground_reply("red", "top right").answer, "fail", "expected"),
        ("model", "[60, 60, 440, 440]", "pass", "100 %"),
        ("model", "[13, 13, 98, 98]", "fail", "overlap"),
        ("model", "[[60, 60, 440, 440], [560, 60, 940, 440]]", "fail", "2 boxes"),
        ("model", "top left", "fail", "no box in JSON"),
        ("model", "[60, 60, 1440, 440]", "fail", "not within"),
        ("contract", "[560, 560, 600, 600]", "pass", "does not say where"),
        ("contract", "top left", "skip", "does not ask"),
        ("contract", "[440, 60, 60, 440]", "fail", "empty"),
        ("contract", "", "fail", "empty"),
    ],
)
def test_a_box_must_be_where_the_square_is(profile: Profile, content: str, verdict: str, words: str) -> None:
    found = judged(profile, SQUARE, said(content), 0)
    assert (found.verdict, words in found.message) == (verdict, True), found.message


class Constant:
    """A wire that gives every question the same answer."""

    def __init__(self, content: str) -> None:
        self._body = json.dumps({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}).encode()

    @contextmanager
    def open(self, sent: Sent) -> Iterator[Reply]:
        yield Reply(200, {}, sent.path, iter([Chunk(0.1, self._body), Chunk(0.1, b"")]))

    def observe(self, _label: str, _name: str, look: Callable[[], object]) -> object:
        return look()

    def close(self) -> None:
        pass


@pytest.mark.parametrize("quadrant", QUADRANTS)
def test_no_box_is_right_in_both_pictures_of_the_scale(quadrant: str) -> None:
    wire = Constant(json.dumps({"bbox_2d": square_box(quadrant)}))
    asked = Target(Client(Endpoint("http://127.0.0.1:9", "any"), wire=wire), "unknown", "model")
    assert SCALE.judge(asked).verdict == "fail"


def test_the_report_gets_the_drawn_box_and_the_answered_one() -> None:
    boxes = judged("model", SQUARE, said('[{"bbox_2d": [0, 0, 10, 10], "label": "x"}]'), 1).boxes
    shown = [(box.kind, box.picture, box.label) for box in boxes]
    assert shown == [("expected", 1, "red square"), ("answered", 1, "x")]


def test_the_small_print_must_be_read_and_a_call_must_be_about_a_picture_that_was_sent() -> None:
    assert why_misread("rehearsal", 7, said("The number is 7.")) is None
    assert why_misread("rehearsal", 7, said("The number is 1."))
    assert why_misread("model", 42, said("It says 42")) is None
    assert why_misread("model", 42, said("The panel says **4 2**.")) is None
    assert why_misread("model", 42, said("It says 4"))
    assert why_misread("contract", 7, said("whatever")) is None
    assert [picture_meant(search(arguments={"img_idx": index}), 2) for index in (0, 1, 2, 1.0, "0", -1)] == [
        0, 1, None, 1, None, None,
    ]  # fmt: skip


def test_the_search_must_be_called_with_its_arguments_and_its_find_told() -> None:
    assert why_wrong_call("rehearsal", (search(),)) is None
    assert why_wrong_call("model", (search(arguments={"img_idx": 1}),))
    assert why_wrong_call("model", (search(arguments={}),)) is None
    assert why_wrong_call("model", (search(arguments={"img_idx": 0.0, "query": "a red field"}),)) is None
    assert why_wrong_call("rehearsal", (search(arguments={}),))
    assert why_wrong_call("contract", (search("image_zoom_in_tool"),))
    assert why_wrong_call("contract", (ToolCall("image_search", "{", None),))
    assert why_wrong_call("rehearsal", (search(), search()))
    assert why_untold("rehearsal", "apple", said("The search found apple.")) is None
    assert why_untold("rehearsal", "apple", said("The search found river."))
    assert why_untold("model", "apple", said("An Apple!")) is None
    assert why_untold("model", "apple", said("apple or river"))


def test_a_video_must_be_told_in_its_order_and_an_event_at_its_time() -> None:
    assert why_other_order("rehearsal", COLOURS, said("red, green, blue")) is None
    assert why_other_order("rehearsal", COLOURS, said("red, blue, green"))
    assert why_other_order("model", COLOURS, said("First red, then green and finally blue.")) is None
    assert why_other_order("model", COLOURS, said("red, blue"))
    assert flash("red", 5)[5] == "red"
    assert why_other_time("rehearsal", "red", 5, said("At second 5.")) is None
    assert why_other_time("rehearsal", "red", 5, said("At second 6."))
    assert why_other_time("model", "red", 5, said("00:06")) is None
    assert why_other_time("model", "red", 5, said("between 2 and 5 s"))
    assert why_other_time("model", "red", 5, said("never"))


def test_what_is_counted_as_nothing_was_ignored() -> None:
    assert [judge_counted(tokens, "video").verdict for tokens in (0, 32, None)] == ["fail", "pass", "skip"]
    costs = [judge_cost("video", said("", Usage(more)), said("", Usage(40))).verdict for more in (40, 72, None)]
    assert costs == ["fail", "pass", "skip"]


def test_what_is_no_video_must_be_refused_in_words() -> None:
    both = (raw(400), raw(200), raw(500))
    fine, taken, broken = ({BROKEN_VIDEO: raw(400), PICTURE: one} for one in both)
    assert limit_judged("vllm", fine).verdict == "pass"
    assert limit_judged("vllm", taken).verdict == "fail"
    assert limit_judged("vllm", broken).verdict == "fail"
    assert limit_judged("fastdeploy", broken).verdict == "unsupported"


def test_two_videos_must_not_be_mixed_up() -> None:
    assert why_mixed_up(["red", "blue"], said("The first is red, the second is blue.")) is None
    assert why_mixed_up(["red", "blue"], said("The first is blue, the second is red."))


def test_an_engine_that_takes_no_videos_is_named_and_any_other_refusal_is_a_failure() -> None:
    off = RefusedError(400, "At most 0 video(s) may be provided in one prompt.")
    assert judge_refusal("vllm", off).verdict == "unsupported"
    assert judge_refusal("transformers", RefusedError(500, "Internal Server Error")).verdict == "unsupported"
    for engine, error in (("unknown", off), ("vllm", RefusedError(500, "x")), ("fastdeploy", RefusedError(400, "x"))):
        with pytest.raises(RefusedError):
            judge_refusal(engine, error)
