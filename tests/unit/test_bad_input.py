"""What people, other hosts and damaged files give us, where it once ended in a traceback or in a shell."""

import os
import shlex
from pathlib import Path

import pytest

from ernie_deploy.engines.start_script import pasteable, script
from ernie_deploy.environments import locate
from ernie_deploy.errors import EngineError, PreflightError, SpecError, UsageError
from ernie_deploy.files import absolute
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import wanted
from ernie_deploy.serve.glance import ask_health, glance
from ernie_deploy.serve.journal import Tail, tail_lines
from ernie_deploy.serve.launch import start
from ernie_deploy.serve.places import state_root
from ernie_deploy.serve.state import Store
from ernie_deploy.spec.load import decode, from_text
from ernie_deploy.spec.schema import is_name
from tests.support import plans

NOBODY = "~nobody-is-called-so/x"
NAN = float("nan")
VARIABLE = "expected the name of a variable: letters, digits and '_', no digit first"
FLAG = "expected the name of a flag without its dashes: letters, digits, '-' and '_', a letter first"
NAME = "expected a name of at most 63 letters, digits, '.', '_' and '-' that begins with a letter or a digit"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"env": {"B;touch /tmp/P;C": "y"}}, f"env: {VARIABLE}, got 'B;touch /tmp/P;C'"),
        ({"env": {"A": "y", "": "y"}}, f"env: {VARIABLE}, got ''"),
        ({"env": {"A\n": "y"}}, f"env: {VARIABLE}, got 'A\\n'"),
        ({"engine_args": {"a b": 1}}, f"engine_args: {FLAG}, got 'a b'"),
        ({"engine_args": {"-x": 1}}, f"engine_args: {FLAG}, got '-x'"),
        ({"env": {"A": "x\0"}}, "env.A: expected text without a NUL, got 'x\\x00'"),
        ({"model": "/m\0"}, "model: expected text without a NUL, got '/m\\x00'"),
        ({"engine_args": {"a": {"b": ["\0"]}}}, "engine_args.a.b[0]: expected text without a NUL, got '\\x00'"),
        ({"mm_processor_kwargs": {"\0": 1}}, "mm_processor_kwargs: expected text without a NUL, got '\\x00'"),
        ({"engine_args": {"a": NAN}}, "engine_args.a: expected a finite number, got nan"),
        ({"engine_args": {"a": 1 << 63}}, f"engine_args.a: expected a number of at most 64 bits, got {1 << 63}"),
        ({"ready_timeout_s": NAN}, "ready_timeout_s: expected a number > 0.0, got nan"),
        ({"no_progress_s": float("inf")}, "no_progress_s: expected a number <= 1000000.0, got inf"),
        ({"stop_grace_s": 1e10}, "stop_grace_s: expected a number <= 1000000.0, got 10000000000.0"),
        ({"gpu_memory_utilization": NAN}, "gpu_memory_utilization: expected a number > 0.0, got nan"),
        ({"engine_python": ""}, "engine_python: expected text of length >= 1, got ''"),
        ({"ignore_checks": [""]}, "ignore_checks[0]: expected text of length >= 1, got ''"),
        ({"name": "ernie\n"}, f"name: {NAME}, got 'ernie\\n'"),
    ],
)  # fmt: skip
def test_what_no_process_could_be_started_with_is_refused_by_its_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        decode(values, "deploy.yaml")
    assert caught.value.message == f"deploy.yaml: {message}"


def test_empty_values_of_variables_and_engine_arguments_are_meant() -> None:
    spec = decode({"env": {"_A1": ""}, "engine_args": {"load-choices": "", "b_2": 1.5}}, "deploy.yaml")
    assert (spec.env, spec.engine_args) == ({"_A1": ""}, {"load-choices": "", "b_2": 1.5})


def test_a_name_has_no_line_end() -> None:
    assert is_name("ernie-1.0")
    assert not is_name("ernie\n")


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000])
def test_json_that_python_gives_up_on_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(SpecError, match=r"^--env: not JSON that can be read"):
        from_text("env", text, "--env")


def test_every_word_of_a_start_script_is_quoted() -> None:
    word = '"$here; touch /tmp/P"'
    last = script(plans.a_launch(), ("python", word), config="vllm.yaml").content.splitlines()[-1]
    assert last == f'exec python {shlex.quote(word)} "$here/vllm.yaml"'
    assert shlex.quote(word) in pasteable(plans.a_launch(argv=("python", word)))


def test_a_home_of_nobody_is_an_error_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERNIE_DEPLOY_ENGINES", NOBODY)
    layers = completed([asked("flag", "{flag}", decode({"engine_python": NOBODY}, "it"))])
    for place in (
        lambda: absolute(NOBODY),
        lambda: state_root({"ERNIE_DEPLOY_STATE": NOBODY}),
        lambda: state_root({"XDG_STATE_HOME": NOBODY}),
        locate.root,
        lambda: wanted(layers),
    ):
        with pytest.raises(UsageError, match=f"^{NOBODY}.*: there is no user 'nobody-is-called-so'$"):
            place()


def launched(directory: Path, program: Path) -> Store:
    """A failed start of `program`."""
    store = Store(directory / "state")
    store.prepare()
    work = str(directory / "state" / "work")
    start(plans.a_plan(), plans.a_launch(argv=(str(program),), working_dir=work, log_dir=""), store, os.environ)
    return store


@pytest.mark.parametrize("kind", ["missing", "not executable", "no format", "below a file", "a loop"])
def test_a_program_that_cannot_be_executed_is_named_and_nothing_stays_on_record(tmp_path: Path, kind: str) -> None:
    program = tmp_path / "python"
    if kind == "a loop":
        program.symlink_to(program)
    elif kind != "missing":
        program.write_bytes(b"\x7fELF but no more")
        program.chmod(0o755 if kind == "no format" else 0o644)
    if kind == "below a file":
        program = program / "python"
    with pytest.raises(EngineError, match=f"^{program}: cannot be started: "):
        launched(tmp_path, program)
    assert not (tmp_path / "state" / "run.json").exists()


def test_a_log_that_cannot_be_opened_leaves_nothing_on_record(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    store.prepare()
    # A link to nowhere: it does not exist, so it is not rotated, and cannot be created either.
    store.engine_log.symlink_to(tmp_path / "nowhere" / "log")
    with pytest.raises(PreflightError, match="No such file or directory"):
        launched(tmp_path, Path("/bin/true"))
    assert not (tmp_path / "state" / "run.json").exists()


@pytest.mark.parametrize(
    "record",
    [
        '{"leader": null, "members": [], "phase": "ready", "launch": {"base_url": "", "engine": "", "served_model": ""}'
        ', "started_at": 1e999}',
        "[" * 100_000,
        "[]",
    ],
)
def test_a_record_that_cannot_be_understood_is_damaged(tmp_path: Path, record: str) -> None:
    (tmp_path / "ernie").mkdir()
    (tmp_path / "ernie" / "run.json").write_text(record)
    assert glance("ernie", {"ERNIE_DEPLOY_STATE": str(tmp_path)}).state == "damaged"


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:x", "http://127.0.0.1:99999999"])
def test_nobody_answers_at_an_address_that_is_none(url: str) -> None:
    assert ask_health(url) is None


def test_a_directory_in_place_of_a_log_has_no_lines(tmp_path: Path) -> None:
    assert Tail(tmp_path).lines() == []
    assert Tail(tmp_path, from_end=True).lines() == []
    assert list(tail_lines(tmp_path)) == []
