"""The simulated model looks: what it says of drawn scenes follows from their pixels, and not from the question."""

import base64
import random
from typing import Any

import pytest

from ernie_deploy.client.avi import avi
from ernie_deploy.client.media import image_part, video_part
from ernie_deploy.client.png import plain
from ernie_deploy.rehearsal import grammar, scenes, sights, talk
from ernie_deploy.rehearsal.grammar import Reply, zoom_arguments, zoom_thought
from ernie_deploy.sim.fastdeploy import answers, pictures, sight, videos
from ernie_deploy.sim.fastdeploy.chat_request import ChatRequest, understand
from ernie_deploy.sim.fastdeploy.refusals import RefusedError
from ernie_deploy.sim.fastdeploy.request_types import Served

SERVED = Served("ernie", True, 8192, {"image": 4, "video": 1}, {}, False, False)
TOOLS = [grammar.ZOOM_TOOL, talk.IMAGE_SEARCH_TOOL]


def asked(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    return understand({"messages": list(messages), **fields}, SERVED)


def user(text: str, *media: dict[str, object]) -> dict[str, Any]:
    return {"role": "user", "content": [*media, {"type": "text", "text": text}]}


def image(picture: scenes.Picture) -> dict[str, object]:
    return image_part(picture.png())


def clip(video: scenes.Video) -> dict[str, object]:
    first = video.frames[0]
    return video_part(avi([frame.pixels for frame in video.frames], first.width, first.height, video.fps))


def said(reply: Reply) -> str:
    return f"{reply.thought}\n</think>\n\n{reply.answer}"


@pytest.fixture(params=range(2))
def rng(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.param)


def test_both_numbers_of_a_sum_are_read(rng: random.Random) -> None:
    first, second = rng.randint(1, 9), rng.randint(1, 9)
    picture = image(scenes.sum_picture(first, second, rng))
    for question in sights.SUM_QUESTIONS:
        assert answers.write(asked(user(question, picture))) == said(sights.sum_reply(first, second))


def test_the_values_of_a_chart_are_read(rng: random.Random) -> None:
    bars = scenes.some_bars(rng)
    picture = image(scenes.bar_chart(bars, rng))
    tallest = answers.write(asked(user(sights.TALLEST_BAR_QUESTIONS[0], picture)))
    assert tallest == said(sights.tallest_bar_reply(bars))
    for colour in bars:
        one = answers.write(asked(user(sights.bar_value_questions(colour)[0], picture)))
        assert one == said(sights.bar_value_reply(bars, colour))


def test_a_square_is_found_among_several(rng: random.Random) -> None:
    places = scenes.some_squares(rng)
    picture = image(scenes.squares(places, rng, width=308, height=224))
    for quadrant, colour in places.items():
        question = sights.named_square_questions(colour)[0]
        assert answers.write(asked(user(question, picture))) == said(sights.named_square_reply(colour, quadrant))


def test_two_pictures_are_told_apart(rng: random.Random) -> None:
    first, second = rng.sample(list(grammar.COLOURS), 2)
    shown = [image(scenes.colour_field(colour, rng)) for colour in (first, second)]
    question = sights.TWO_PICTURES_QUESTIONS[0]
    assert answers.write(asked(user(question, *shown))) == said(sights.two_pictures_reply(first, second))


def test_small_print_can_be_read_only_after_the_zoom(rng: random.Random) -> None:
    number, quadrant = rng.randint(0, 9), rng.choice(list(grammar.QUADRANTS))
    scene = scenes.small_print(number, quadrant, rng.choice(("blue", "yellow", "white")), rng)
    question = user(sights.SMALL_PRINT_QUESTIONS[0], image(scene))
    call = grammar.written_call(zoom_thought(quadrant), grammar.ZOOM_TOOL_NAME, zoom_arguments(quadrant))
    assert answers.write(asked(question, tools=TOOLS)) == call.rstrip("\n")

    def after(picture: scenes.Picture) -> str:
        result = [{"type": "text", "text": grammar.ZOOM_RESULT}, image(picture)]
        turns = ({"role": "assistant", "content": ""}, {"role": "tool", "content": result})
        return answers.write(asked(question, *turns, tools=TOOLS))

    assert after(scene.crop(grammar.zoom_box(quadrant))) == said(sights.small_print_reply(number))
    assert after(scene) == said(grammar.FALLBACK)


def test_a_video_is_watched(rng: random.Random) -> None:
    colours = scenes.some_sequence(rng)
    order = answers.write(asked(user(sights.COLOUR_ORDER_QUESTIONS[0], clip(scenes.video(colours, rng)))))
    assert order == said(sights.colour_order_reply(colours))
    second = rng.randrange(scenes.VIDEO_SECONDS)
    flash = clip(scenes.video(scenes.flash("red", second), rng))
    event = answers.write(asked(user(sights.event_questions("red")[0], flash)))
    assert event == said(sights.event_reply("red", second))


def test_a_video_costs_tokens_and_what_is_none_is_refused(rng: random.Random) -> None:
    video = clip(scenes.video(scenes.some_sequence(rng), rng))
    assert asked(user("?", video)).video_tokens > 0
    data = avi([bytes(56 * 56 * 3)] * 4, 56, 56, 2)
    for broken in (data[: len(data) // 2], b"no video", scenes.colour_field("red", rng).png()):
        url = f"data:video/x-msvideo;base64,{base64.b64encode(broken).decode()}"
        with pytest.raises(RefusedError, match="Failed to load video"):
            asked(user("?", {"type": "video_url", "video_url": {"url": url}}))


def test_frames_are_read_as_they_were_drawn() -> None:
    frames = [bytes((red, 20, 30)) * (57 * 31) for red in (0, 100, 200)]
    read = videos.read(avi(frames, 57, 31, 2))
    assert (read.size.width, read.size.height, read.size.seconds, read.fps) == (57, 31, 1.5, 2)
    assert [b"".join(frame.rows) for frame in read.frames] == frames
    assert len(read.seconds()) == 2


@pytest.mark.parametrize("code", talk.LANGUAGES)
def test_other_languages_are_answered_in_themselves(code: str, rng: random.Random) -> None:
    language = talk.LANGUAGES[code]
    colour = rng.choice(list(grammar.COLOURS))
    picture = image(scenes.colour_field(colour, rng))
    assert answers.write(asked(user(language.colour_question, picture))) == said(language.colour_reply(colour))
    known = language.text
    assert answers.write(asked(user(known.prompt))) == said(Reply(known.thought, known.answer))


SECRET = talk.secret_sentence("river")
ASKED = {"role": "user", "content": talk.SECRET_QUESTION}


@pytest.mark.parametrize(
    "turns",
    [
        ({"role": "system", "content": SECRET}, ASKED),
        ({"role": "user", "content": talk.secret_told("river")}, {"role": "assistant", "content": "Yes."}, ASKED),
        ({"role": "user", "content": f"{'the a of ' * 90}{SECRET} {'to and ' * 90}{talk.SECRET_QUESTION}"},),
    ],
)
def test_a_secret_is_found_wherever_it_was_told(turns: tuple[dict[str, Any], ...]) -> None:
    assert answers.write(asked(*turns)) == said(talk.secret_reply("river"))


def test_a_secret_that_nobody_told_is_not_known() -> None:
    assert answers.write(asked(ASKED)) == said(grammar.FALLBACK)
    told = {"role": "user", "content": talk.secret_told("apple")}
    assert answers.write(asked(told)) == said(talk.REMEMBERED)


def test_two_corners_are_two_calls_and_a_search_is_one(rng: random.Random) -> None:
    picture = image(scenes.colour_field("red", rng))
    both = asked(user(talk.two_zooms_question("top left", "bottom right"), picture), tools=TOOLS)
    assert answers.write(both) == talk.written_two_zooms("top left", "bottom right").rstrip("\n")
    question = user(talk.SEARCH_QUESTIONS[0], picture)
    assert f'"name": "{talk.IMAGE_SEARCH_TOOL_NAME}"' in answers.write(asked(question, tools=TOOLS))
    result = {"role": "tool", "content": talk.search_result("candle")}
    assert answers.write(asked(question, result, tools=TOOLS)) == said(talk.search_reply("candle"))


def test_without_thinking_there_is_no_thought() -> None:
    off = {"chat_template_kwargs": {"options": {"thinking_mode": "close"}}}
    assert answers.write(asked(user("Say hello."), **off)) == "Hello! I am the rehearsal model."


def test_every_glyph_of_the_font_can_be_told_from_the_others() -> None:
    assert len(sight.GLYPH_BY_DOTS) == len(sight.SCALES) * len(scenes.GLYPHS)


def test_of_a_large_picture_the_colour_is_kept_and_the_print_is_not() -> None:
    large = pictures.read(plain(grammar.COLOURS["green"], 1120, 1120))
    assert not large.is_whole
    assert sight.colour(large) == "green"
    assert sight.numbers(large) == []
