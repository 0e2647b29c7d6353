"""What pictures and videos cost in the simulated FastDeploy."""

import random
import struct
import zlib

import pytest

from ernie_deploy.architecture import tokens
from ernie_deploy.client.png import png
from ernie_deploy.rehearsal.grammar import nearest_colour
from ernie_deploy.sim.fastdeploy import pictures, videos
from ernie_deploy.sim.fastdeploy.tokens import pieces
from ernie_deploy.smoke.pictures import colour_field

OFFICIAL = {"image_max_pixels": 12845056}


@pytest.mark.parametrize(
    ("width", "height", "by_default", "officially"),
    [
        (224, 224, 64, 64),
        (1024, 1024, 1369, 1369),
        (1280, 720, 1196, 1196),
        (1920, 1080, 2691, 2691),
        (3840, 2160, 6032, 10549),
        (6000, 4000, 6144, 16224),
    ],
)
def test_a_picture_costs_what_the_fact_sheet_says(width: int, height: int, by_default: int, officially: int) -> None:
    assert tokens.picture_tokens(width, height, {}) == by_default
    assert tokens.picture_tokens(width, height, OFFICIAL) == officially


def test_a_tiny_picture_and_a_long_strip_are_brought_into_bounds() -> None:
    assert tokens.picture_tokens(1, 1, {}) == 4
    width, height = tokens.resized(10_000, 10)
    assert width / height <= 200
    assert width * height >= tokens.MIN_PIXELS


def test_the_longest_video_is_longer_than_a_context_of_32k() -> None:
    endless = tokens.Video(1280, 720, 3600.0)
    assert tokens.video_tokens(endless, {}) == 107_640
    assert tokens.video_tokens(endless, {"video_max_frames": 30}) == 30 * 1196 // 2


def test_frames_are_bounded_and_come_in_pairs() -> None:
    assert tokens.frames(8, {}) == 16
    assert tokens.frames(1, {}) == 16
    assert tokens.frames(8.6, {"video_min_frames": 1}) == 18
    assert tokens.frames(8, {"video_target_frames": 7}) == 8


def test_pieces_put_together_are_the_text() -> None:
    text = "Two plus two.\n</think>\n\n<tool_call>\n{}  é"
    assert "".join(pieces(text)) == text
    assert "</think>" in pieces(text)


def test_sizes_are_read_from_the_first_bytes() -> None:
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc2\x00\x11\x08" + struct.pack(">HH", 480, 640) + b"\x03"
    gif = b"GIF89a" + struct.pack("<HH", 320, 200) + bytes(8)
    webp = b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + b"\x7f\x02\x00\xdf\x01\x00"
    sizes = [pictures.size(data) for data in (jpeg, gif, webp)]
    assert sizes == [(640, 480), (320, 200), (640, 480)]


def test_colours_are_read_from_a_png_of_every_filter() -> None:
    field = colour_field("orange", random.Random(1))
    assert nearest_colour(pictures.read(field).average(0, 0, 1000, 1000)) == "orange"
    # One row of each of the five filters, all of them meaning the same red.
    pixel, width = bytes((220, 20, 30)), 4
    first = pixel + bytes(3 * (width - 1))
    rows = [b"\x00" + pixel * width, b"\x01" + first, b"\x02" + bytes(3 * width)]
    half = bytes(value - value // 2 for value in pixel)
    zero = bytes(3 * (width - 1))
    rows += [b"\x03" + half + zero, b"\x04" + bytes(3 * width)]
    plain = png(width, 5, [pixel * width] * 5)
    start, end = plain.index(b"IDAT") - 4, plain.index(b"IEND") - 4
    packed = zlib.compress(b"".join(rows))
    chunk = struct.pack(">I", len(packed)) + b"IDAT" + packed + struct.pack(">I", zlib.crc32(b"IDAT" + packed))
    assert pictures.read(plain[:start] + chunk + plain[end:]).average(0, 0, 1000, 1000) == (220, 20, 30)


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a\0\0\0\0"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(pictures.UnreadableError, match="cannot identify image file"):
        pictures.read(data)


def test_a_picture_that_claims_more_than_it_has_is_refused() -> None:
    broken = bytearray(png(4, 4, [bytes(12)] * 4))
    broken[16:24] = struct.pack(">II", 10_000, 10_000)
    with pytest.raises(pictures.UnreadableError):
        pictures.read(bytes(broken))


def test_the_length_and_size_of_an_mp4_are_read() -> None:
    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), kind) + body

    header = box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 12_500) + bytes(80))
    track = box(b"trak", box(b"tkhd", bytes(76) + struct.pack(">II", 640 << 16, 360 << 16)))
    clip = videos.read(box(b"ftyp", b"isom") + box(b"moov", header + track))
    assert clip.size == tokens.Video(640, 360, 12.5)
    assert videos.read(b"\x1a\x45\xdf\xa3 and so on").size.is_assumed
    with pytest.raises(pictures.UnreadableError):
        videos.read(b"anything else")
