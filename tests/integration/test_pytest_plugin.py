"""The fixtures `ernie` and `ernie_openai` find out what `ernie-deploy smoke --url` would."""

from pathlib import Path

from tests.support.engines import free_port
from tests.support.simulator import KEY, PARSERS, simulator
from tests.support.users_pytest import pytest_of_a_user

USERS_TESTS = """
import pytest

@pytest.mark.parametrize("name", ["models", "auth-scope", "chart-value", "metrics", "prompt-too-long"])
def test_a_probe(ernie, name):
    case = ernie.probe(name)
    print(name, case.verdict, case.message)
    assert case.verdict in ("pass", "unsupported"), case.message

def test_the_seed_is_known(ernie):
    assert ernie.seed == 8180
"""


def test_the_profile_the_seed_and_the_metrics_need_not_be_said(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(USERS_TESTS)
    with simulator(tmp_path, *PARSERS, "--api-key", KEY) as service:
        done = pytest_of_a_user(
            tmp_path / "test_it.py", "-rA", "--ernie-endpoint", f"http://127.0.0.1:{service.port}", key=KEY
        )
    assert done.returncode == 0, done.stdout
    assert "chart-value pass" in done.stdout
    assert "metrics pass" in done.stdout
    assert "ernie: expecting rehearsal; pictures are drawn with --ernie-seed 8180" in done.stdout


def test_a_service_that_is_down_is_said_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(USERS_TESTS)
    done = pytest_of_a_user(tmp_path / "test_it.py", "--ernie-endpoint", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "nothing answers" in done.stdout
    assert "is it running?" in done.stdout
    assert "Traceback" not in done.stdout
    assert "httpx2" not in done.stdout


def test_a_profile_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(USERS_TESTS)
    words = ("--ernie-endpoint", "http://127.0.0.1:9", "--ernie-model", "any", "--ernie-expect", "perfect")
    done = pytest_of_a_user(tmp_path / "test_it.py", *words)
    assert done.returncode == 1
    assert "--ernie-expect perfect: there is contract, rehearsal, model" in done.stdout
