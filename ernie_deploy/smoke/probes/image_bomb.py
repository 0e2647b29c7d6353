"""Is a small file that unpacks into a huge picture refused before it takes the memory of the machine."""

import json
import struct
import zlib

from ernie_deploy.client import RawAnswer
from ernie_deploy.client.png import chunk
from ernie_deploy.smoke.base import Judgement, Probe
from ernie_deploy.smoke.probes.bad_images import QUESTION, data_url
from ernie_deploy.smoke.probes.text import ADDITION, why_empty
from ernie_deploy.smoke.refusing import said, shown
from ernie_deploy.smoke.target import CHAT, Target

SIDE = 15_000
"""225 million pixels: more than Pillow unpacks (178,956,970), so an engine that leaves Pillow's guard on refuses it by
its first bytes. It is not larger, because an engine without any guard should pay for the proof with a moment and about
1 GB, and not with its life: the file is whole, one bit a pixel, and comes to some 30 kB."""

SLOW_REFUSAL_S = 10.0
SLOW_ANSWER_S = 5.0
TIMES_SLOWER = 5.0


def bomb(side: int = SIDE) -> bytes:
    """A black PNG of one bit a pixel, packed row by row, so that it takes no memory here either."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def judge(target: Target) -> Judgement:
    before = target.chat(ADDITION.prompt)
    answer = _throw(target)
    after = target.chat(ADDITION.prompt)
    why = why_unguarded(answer) or why_empty(after) or why_slower(before.total_s, after.total_s)
    evidence = shown({"a bomb": answer})
    if why:
        hint = "limit the pixels of a picture in front of the engine (a proxy that reads the first bytes)"
        return Judgement("fail", why, hint=hint, evidence=evidence)
    return Judgement("pass", f"{SIDE} x {SIDE} pixels were refused, {said(answer)}", evidence=evidence)


def _throw(target: Target) -> RawAnswer:
    """As plain bytes, so that it is no picture for the log: whoever opened the report would unpack it."""
    content = [{"type": "image_url", "image_url": {"url": data_url(bomb())}}, {"type": "text", "text": QUESTION}]
    request = target.client.chat_request(target.request(content), stream=False)
    return target.post(CHAT, json.dumps(request).encode())


def why_unguarded(answer: RawAnswer) -> str | None:
    """A refusal with any status does: whoever refuses did not unpack it."""
    if answer.status == 200:
        return f"a file that unpacks into {SIDE} x {SIDE} pixels was accepted"
    if answer.total_s > SLOW_REFUSAL_S:
        return f"the refusal took {answer.total_s:.0f} s: it was unpacked first"
    return None


def why_slower(before_s: float, after_s: float) -> str | None:
    if after_s > max(SLOW_ANSWER_S, TIMES_SLOWER * before_s):
        return f"an answer took {before_s:.1f} s before and {after_s:.1f} s after it"
    return None


PROBE = Probe("image-bomb", "a decompression bomb is refused and harms nobody", "full", judge, needs=("vision",))
