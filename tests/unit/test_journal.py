"""Logs as they really come: half lines, progress bars, colours, other encodings, floods, rotation."""

from pathlib import Path

from ernie_deploy.serve.journal import MOST_BYTES_AT_ONCE, Tail, last_words, readable, run_logs, worker_log


def test_lines_come_once_and_a_half_line_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    tail = Tail(log)
    assert tail.lines() == []
    log.write_bytes(b"one\ntw")
    assert tail.lines() == ["one"]
    with log.open("ab") as stream:
        stream.write(b"o\nthree\n")
    assert tail.lines() == ["two", "three"]
    assert tail.lines() == []


def test_a_progress_bar_is_lines_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"Loading Weights:   1%\rLoading Weights:  50%\rdone\r\n")
    assert Tail(log).lines() == ["Loading Weights:   1%", "Loading Weights:  50%", "done"]


def test_a_multibyte_character_cut_in_two_is_whole_again(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    tail = Tail(log)
    data = "Modell geladen: 完成\n".encode()
    log.write_bytes(data[:-3])
    assert tail.lines() == []
    log.write_bytes(data)
    assert tail.lines() == ["Modell geladen: 完成"]


def test_colours_control_characters_and_wrong_bytes_do_not_reach_the_terminal() -> None:
    assert readable(b"\x1b[31mERROR\x1b[0m \x07bell \xff\x9b") == "ERROR bell �" + "�"


def test_a_rotated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"a long first line\n")
    tail = Tail(log)
    tail.lines()
    log.write_bytes(b"new\n")
    assert tail.lines() == ["new"]


def test_from_the_end_only_what_is_new(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"old\n")
    tail = Tail(log, from_end=True)
    with log.open("ab") as stream:
        stream.write(b"new\n")
    assert tail.lines() == ["new"]


def test_a_flood_is_read_in_portions(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"0123456789abcde\n" * (MOST_BYTES_AT_ONCE // 8))
    tail = Tail(log)
    first = tail.lines()
    assert len(first) == MOST_BYTES_AT_ONCE // 16
    assert len(first) + len(tail.lines()) == MOST_BYTES_AT_ONCE // 8


def test_last_words_name_each_file_and_the_most_telling_comes_last(tmp_path: Path) -> None:
    worker, engine = tmp_path / "workerlog.0", tmp_path / "engine.log"
    worker.write_text("".join(f"line {number}\n" for number in range(100)))
    engine.write_text("ended\n")
    words = last_words([worker, tmp_path / "missing", engine], count=2)
    assert words == f"--- {worker}\nline 98\nline 99\n--- {engine}\nended"


def test_worker_logs_are_found_in_both_layouts(tmp_path: Path) -> None:
    assert worker_log(tmp_path, 0) == tmp_path / "workerlog.0"
    (tmp_path / "paddle").mkdir()
    (tmp_path / "paddle" / "workerlog.0").touch()
    assert worker_log(tmp_path, 0) == tmp_path / "paddle" / "workerlog.0"


def test_the_logs_of_a_run_are_those_of_its_workers_first_and_the_output_last(tmp_path: Path) -> None:
    own = tmp_path / "engine"
    names = ("paddle/workerlog.0", "fastdeploy.log", "error.log", "launch_worker.log", "backup_env.0.json", "envlog.0")
    for name in names:
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).touch()
    (tmp_path / "engine.log").touch()
    (tmp_path / "engine.log.1").touch()
    found = [str(path.relative_to(tmp_path)) for path in run_logs(tmp_path)]
    assert found == [
        "engine/paddle/workerlog.0",
        "engine/launch_worker.log",
        "engine/error.log",
        "engine/fastdeploy.log",
        "engine.log",
    ]
    assert run_logs(tmp_path, 1) == (tmp_path / "engine.log.1",)
    assert run_logs(tmp_path, 2) == ()
