"""What a video costs, what is none, and whether two fit in one request."""

from ernie_deploy.client import Answer, RawAnswer, RefusedError, refusal, server_message
from ernie_deploy.client.png import plain
from ernie_deploy.rehearsal.grammar import COLOURS
from ernie_deploy.rehearsal.scenes import VIDEO_SECONDS, some_sequence, video
from ernie_deploy.rehearsal.sights import COLOUR_ORDER_QUESTIONS
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.reading import colours_in_order
from ernie_deploy.smoke.refusing import alive, judge_refusals, said
from ernie_deploy.smoke.target import Target
from ernie_deploy.smoke.videos import about, judge_refusal, part_of

BROKEN = b"RIFF\x00\x10\x00\x00AVI LIST" + b"this is no video" * 16
BROKEN_VIDEO = "a video that is none"
PICTURE = "a picture called a video"

BOTH_QUESTION = "What colour is the first video, and what colour is the second?"


def judge_tokens(target: Target) -> Judgement:
    question = COLOUR_ORDER_QUESTIONS[0]
    try:
        answer = target.chat(about((video(some_sequence(target.rng), target.rng),), question))
    except RefusedError as error:
        return judge_refusal(target.engine, error)
    if tokens := answer.usage.video_tokens:
        return passed(f"usage says {tokens} video tokens")
    if tokens == 0:
        return failed("the video was ignored: usage says 0 video tokens")
    return judge_cost("video", answer, target.chat(question))


def judge_cost(what: str, with_it: Answer, without: Answer) -> Judgement:
    more, fewer = with_it.usage.prompt_tokens, without.usage.prompt_tokens
    if more is None or fewer is None:
        return skipped("the answers carry no token counts")
    if more <= fewer:
        return failed(f"the {what} was ignored: {more} prompt tokens with it, {fewer} without")
    return passed(f"the {what} costs {more - fewer} prompt tokens")


# No videos --------------------------------------------------------------------------------------------------------


def judge_limit(target: Target) -> Judgement:
    question = {"type": "text", "text": COLOUR_ORDER_QUESTIONS[0]}
    parts = {
        BROKEN_VIDEO: part_of(BROKEN, "video/x-msvideo"),
        PICTURE: part_of(plain(COLOURS[target.rng.choice(PLAIN_COLOURS)]), "video/mp4"),
    }
    answers = {what: target.post_chat(target.request([part, question])) for what, part in parts.items()}
    return alive(target, limit_judged(target.engine, answers))


def limit_judged(engine: str, answers: dict[str, RawAnswer]) -> Judgement:
    """A decoder may take a picture for a video of one frame."""
    known = why_unsupported(engine, "picture-as-video")
    taken = answers[PICTURE].status == 200 and known
    refused = {what: answer for what, answer in answers.items() if not (taken and what == PICTURE)}
    found = judge_refusals(engine, "bad-video-is-a-500", refused)
    if taken and known and found.verdict == "pass":
        return unsupported(f"{PICTURE} is watched as a video of one frame", known)
    return found


# Two videos -------------------------------------------------------------------------------------------------------


def judge_two(target: Target) -> Judgement:
    pair = target.rng.sample(PLAIN_COLOURS, 2)
    first, second = (video([colour] * VIDEO_SECONDS, target.rng) for colour in pair)
    both = target.post_chat(target.request(about((first, second), BOTH_QUESTION)))
    if both.status != 200:
        return _judge_refused(target, both)
    answer = target.chat(about((first, second), BOTH_QUESTION))
    if target.profile == "model":
        why = why_empty(answer) or why_mixed_up(pair, answer)
        return failed(why) if why else passed(f"the first was called {pair[0]}, the second {pair[1]}")
    return judge_cost("second video", answer, target.chat(about((first,), BOTH_QUESTION)))


def _judge_refused(target: Target, both: RawAnswer) -> Judgement:
    if both.status >= 500 and why_unsupported(target.engine, "video-data-url"):
        return judge_refusal(target.engine, refusal(both))
    if "video" not in server_message(both).lower():
        return failed(f"two videos were refused, and not for being two: {said(both)}")
    return alive(target, judge_refusals(target.engine, "video-limit-is-a-500", {"two videos": both}))


def why_mixed_up(pair: list[str], answer: Answer) -> str | None:
    if list(colours_in_order(answer.content)) == pair:
        return None
    return f"the videos are {' and '.join(pair)}, the answer is {answer.content[:200]!r}"


TOKENS = Probe("video-tokens", "a video is counted in the prompt", "full", judge_tokens, needs=("video",))
LIMIT = Probe("video-limit", "what is no video is refused in words", "full", judge_limit, needs=("video",))
TWO = Probe("two-videos", "a second video is watched too, or refused in words", "full", judge_two, needs=("video",))
