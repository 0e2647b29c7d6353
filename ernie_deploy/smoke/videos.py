"""Videos as parts of a message, and what an engine says that takes none."""

import base64

from ernie_deploy.client import RefusedError, video_part
from ernie_deploy.client.avi import avi
from ernie_deploy.rehearsal.scenes import Video
from ernie_deploy.smoke.base import Judgement, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported

Part = dict[str, object]

SWITCHED_OFF = "At most 0 video"
"""vLLM's words."""


def part(video: Video) -> Part:
    first = video.frames[0]
    return video_part(avi([frame.pixels for frame in video.frames], first.width, first.height, video.fps))


def part_of(data: bytes, media_type: str) -> Part:
    """Anything at all, called a video."""
    url = f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
    return {"type": "video_url", "video_url": {"url": url}}


def about(videos: tuple[Video, ...], question: str) -> list[Part]:
    """The content of a message: the videos first."""
    return [*(part(video) for video in videos), {"type": "text", "text": question}]


def judge_refusal(engine: str, error: RefusedError) -> Judgement:
    """Unsupported where an engine is known to take no video like this. Raises the error again otherwise."""
    switched_off = SWITCHED_OFF in error.message
    if not switched_off and error.status < 500:
        raise error
    known = why_unsupported(engine, "videos-switched-off" if switched_off else "video-data-url")
    if known is None:
        raise error
    return unsupported(f"a video was refused: {error.message[:200]}", known)
