"""How many tokens texts, pictures and videos cost: pictures and videos by FastDeploy's own formula. Pure."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

FACTOR = 28
"""Both sides of a picture become multiples of this; each square of that side is one token."""
MAX_RATIO = 200
MIN_PIXELS = 4 * FACTOR * FACTOR
MAX_PIXELS = 6177 * FACTOR * FACTOR
VIDEO_MIN_PIXELS = 299 * FACTOR * FACTOR
VIDEO_MAX_PIXELS = 1196 * FACTOR * FACTOR
VIDEO_FPS = 2
VIDEO_MIN_FRAMES = 16
VIDEO_MAX_FRAMES = 180
# The start and the end of a picture or video, and its label "Picture n:".
AROUND_A_PICTURE = 6
PIECES = re.compile(r"\n|</?\w+>| ?[^\s<]+|\s|<")
# Longer than any context; a prompt of 100 MB would take minutes and gigabytes.
MOST_COUNTED = 1 << 20
Limits = Mapping[str, int | str]


class Video(NamedTuple):
    """What is known of a video; `is_assumed` when its file could not be understood."""

    width: int
    height: int
    seconds: float
    is_assumed: bool = False


def pieces(text: str) -> list[str]:
    """Text cut the way a tokenizer might; joined again it is the same text. `</think>` is one piece."""
    return PIECES.findall(text)


def count(text: str) -> int:
    """How many pieces a text has; of a very long one, as many as its beginning lets expect."""
    beginning = text[:MOST_COUNTED]
    return len(pieces(beginning)) * max(1, len(text)) // max(1, len(beginning))


def resized(width: int, height: int, *, least: int = MIN_PIXELS, most: int = MAX_PIXELS) -> tuple[int, int]:
    """The sides after resizing: multiples of 28, between `least` and `most` pixels, at most 200 to 1."""
    if max(width, height) / min(width, height) > MAX_RATIO:
        short = max(FACTOR, _nearest(min(width, height)))
        width, height = (short, short * MAX_RATIO) if height > width else (short * MAX_RATIO, short)
    new_width, new_height = max(FACTOR, _nearest(width)), max(FACTOR, _nearest(height))
    if new_width * new_height > most:
        shrink = math.sqrt(width * height / most)
        return max(FACTOR, _below(width / shrink)), max(FACTOR, _below(height / shrink))
    if new_width * new_height < least:
        grow = math.sqrt(least / (width * height))
        return _above(width * grow), _above(height * grow)
    return new_width, new_height


def picture_tokens(width: int, height: int, limits: Limits) -> int:
    """The image tokens of one picture; `limits` are the mm_processor_kwargs that hold."""
    least, most = _limit(limits, "image_min_pixels", MIN_PIXELS), _limit(limits, "image_max_pixels", MAX_PIXELS)
    new_width, new_height = resized(width, height, least=least, most=most)
    return new_width * new_height // (FACTOR * FACTOR)


def frames(seconds: float, limits: Limits) -> int:
    """How many frames of a video are looked at: a target wins over least and most, these over frames a second."""
    target = _limit(limits, "video_target_frames", -1)
    if target <= 0:
        by_time = int(seconds * _limit(limits, "video_fps", VIDEO_FPS))
        least = _limit(limits, "video_min_frames", VIDEO_MIN_FRAMES)
        target = min(max(by_time, least), _limit(limits, "video_max_frames", VIDEO_MAX_FRAMES))
    # Two frames share their tokens, so an odd one gets a companion.
    return target + target % 2


def video_tokens(video: Video, limits: Limits) -> int:
    least, most = (
        _limit(limits, "video_min_pixels", VIDEO_MIN_PIXELS),
        _limit(limits, "video_max_pixels", VIDEO_MAX_PIXELS),
    )
    width, height = resized(video.width, video.height, least=least, most=most)
    return frames(video.seconds, limits) * (width * height // (FACTOR * FACTOR)) // 2


def _limit(limits: Limits, key: str, otherwise: int) -> int:
    value = limits.get(key, otherwise)
    return int(value) if isinstance(value, int) else otherwise


def _nearest(side: float) -> int:
    return round(side / FACTOR) * FACTOR


def _below(side: float) -> int:
    return math.floor(side / FACTOR) * FACTOR


def _above(side: float) -> int:
    return math.ceil(side / FACTOR) * FACTOR
