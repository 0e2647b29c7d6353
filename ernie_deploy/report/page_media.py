"""Pictures with their boxes, and videos, in the page of a report."""

import base64

from ernie_deploy.report.frames import frames
from ernie_deploy.report.page_words import text
from ernie_deploy.report.values import Box, Case, Picture

SHOWN_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp")
SHOWN_VIDEOS = ("video/mp4", "video/webm")
LARGEST_SHOWN = 2 * 1024 * 1024
"""Bytes of one picture; a page is opened on phones, too."""


def media_of(case: Case) -> str:
    shown = "".join(
        _picture(number, picture, [box for box in case.boxes if box.picture == number and box.is_drawable])
        for number, picture in enumerate(case.pictures)
    )
    return f'<div class="pictures">{shown}</div>' if shown else ""


def _picture(number: int, picture: Picture, boxes: list[Box]) -> str:
    name = f"picture {number}: {text(picture.media_type)}, {len(picture.data)} bytes"
    marks = "".join(
        f'<br><span class="key key-{box.kind}"></span>{box.kind}: {text(box.label)} '
        f"({box.left:g}, {box.top:g}) to ({box.right:g}, {box.bottom:g})"
        for box in boxes
    )
    return f"<figure>{_shown(picture, boxes, name)}<figcaption>{name}{marks}</figcaption></figure>"


def _shown(picture: Picture, boxes: list[Box], name: str) -> str:
    if len(picture.data) > LARGEST_SHOWN:
        return '<p class="soft">(too large for this page)</p>'
    if strip := _strip(picture, name):
        return strip
    # The type stands in a list, so that it needs no escaping.
    if picture.media_type in SHOWN_VIDEOS:
        source = _data_url(picture.media_type, picture.data)
        return f'<div class="frame"><video controls muted src="{source}"></video></div>'
    if picture.media_type not in SHOWN_PICTURES:
        return '<p class="soft">(browsers do not show this kind)</p>'
    source = _data_url(picture.media_type, picture.data)
    return f'<div class="frame"><img src="{source}" alt="{name}">{_overlay(boxes)}</div>'


def _strip(video: Picture, name: str) -> str:
    """The frames of a video side by side, each with its second; empty where they cannot be told apart."""
    shown = "".join(
        f'<li><img src="{_data_url("image/png", frame.png)}" alt="{name}, at {frame.at_s:g} s">'
        f"<span>{frame.at_s:g} s</span></li>"
        for frame in frames(video.data)
    )
    return f'<ol class="strip">{shown}</ol>' if shown else ""


def _overlay(boxes: list[Box]) -> str:
    drawn = "".join(
        f'<rect class="{kind}" x="{box.left:g}" y="{box.top:g}" width="{max(box.right - box.left, 0):g}" '
        f'height="{max(box.bottom - box.top, 0):g}"/>'
        for box in boxes
        for kind in ("halo", box.kind)
    )
    return f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none">{drawn}</svg>' if drawn else ""


def _data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
