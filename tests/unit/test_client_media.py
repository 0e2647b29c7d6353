"""The type of a picture is told by its bytes."""

import base64
from pathlib import Path

import pytest

from ernie_deploy.client.media import image_part, video_part
from ernie_deploy.errors import UsageError


def url_of(part: dict[str, object]) -> str:
    inner = part[str(part["type"])]
    assert isinstance(inner, dict)
    return str(inner["url"])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"GIF89a......", "image/gif"),
    ],
)
def test_a_picture_becomes_a_data_url_of_its_type(data: bytes, kind: str) -> None:
    url = url_of(image_part(data))
    assert url.startswith(f"data:{kind};base64,")
    assert base64.b64decode(url.partition(",")[2]) == data


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x00\x00\x00\x18ftypmp42....", "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  ....", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3....B\x82\x84webm", "video/webm"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "video/x-msvideo"),
    ],
)
def test_a_video_becomes_a_data_url_of_its_type(data: bytes, kind: str) -> None:
    assert url_of(video_part(data)).startswith(f"data:{kind};base64,")


def test_the_name_of_a_file_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"%PDF-1.7")
    with pytest.raises(UsageError, match=r"photo\.png is not an image that is understood: it begins with b'%PDF-1\.7'"):
        image_part(tmp_path / "photo.png")


def test_a_video_is_no_picture() -> None:
    with pytest.raises(UsageError, match="it is video/mp4"):
        image_part(b"\x00\x00\x00\x18ftypmp42....")


def test_a_photo_of_a_phone_that_no_engine_reads_is_refused() -> None:
    with pytest.raises(UsageError, match="not a video"):
        video_part(b"\x00\x00\x00\x18ftypheic....")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.png cannot be read: No such file"):
        image_part(tmp_path / "nowhere.png")
