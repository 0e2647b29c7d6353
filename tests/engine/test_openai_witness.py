"""The official client and our fixtures in a pytest of their own, as a user runs them, against the simulator."""

from pathlib import Path

from tests.support.simulator import KEY, PARSERS, simulator
from tests.support.users_pytest import WITNESS, pytest_of_a_user


def test_the_official_client_sees_what_the_probes_see(tmp_path: Path) -> None:
    with simulator(tmp_path, *PARSERS, f"--api-key={KEY}", "--served-model-name=ernie-rehearsal") as service:
        url = f"http://127.0.0.1:{service.port}"
        done = pytest_of_a_user(WITNESS, "--ernie-endpoint", url, "--ernie-expect", "rehearsal", key=KEY)
    assert (done.returncode, "7 passed" in done.stdout) == (0, True), done.stdout


def test_without_an_endpoint_such_tests_are_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_mine(ernie):\n    assert ernie.ask('Say hello.').content\n")
    done = pytest_of_a_user(tmp_path)
    assert "no --ernie-endpoint URL was given" in done.stdout
    assert "1 skipped" in done.stdout
