"""Stands in for `ernie_deploy/rehearsal/grammar.py`, which replaces this file in an engine environment."""

from ernie_deploy.rehearsal.grammar import (
    FALLBACK,
    ZOOM_TOOL_NAME,
    Reply,
    colour_reply,
    ground_reply,
    nearest_colour,
    quadrant_named,
    text_reply,
    written_call,
    written_reply,
    zoom_arguments,
    zoom_thought,
    zoomed_reply,
)

__all__ = [
    "FALLBACK",
    "ZOOM_TOOL_NAME",
    "Reply",
    "colour_reply",
    "ground_reply",
    "nearest_colour",
    "quadrant_named",
    "text_reply",
    "written_call",
    "written_reply",
    "zoom_arguments",
    "zoom_thought",
    "zoomed_reply",
]
