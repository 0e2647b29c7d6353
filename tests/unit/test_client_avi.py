"""An AVI is read back by hand, chunk by chunk, and by decord, which is what FastDeploy reads videos with."""

import io
import random
import struct

import decord
import pytest

from ernie_deploy.client.avi import avi
from ernie_deploy.client.media import media_type, video_part
from ernie_deploy.rehearsal.scenes import VIDEO_SECONDS, Picture, Video, flash, some_sequence, video

RED, BLUE = b"\xff\x00\x10", b"\x00\x20\xff"


def inside(data: bytes, wanted: bytes) -> list[bytes]:
    """The bodies of all chunks of one kind, also of those within lists."""
    found, at = [], 0
    while at < len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        assert len(body) == size
        if kind in (b"RIFF", b"LIST"):
            found += inside(body[4:], wanted)
        elif kind == wanted:
            found.append(body)
        at += 8 + size + size % 2
    assert at == len(data)
    return found


def test_frames_come_back_in_their_order_with_every_pixel_in_its_place() -> None:
    first, second = RED + BLUE + RED + RED, BLUE * 4
    stored = inside(avi([first, second], 4, 1, 2), b"00db")
    assert stored == [b"\x10\x00\xff" + b"\xff\x20\x00" + b"\x10\x00\xff" * 2, b"\xff\x20\x00" * 4]


@pytest.mark.parametrize(("width", "filling"), [(3, 3), (5, 1), (6, 2), (56, 0)])
def test_each_row_is_filled_up_to_a_multiple_of_four_bytes(width: int, filling: int) -> None:
    (frame,) = inside(avi([RED * width + BLUE * width], width, 2, 2), b"00db")
    row = width * 3 + filling
    assert len(frame) == 2 * row
    assert frame[:row] == b"\x10\x00\xff" * width + b"\x00" * filling
    assert frame[row:] == b"\xff\x20\x00" * width + b"\x00" * filling


def test_the_headers_tell_how_many_frames_of_which_size_and_how_fast() -> None:
    data = avi([RED * 84 * 56] * 16, 84, 56, 2)
    (main,), (stream,), (picture,) = (inside(data, kind) for kind in (b"avih", b"strh", b"strf"))
    assert struct.unpack_from("<I", main) == (500_000,)
    assert struct.unpack_from("<I", main, 16) == (16,)
    assert struct.unpack_from("<4I", stream, 20) == (1, 2, 0, 16)
    # The height is negative: rows from the top down, because OpenCV 5.0.0 does not decode the other order.
    assert struct.unpack_from("<ii", picture, 4) == (84, -56)
    assert struct.unpack_from("<HI", picture, 14) == (24, 0)


def test_the_index_points_at_every_frame() -> None:
    data = avi([RED * 3, BLUE * 3, RED * 3], 3, 1, 2)
    movie = data.index(b"movi")
    (index,) = inside(data, b"idx1")
    for at, (kind, flags, place, size) in enumerate(struct.iter_unpack("<4sIII", index)):
        frame = data[movie + place : movie + place + 8 + size]
        assert (kind, flags) == (b"00db", 0x10)
        assert frame == b"00db" + struct.pack("<I", 12) + inside(data, b"00db")[at]


@pytest.mark.parametrize("kind", ["sequence", "flash", "odd width"])
def test_fastdeploys_decoder_reads_each_pixel_as_it_was_drawn(kind: str) -> None:
    watched = drawn(kind, random.Random(8180))
    first = watched.frames[0]
    data = avi([frame.pixels for frame in watched.frames], first.width, first.height, watched.fps)
    decoded = decord.VideoReader(io.BytesIO(data), ctx=decord.cpu(0), num_threads=1)
    assert len(decoded) == len(watched.frames)
    assert decoded.get_avg_fps() == watched.fps
    assert decoded[0].shape == (first.height, first.width, 3)
    for at, frame in enumerate(watched.frames):
        assert decoded[at].asnumpy().tobytes() == frame.pixels


def drawn(kind: str, rng: random.Random) -> Video:
    """The videos of the probes, and one whose rows need filling."""
    if kind == "odd width":
        return Video(tuple(Picture(33, 21, rng.randbytes(33 * 21 * 3)) for _ in range(5)), 2)
    return video(some_sequence(rng) if kind == "sequence" else flash("red", VIDEO_SECONDS - 1), rng)


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="12 bytes of RGB, not 9"):
        avi([RED * 4, RED * 3], 2, 2, 2)


def test_it_is_known_for_a_video() -> None:
    data = avi([RED], 1, 1, 2)
    assert media_type(data) == "video/x-msvideo"
    assert video_part(data)["type"] == "video_url"
