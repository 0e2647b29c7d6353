"""The API key reaches the engine and nothing else."""

from pathlib import Path

import pytest

from tests.support.deployments import Place, argv_of, environment_of

KEY = "sk-test-5f1d7c0a9b"


def key_file(place: Place, text: str = KEY + "\n", mode: int = 0o600) -> str:
    path = place.directory / "api-key"
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def holding_the_key(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize(("engine", "variable"), [("fastdeploy", "FD_API_KEY"), ("vllm", "VLLM_API_KEY")])
def test_the_key_is_in_the_engines_environment_and_nowhere_else(place: Place, engine: str, variable: str) -> None:
    flags = ("--api-key-file", key_file(place))
    planned = place.run("plan", *place.flags(engine), *flags, "--json")
    ended = place.up(*flags, engine=engine)
    assert ended.code == 0, ended.err
    pid = place.leader()
    assert pid
    assert environment_of(pid)[variable] == KEY
    assert not any(KEY in word for word in argv_of(pid))
    assert KEY not in planned.out + planned.err + ended.out + ended.err
    assert holding_the_key(place.state) == []
    assert place.run("ask", "hello").code == 0
    place.leave()


def test_a_key_that_others_can_read_is_refused(place: Place) -> None:
    ended = place.up("--api-key-file", key_file(place, mode=0o644))
    assert ended.code == 2, ended
    assert "others can read this key" in ended.err
    assert "chmod 600" in ended.err
    assert place.engine_pids() == []
    assert place.run_on_record() is None


@pytest.mark.parametrize("text", ["\n", "two\nlines", "schlüssel\0"])
def test_a_file_that_holds_no_key_is_refused(place: Place, text: str) -> None:
    """An empty one would open the service to everybody."""
    ended = place.up("--api-key-file", key_file(place, text))
    assert ended.code == 2, ended
    assert "this is no API key" in ended.err
    assert place.run_on_record() is None


def test_a_key_file_that_is_not_there_is_refused(place: Place) -> None:
    ended = place.up("--api-key-file", str(place.directory / "none"))
    assert ended.code == 2, ended
    assert "the API key cannot be read: No such file" in ended.err
    assert place.engine_pids() == []
