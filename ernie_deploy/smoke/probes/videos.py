"""Is a video watched: which colours follow one another, and when something happens."""

from ernie_deploy.client import Answer, RefusedError
from ernie_deploy.rehearsal.scenes import VIDEO_SECONDS, flash, some_sequence, video
from ernie_deploy.rehearsal.sights import (
    COLOUR_ORDER_QUESTIONS,
    colour_order_reply,
    event_questions,
    event_reply,
    in_order,
)
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.looking import judge_counted, why_other
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.reading import colours_in_order, times_meant
from ernie_deploy.smoke.target import Profile, Target
from ernie_deploy.smoke.videos import about, judge_refusal

TOLERANCE_S = 1.0
"""A flash lasts a second, and some count seconds from one."""


def judge_order(target: Target) -> Judgement:
    try:
        return _judge_order(target)
    except RefusedError as error:
        return judge_refusal(target.engine, error)


def judge_event(target: Target) -> Judgement:
    try:
        return _judge_event(target)
    except RefusedError as error:
        return judge_refusal(target.engine, error)


def _judge_order(target: Target) -> Judgement:
    colours = some_sequence(target.rng)
    if target.profile == "model":
        names = dict(zip(in_order(colours), target.rng.sample(PLAIN_COLOURS, 3), strict=True))
        colours = tuple(names[colour] for colour in colours)
    answer = target.chat(about((video(colours, target.rng),), COLOUR_ORDER_QUESTIONS[0]))
    if why := why_empty(answer):
        return failed(why)
    if target.profile == "contract":
        return judge_counted(answer.usage.video_tokens, "video")
    why = why_other_order(target.profile, colours, answer)
    return failed(why) if why else passed(f"{', '.join(in_order(colours))} in this order")


def _judge_event(target: Target) -> Judgement:
    """Two videos, so far apart that no one answer is near both."""
    early = target.rng.randrange(1, 3)
    late = target.rng.randrange(early + 3, VIDEO_SECONDS)
    for second in target.rng.sample((early, late), 2):
        colour = target.rng.choice(PLAIN_COLOURS)
        answer = target.chat(about((video(flash(colour, second), target.rng),), event_questions(colour)[0]))
        if why := why_empty(answer):
            return failed(why)
        if target.profile == "contract":
            return judge_counted(answer.usage.video_tokens, "video")
        if why := why_other_time(target.profile, colour, second, answer):
            return failed(why)
    return passed(f"flashes at second {early} and second {late} were found")


def why_other_order(profile: Profile, colours: tuple[str, ...], answer: Answer) -> str | None:
    """colours: of every second."""
    if profile == "rehearsal":
        return why_other(answer, colour_order_reply(colours).answer)
    if colours_in_order(answer.content) == in_order(colours):
        return None
    return f"the video shows {', '.join(in_order(colours))}, the answer is {answer.content[:200]!r}"


def why_other_time(profile: Profile, colour: str, second: int, answer: Answer) -> str | None:
    if profile == "rehearsal":
        return why_other(answer, event_reply(colour, second).answer)
    times = times_meant(answer.content)
    if times and all(abs(time - second) <= TOLERANCE_S for time in times):
        return None
    return f"the picture turns {colour} at second {second}, the answer is {answer.content[:200]!r}"


ORDER = Probe("video-order", "the colours of a video are told in their order", "fast", judge_order, needs=("video",))
EVENT = Probe("video-event", "the second of an event in a video is told", "full", judge_event, needs=("video",))
