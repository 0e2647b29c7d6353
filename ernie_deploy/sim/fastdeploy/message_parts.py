"""The contents of messages: texts, and pictures and videos with their bytes, which never come from a network."""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ernie_deploy.sim.fastdeploy import pictures, videos
from ernie_deploy.sim.fastdeploy.pictures import Picture
from ernie_deploy.sim.fastdeploy.refusals import RefusedError
from ernie_deploy.sim.fastdeploy.request_types import Served
from ernie_deploy.sim.fastdeploy.videos import Clip

MOST_FILE_BYTES = 64 << 20


class DownloadError(Exception):
    """A URL that would have to be fetched; the simulator never does."""


class Turn(NamedTuple):
    """One message: its texts in one, and what it shows."""

    role: str
    text: str
    pictures: tuple[Picture, ...] = ()
    clips: tuple[Clip, ...] = ()


def read_turn(role: str, content: object) -> Turn:
    """Raises RefusedError, or DownloadError for what stands behind a URL."""
    if content is None or isinstance(content, str):
        return Turn(role, content or "")
    if not isinstance(content, list):
        raise RefusedError("Input should be a valid string or list", kind="schema", param="messages")
    parts = tuple(_read_part(part) for part in content)
    return Turn(
        role,
        "\n".join(part for part in parts if isinstance(part, str)),
        tuple(part for part in parts if isinstance(part, Picture)),
        tuple(part for part in parts if isinstance(part, Clip)),
    )


def _read_part(part: Any) -> str | Picture | Clip:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return str(part.get("text", ""))
    if kind not in ("image_url", "video_url"):
        raise RefusedError(f"Unknown content part type: {kind}", param="messages")
    place = part.get(kind)
    url = place.get("url") if isinstance(place, dict) else None
    if not isinstance(url, str):
        raise RefusedError(f"{kind} must have a url", param="messages")
    data = _load(url)
    try:
        return pictures.read(data) if kind == "image_url" else videos.read(data)
    except pictures.UnreadableError as error:
        raise RefusedError(f"Failed to load {kind.removesuffix('_url')}: {error}", param="messages") from None


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


def check_media(turns: Sequence[Turn], served: Served) -> None:
    """Raises RefusedError when there are more of them than the service was started for."""
    counts = {"image": sum(len(turn.pictures) for turn in turns), "video": sum(len(turn.clips) for turn in turns)}
    for kind, count in counts.items():
        limit = served.media_limits.get(kind, 1)
        if count > limit:
            message = f"Too many {kind} items in prompt, got {count} but limit is {limit}"
            raise RefusedError(message, param="messages")
