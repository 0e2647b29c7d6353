"""The same commands in surroundings that people really have: proxies, odd paths, no rights, no locale, pipes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.deployments import NOBODY, Place, finish, make_model
from tests.support.engines import free_port, make_engine_env

ENGINES = ("fastdeploy", "vllm", "transformers")
DEAD_PROXY = "http://127.0.0.1:9"


def test_a_dead_proxy_is_not_asked(place: Place) -> None:
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"), DEAD_PROXY)
    place.environ |= proxies
    assert place.up().code == 0
    smoke = place.run("smoke", "--expect", "rehearsal", "--json", "--only", "text", "--only", "health")
    assert smoke.code == 0, smoke.err
    place.leave()


@pytest.mark.parametrize("engine", ENGINES)
def test_spaces_and_other_letters_in_every_path_do_no_harm(
    make_place: Callable[..., Place], tmp_path: Path, engine: str
) -> None:
    """FastDeploy hands its model's path to a shell, so it gets a link instead."""
    odd = tmp_path / "mein Modell ü"
    make_engine_env(odd / "envs" / engine, engine)
    place = make_place(odd / "place", engines=odd / "envs")
    ended = place.up(engine=engine)
    assert ended.code == 0, ended.err
    run = place.run_on_record()
    assert run
    if engine != "vllm":
        assert list(run["launch"]["links"].values()) == [str(place.model)]
    assert place.status()["state"] == "ready"
    place.leave()
    assert place.engine_pids() == []


@pytest.mark.root
def test_who_is_not_root_can_do_all_of_it(public_place: Place) -> None:
    up = public_place.run("up", *public_place.flags(), before=NOBODY)
    assert up.code == 0, up.err
    pid = public_place.leader()
    assert pid
    assert Path(f"/proc/{pid}").stat().st_uid == 65534
    status = public_place.run("status", before=NOBODY)
    assert status.out.startswith("ernie: ready")
    down = public_place.run("down", before=NOBODY)
    assert down.code == 0, down.err
    assert public_place.engine_pids() == []


@pytest.mark.parametrize("words", ["status", "check", "plan"])
def test_what_is_piped_has_no_escape_codes(running: Place, words: str) -> None:
    ended = running.run(words, *(running.flags() if words != "status" else ()))
    assert "\x1b" not in ended.out + ended.err


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "xterm"}], ids=str)
def test_a_terminal_gets_colours_unless_it_wants_none(place: Place, environ: dict[str, str]) -> None:
    master, terminal = os.openpty()
    with os.fdopen(master, "rb", buffering=0) as reader:
        process = place.start("up", stdout=terminal, stderr=terminal, env={**environ, "COLUMNS": "20"})
        os.close(terminal)
        finish(process)
        shown = os.read(reader.fileno(), 65536)
    assert b"error:" in shown
    assert (b"\x1b" in shown) == (environ == {"TERM": "xterm"})


ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    "words",
    [("check",), ("check", "--json"), ("plan", "--explain"), ("up",)],
    ids=" ".join,
)
def test_a_terminal_that_knows_only_ascii_brings_nothing_down(running: Place, words: tuple[str, ...]) -> None:
    ended = running.run(*words, *running.flags(), env=ASCII)
    assert "Error" not in ended.err, ended.err
    assert ended.code in (0, 4), ended.err
    assert ended.out.isascii() or "--json" in words


@pytest.mark.parametrize("words", [("status",), ("logs",), ("down", "--dry-run")], ids=" ".join)
def test_looking_at_a_deployment_in_an_ascii_locale_works(running: Place, words: tuple[str, ...]) -> None:
    ended = running.run(*words, env=ASCII)
    assert ended.code == 0, ended.err


