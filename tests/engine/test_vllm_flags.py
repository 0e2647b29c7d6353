"""The facts about vLLM's flags are what the installed vLLM says of itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from ernie_deploy.environments.locate import find

SCRIPT = Path(__file__).parents[2] / "scripts" / "vllm_flags.py"


def test_the_facts_are_what_the_installed_vllm_says() -> None:
    environment = find("vllm", cpu=True)
    if environment is None:
        pytest.fail("vllm is not installed: ernie-deploy engine install vllm --cpu")
    argv = (sys.executable, str(SCRIPT), str(environment.python), "--check")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
