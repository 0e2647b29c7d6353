"""pytest as a user of our fixtures runs it: a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.engines import REPOSITORY

WITNESS = REPOSITORY / "tests/support/openai_witness.py"


def pytest_of_a_user(tests: Path, *argv: str, key: str = "") -> "subprocess.CompletedProcess[str]":
    command = (sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(tests), *argv)
    environment = {**os.environ, "ERNIE_DEPLOY_API_KEY": key}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
