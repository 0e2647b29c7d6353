"""For all tests: hypothesis does not judge by the clock, for these machines are shared; and Ctrl-C means something."""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

# A shell without job control starts its background jobs with SIGINT ignored, and every process that a test starts would
# inherit that: `scripts/test &` in a script would then wait for interrupts that never arrive.
signal.signal(signal.SIGINT, signal.default_int_handler)
