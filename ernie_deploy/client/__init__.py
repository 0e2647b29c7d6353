"""The OpenAI-compatible HTTP client: raw status, every dialect of the engines, deadlines.

It imports httpx2, so commands import it inside their functions.
"""

from ernie_deploy.client.answers import Answer, Delta, ToolCall, Usage, collect
from ernie_deploy.client.http import Client, Endpoint, ServedModel
from ernie_deploy.client.media import image_part, video_part
from ernie_deploy.client.refusals import RawAnswer, RefusedError, refusal, server_message

__all__ = [
    "Answer",
    "Client",
    "Delta",
    "Endpoint",
    "RawAnswer",
    "RefusedError",
    "ServedModel",
    "ToolCall",
    "Usage",
    "collect",
    "image_part",
    "refusal",
    "server_message",
    "video_part",
]
