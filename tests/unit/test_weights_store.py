"""A snapshot in the hub's cache is found by what was asked for, without any network."""

import subprocess
import sys
from pathlib import Path

MODEL = "baidu/ERNIE-4.5-VL-28B-A3B-Thinking"
CODE = "import sys; from ernie_deploy.weights.store import snapshot_of; print(snapshot_of(sys.argv[1], *sys.argv[2:]))"


def found(cache: Path, *asked: str) -> str:
    """Asked in a process of its own: the hub's client reads its cache from the environment once."""
    argv = (sys.executable, "-c", CODE, *asked)
    done = subprocess.run(argv, env={"HF_HUB_CACHE": str(cache)}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_main_branch_a_commit_and_nothing_else_are_found(tmp_path: Path) -> None:
    repository = tmp_path / "models--baidu--ERNIE-4.5-VL-28B-A3B-Thinking"
    for commit in ("aaa", "bbb"):
        (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("aaa\n")
    assert found(tmp_path, MODEL) == str(repository / "snapshots" / "aaa")
    assert found(tmp_path, MODEL, "bbb") == str(repository / "snapshots" / "bbb")
    assert found(tmp_path, MODEL, "ccc") == "None"
    assert found(tmp_path, "baidu/another") == "None"
