"""Pictures and videos as data URLs: an engine must never be asked to fetch something by itself."""

import base64
import os
from pathlib import Path

from ernie_deploy.errors import UsageError

Part = dict[str, object]


def image_part(source: str | os.PathLike[str] | bytes) -> Part:
    """A message part for a PNG, JPEG, WebP, GIF or BMP, told by its first bytes and not by its name."""
    return _part("image", source)


def video_part(source: str | os.PathLike[str] | bytes) -> Part:
    """A message part for an MP4, QuickTime, WebM, Matroska or AVI video."""
    return _part("video", source)


def media_type(data: bytes) -> str | None:
    """The type that the first bytes tell; None for an unknown one."""
    for prefix, kind in (
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"BM", "image/bmp"),
    ):
        if data.startswith(prefix):
            return kind
    if data.startswith(b"RIFF"):
        return {b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}.get(data[8:12])
    if data[4:8] == b"ftyp":
        # HEIC and AVIF share this box with MP4, and no engine here reads them.
        return _iso_media_type(data[8:12])
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in data[:64] else "video/x-matroska"
    return None


def _iso_media_type(brand: bytes) -> str | None:
    if brand in (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"):
        return None
    return "video/quicktime" if brand == b"qt  " else "video/mp4"


def _part(family: str, source: str | os.PathLike[str] | bytes) -> Part:
    data, name = (source, "the picture") if isinstance(source, bytes) else (_read(Path(source)), str(source))
    kind = media_type(data)
    if kind is None or not kind.startswith(f"{family}/"):
        known = "PNG, JPEG, WebP, GIF or BMP" if family == "image" else "MP4, QuickTime, WebM, Matroska or AVI"
        found = f"it is {kind}" if kind else f"it begins with {data[:8]!r}"
        raise UsageError(f"{name} is not {_article(family)} that is understood: {found}", hint=f"convert it to {known}")
    url = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return {"type": f"{family}_url", f"{family}_url": {"url": url}}


def _article(family: str) -> str:
    return "an image" if family == "image" else "a video"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
