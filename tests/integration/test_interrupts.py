"""Signals of a real process, as the kernel delivers them."""

import subprocess
import sys

# Both are delivered at the same moment, as they are to a process that the scheduler has kept waiting.
BOTH_AT_ONCE = """
import os, signal
from ernie_deploy.serve.interrupts import interrupts
interrupts.listen()
both = {signal.SIGINT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, both)
for number in both:
    os.kill(os.getpid(), number)
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
except KeyboardInterrupt:
    with interrupts.held():
        print(interrupts.is_in_a_hurry)
"""


def test_a_second_signal_that_struck_together_with_the_first_hurries_the_clean_up() -> None:
    ended = subprocess.run([sys.executable, "-c", BOTH_AT_ONCE], capture_output=True, text=True, check=True)
    assert ended.stdout == "True\n", ended
