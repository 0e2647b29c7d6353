"""`config --with-key`: the key stands in one file for its owner alone, and nowhere in what is printed."""

from tests.support.deployments import Place

KEY = "sesame-1234"


def test_a_key_travels_in_the_environment_file_alone(place: Place) -> None:
    key = place.directory / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    asked = (
        "config",
        "--out",
        "launch",
        "--model",
        str(place.model),
        "--api-key-file",
        str(key),
        "--with-key",
        "--json",
    )
    ended = place.run(*asked)
    assert ended.code == 0, ended.err
    assert KEY not in ended.out + ended.err
    written = place.work / "launch"
    assert [file.name for file in written.iterdir() if KEY in file.read_text()] == ["engine.env"]
    assert (written / "engine.env").stat().st_mode & 0o777 == 0o600
    assert ended.json()["directory"] == str(written)


def test_without_a_key_file_there_is_no_key_to_write(place: Place) -> None:
    ended = place.run("config", "--out", "launch", "--model", str(place.model), "--with-key")
    assert ended.code == 2
    assert ended.err.startswith("error: --with-key: no api_key_file is named")
    assert not (place.work / "launch").exists()
