"""How many tokens pictures and videos cost: the formulas of the processor that both FastDeploy and vLLM run. Pure."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

FACTOR: Final = 28
"""Both sides of a picture become multiples of this; each square of that side is one token."""
PIXELS_PER_TOKEN: Final = FACTOR * FACTOR
PATCHES_PER_TOKEN: Final = 4
MAX_RATIO: Final = 200
MIN_PIXELS: Final = 4 * PIXELS_PER_TOKEN
MAX_PIXELS: Final = 6177 * PIXELS_PER_TOKEN
VIDEO_MIN_PIXELS: Final = 299 * PIXELS_PER_TOKEN
VIDEO_MAX_PIXELS: Final = 1196 * PIXELS_PER_TOKEN
VIDEO_FPS: Final = 2
VIDEO_MIN_FRAMES: Final = 16
VIDEO_MAX_FRAMES: Final = 180
VERY_LONG_S: Final = 1e9
# The start and the end of a picture or video, and its label "Picture n:".
AROUND_A_PICTURE: Final = 6
Limits = Mapping[str, int | str]
"""The mm_processor_kwargs that hold."""


class Video(NamedTuple):
    """What is known of a video; `is_assumed` when its file could not be understood."""

    width: int
    height: int
    seconds: float
    is_assumed: bool = False


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
    """The image tokens of one picture."""
    least, most = limit(limits, "image_min_pixels", MIN_PIXELS), limit(limits, "image_max_pixels", MAX_PIXELS)
    new_width, new_height = resized(width, height, least=least, most=most)
    return new_width * new_height // PIXELS_PER_TOKEN


def most_picture_tokens(limits: Limits) -> int:
    """The image tokens of the largest picture that these limits let through."""
    return limit(limits, "image_max_pixels", MAX_PIXELS) // PIXELS_PER_TOKEN


def frames(seconds: float, limits: Limits) -> int:
    """How many frames of a video are looked at: a target wins over least and most, these over frames a second."""
    target = limit(limits, "video_target_frames", -1)
    if target <= 0:
        by_time = int(seconds * limit(limits, "video_fps", VIDEO_FPS))
        least = limit(limits, "video_min_frames", VIDEO_MIN_FRAMES)
        target = min(max(by_time, least), limit(limits, "video_max_frames", VIDEO_MAX_FRAMES))
    # Two frames share their tokens, so an odd one gets a companion.
    return target + target % 2


def video_tokens(video: Video, limits: Limits) -> int:
    """The tokens of a video."""
    least, most = (
        limit(limits, "video_min_pixels", VIDEO_MIN_PIXELS),
        limit(limits, "video_max_pixels", VIDEO_MAX_PIXELS),
    )
    width, height = resized(video.width, video.height, least=least, most=most)
    return frames(video.seconds, limits) * (width * height // PIXELS_PER_TOKEN) // 2


def most_video_tokens(limits: Limits) -> int:
    """The tokens of the longest and largest video: 107,640 with the processor's own limits."""
    most = limit(limits, "video_max_pixels", VIDEO_MAX_PIXELS) // PIXELS_PER_TOKEN
    return frames(VERY_LONG_S, limits) * most // 2


def video_seconds(tokens: int, limits: Limits) -> float:
    """How long a video of the largest frames may be to take at most so many tokens.

    0 when not even the fewest frames do; infinite when the most do, for of a longer one no more are looked at.
    """
    most = limit(limits, "video_max_pixels", VIDEO_MAX_PIXELS) // PIXELS_PER_TOKEN
    affordable = 2 * tokens // max(1, most)
    if affordable >= frames(VERY_LONG_S, limits):
        return math.inf
    per_second = max(1, limit(limits, "video_fps", VIDEO_FPS))
    return affordable / per_second if affordable >= frames(0, limits) else 0.0


def limit(limits: Limits, key: str, otherwise: int) -> int:
    """A limit as a number; what is not a number is what the engine replaces by its own default."""
    value = limits.get(key, otherwise)
    return int(value) if isinstance(value, int) else otherwise


def _nearest(side: float) -> int:
    return round(side / FACTOR) * FACTOR


def _below(side: float) -> int:
    return math.floor(side / FACTOR) * FACTOR


def _above(side: float) -> int:
    return math.ceil(side / FACTOR) * FACTOR
