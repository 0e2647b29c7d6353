"""All probes, in the order in which they run and are shown."""

from ernie_deploy.smoke import error_shape, health, image, models, reasoning, streaming, text, tool_call
from ernie_deploy.smoke.base import Probe

PROBES: tuple[Probe, ...] = (
    health.PROBE,
    models.PROBE,
    text.PROBE,
    streaming.PROBE,
    reasoning.PROBE,
    image.PROBE,
    tool_call.PROBE,
    error_shape.PROBE,
)