def test_a_path_with_other_letters_in_an_ascii_locale_is_refused_with_a_word(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    place = make_place(tmp_path / "ü")
    ended = place.up(env=ASCII)
    assert ended.code == 3, ended
    assert "is not UTF-8 text" in ended.err
    assert "LC_ALL=C.UTF-8" in ended.err
    assert place.run("status", env=ASCII).code == 0
    assert place.run("down", env=ASCII).code == 0


def test_a_path_that_is_no_text_at_all_is_refused_with_a_word(place: Place) -> None:
    model = make_model(Path(os.fsdecode(os.fsencode(place.directory) + b"/m\xff")))
    ended = place.run("plan", *place.flags(), "--model", str(model), "--json")
    assert "Traceback" not in ended.err, ended.err
    assert ended.code == 3, ended
    assert "is not UTF-8 text" in ended.err


def test_a_neighbour_whose_name_is_no_text_does_not_spoil_the_facts(place: Place) -> None:
    program = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(flush=True); time.sleep(60)"
    argv = [b"odd\xff", b"-c", program.encode()]
    with subprocess.Popen(argv, executable=sys.executable, stdout=subprocess.PIPE) as neighbour:
        try:
            assert neighbour.stdout
            neighbour.stdout.readline()
            for environ in ({}, ASCII):
                ended = place.run("check", *place.flags(), "--json", env=environ)
                assert ended.code in (0, 4), ended.err
                assert ended.json()["facts"]
        finally:
            neighbour.kill()


def test_only_the_result_goes_to_stdout(place: Place) -> None:
    command = f'"{sys.executable}" -m ernie_deploy up --json "$@" | "{sys.executable}" -m json.tool'
    process = subprocess.Popen(
        ["/bin/sh", "-c", command, "sh", *place.flags()],
        env=place.environ,
        cwd=place.work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ended = finish(process)
    assert ended.code == 0, ended
    assert '"state": "ready"' in ended.out
    assert "waiting for the first token" in ended.err
    place.leave()


@pytest.mark.parametrize("words", ["logs", "check --list", "plan --explain", "status --json"])
def test_a_reader_that_leaves_early_is_no_traceback(running: Place, words: str) -> None:
    command = f'"{sys.executable}" -m ernie_deploy {words} | head -c 1 >/dev/null'
    found = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**running.environ, "PATH": "/usr/bin:/bin"},
        cwd=running.work,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in found.stderr
    assert "Exception" not in found.stderr
    assert "BrokenPipe" not in found.stderr


def test_progress_that_nobody_reads_does_not_stop_the_start(place: Place) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = finish(place.start_up(stderr=writer))
    finally:
        os.close(writer)
    assert ended.code == 0, ended
    assert place.status()["state"] == "ready"
    place.leave()


def test_a_stranger_who_takes_the_port_while_the_engine_loads_is_not_taken_for_it(place: Place) -> None:
    """He even answers: health, and tokens."""
    answering = place.engines / "fastdeploy/bin/python"
    process = place.start_up(faults="slow-load:2")
    place.wait_for_engine(line="Loading Weights")
    thief = subprocess.Popen(
        [answering, "-m", "fastdeploy.entrypoints.openai.api_server", "--host=127.0.0.1", f"--port={place.port}"],
        env={"FAKE_LOAD_S": "0", "FAKE_MAX_S": "60", "FD_LOG_DIR": str(place.directory / "thief")},
        cwd=place.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ended = finish(process)
    finally:
        thief.terminate()
        thief.wait()
    assert ended.code == 6, ended
    assert f"another process took port {place.port} while the model was loading" in ended.err
    assert place.engine_pids() == []


def test_two_deployments_with_names_of_their_own_live_side_by_side(running: Place) -> None:
    ended = running.up("--name", "second", "--port", str(free_port()))
    assert ended.code == 0, ended.err
    assert {one["name"]: one["state"] for one in running.run("status", "--json").json()} == {
        "ernie": "ready",
        "second": "ready",
    }
    assert running.run("down", "--name", "second").code == 0
    assert running.status()["state"] == "ready"
