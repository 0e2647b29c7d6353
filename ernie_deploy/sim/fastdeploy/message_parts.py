"""The contents of messages: texts, and pictures and videos with their bytes, which never come from a network."""

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ernie_deploy.architecture.tokens import Video
from ernie_deploy.sim.fastdeploy import pictures
from ernie_deploy.sim.fastdeploy.pictures import Picture
from ernie_deploy.sim.fastdeploy.refusals import RefusedError
from ernie_deploy.sim.fastdeploy.request_types import Served

MOST_FILE_BYTES = 64 << 20


class DownloadError(Exception):
    """A URL that would have to be fetched; the simulator never does."""


class Media(NamedTuple):
    """All that was read so far."""

    texts: list[str]
    pictures: list[Picture]
    videos: list[Video]


def read_content(content: object, seen: Media) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise RefusedError("Input should be a valid string or list", kind="schema", param="messages")
    return "\n".join(_read_parts(content, seen))


def _read_parts(content: list[Any], seen: Media) -> Iterator[str]:
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            yield str(part.get("text", ""))
        elif kind in ("image_url", "video_url"):
            place = part.get(kind)
            url = place.get("url") if isinstance(place, dict) else None
            if not isinstance(url, str):
                raise RefusedError(f"{kind} must have a url", param="messages")
            data = _load(url)
            if kind == "image_url":
                seen.pictures.append(_picture(data))
            else:
                seen.videos.append(pictures.read_video(data))
        else:
            raise RefusedError(f"Unknown content part type: {kind}", param="messages")


def _load(url: str) -> bytes:
    """The bytes behind a URL: from the URL itself, or a file of this host, but never from a network."""
    scheme, _, rest = url.partition(":")
    if scheme == "data":
        head, comma, data = rest.partition(",")
        if not comma or not head.endswith(";base64"):
            raise RefusedError("Only base64 data URLs are supported for now.", param="messages")
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise RefusedError(f"Failed to load image: {error}", param="messages") from None
    if scheme == "file":
        return _read_file(Path(rest.removeprefix("//")))
    if scheme in ("http", "https"):
        raise DownloadError(url)
    raise RefusedError("The URL must be either a HTTP, data or file URL.", param="messages")


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file() or path.stat().st_size > MOST_FILE_BYTES:
            raise RefusedError(f"[Errno 2] No such file or directory: '{path}'", param="messages")
        return path.read_bytes()
    except OSError as error:
        raise RefusedError(f"[Errno {error.errno}] {error.strerror}: '{path}'", param="messages") from None


def _picture(data: bytes) -> Picture:
    try:
        return pictures.read(data)
    except pictures.UnreadableError as error:
        raise RefusedError(f"Failed to load image: {error}", param="messages") from None


def check_media(seen: Media, served: Served) -> None:
    for kind, count in (("image", len(seen.pictures)), ("video", len(seen.videos))):
        limit = served.media_limits.get(kind, 1)
        if count > limit:
            message = f"Too many {kind} items in prompt, got {count} but limit is {limit}"
            raise RefusedError(message, param="messages")
