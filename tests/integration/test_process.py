"""Identity, the token, and stopping: with real processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ernie_deploy import process

PREFIX = f"test-{os.getpid()}"
SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


def spawn(*argv: str, token: str = PREFIX + "-1") -> subprocess.Popen[bytes]:
    env = {**os.environ, process.TOKEN_VARIABLE: token} if token else dict(os.environ)
    return subprocess.Popen(argv, env=env, start_new_session=True, stdout=subprocess.PIPE)


@pytest.fixture(autouse=True)
def cleaned() -> Iterator[None]:
    yield
    process.stop(None, lambda: process.with_token(PREFIX), grace_s=0.1)


def family() -> tuple[process.Identity, ...]:
    return process.family(PREFIX)


def test_a_process_is_itself_until_it_is_gone() -> None:
    with spawn(*SLEEP) as child:
        identity = process.identify(child.pid)
        assert identity is not None
        assert process.is_alive(identity)
        child.kill()
    assert not process.is_alive(identity)


def test_a_zombie_counts_as_gone() -> None:
    with spawn(sys.executable, "-c", "pass") as child:
        identity = process.identify(child.pid)
        deadline = time.monotonic() + 10
        while process.identify(child.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert identity is None or not process.is_alive(identity)


def test_a_number_with_another_start_time_is_somebody_else() -> None:
    with spawn(*SLEEP) as child:
        identity = process.identify(child.pid)
        assert identity is not None
        stranger = identity._replace(start_ticks=identity.start_ticks - 1)
        assert not process.is_alive(stranger)
        assert not process.send(stranger, signal.SIGKILL)
        assert child.poll() is None
        child.kill()


def test_a_pid_of_another_boot_is_void() -> None:
    me = process.identify(os.getpid())
    assert me is not None
    assert not process.is_alive(me._replace(boot_id="another"))


def test_who_has_the_same_number_and_start_time_but_no_token_is_a_stranger() -> None:
    with spawn(*SLEEP, token="") as child:
        wait_for_exec(child.pid)
        identity = process.identify(child.pid)
        assert identity is not None
        assert process.is_alive(identity)
        assert not process.belongs(identity, PREFIX)
        assert process.family(PREFIX, [identity]) == ()
        child.kill()


def wait_for_exec(pid: int) -> None:
    deadline = time.monotonic() + 10
    while "sleep(60)" not in process.command_of(pid) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_worker_in_a_session_of_its_own_is_found_after_its_leader_died() -> None:
    code = "import subprocess, sys; subprocess.Popen(sys.argv[1:], start_new_session=True); print('ok', flush=True)"
    with spawn(sys.executable, "-c", code, *SLEEP) as leader:
        assert leader.stdout is not None
        assert leader.stdout.read(2) == b"ok"
        leader.stdout.close()
        leader.wait(10)
    found = family()
    assert len(found) == 1
    stopped = process.stop(None, family, grace_s=2)
    assert (stopped.found, stopped.left) == (1, ())
    assert family() == ()


def test_a_child_that_cleaned_its_environment_is_found_through_its_parent() -> None:
    code = (
        "import subprocess, sys, time; subprocess.Popen(sys.argv[1:], env={}); print('ok', flush=True); time.sleep(60)"
    )
    with spawn(sys.executable, "-c", code, *SLEEP) as leader:
        assert leader.stdout is not None
        assert leader.stdout.read(2) == b"ok"
        assert len(family()) == 2
        process.stop(process.identify(leader.pid), family, grace_s=0.5, reap=leader.poll)
        assert family() == ()


def test_who_ignores_term_is_killed_after_the_grace() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ok', flush=True); time.sleep(60)"
    with spawn(sys.executable, "-c", code) as stubborn:
        assert stubborn.stdout is not None
        assert stubborn.stdout.read(2) == b"ok"
        stopped = process.stop(process.identify(stubborn.pid), family, grace_s=0.3, reap=stubborn.poll)
    assert (stopped.killed, stopped.left) == (1, ())


def test_an_argument_vector_is_read_byte_for_byte() -> None:
    argv = (sys.executable, "-c", "import sys; sys.stdin.read()", "", "zwei Wörter", '{"a": 1}', "\n", "--x=")
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, env={**os.environ, process.TOKEN_VARIABLE: PREFIX})
    deadline = time.monotonic() + 10
    while process.argv_of(child.pid) != argv and time.monotonic() < deadline:
        time.sleep(0.01)
    seen = process.argv_of(child.pid)
    child.communicate()
    assert seen == argv


def test_an_environment_overwritten_by_a_title_is_told_from_a_strangers() -> None:
    assert process._is_overwritten(b"VLLM::EngineCore\0\0\0")
    assert not process._is_overwritten(b"PATH=/bin\0HOME=/\0")
    assert not process._is_overwritten(b"")


# Starts what follows in a session of its own with a clean environment, tells its pid, and ends when its input does.
ABANDON = (
    "import subprocess, sys; "
    "child = subprocess.Popen(sys.argv[1:], env={}, start_new_session=True, stdin=subprocess.DEVNULL, "
    "stdout=subprocess.DEVNULL); "
    "print(child.pid, flush=True); sys.stdin.read()"
)
# Leaves its parent and becomes what follows.
FORGET = "import os, sys; os.fork() and os._exit(0); os.execv(sys.argv[1], sys.argv[1:])"


def abandoned(*argv: str) -> tuple[int, tuple[process.Kin, ...]]:
    """The pid of a worker whose leader has died, and what was seen of the family while that lived."""
    environment = {**os.environ, process.TOKEN_VARIABLE: PREFIX + "-1"}
    command = [sys.executable, "-c", ABANDON, *argv]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as leader:
        assert leader.stdin
        assert leader.stdout
        pid = int(leader.stdout.readline())
        kin = process.kin_of(family())
        leader.stdin.close()
        leader.wait(10)
    return pid, kin


def test_a_worker_without_parent_and_environment_is_found_by_what_was_seen_of_it() -> None:
    pid, kin = abandoned(*SLEEP)
    try:
        assert family() == ()
        assert [one.pid for one in process.family(PREFIX, kin=kin)] == [pid]
        stopped = process.stop(None, lambda: process.family(PREFIX, kin=kin), grace_s=2)
        assert (stopped.found, stopped.left) == (1, ())
    finally:
        stop_by_number(pid)


def test_a_process_with_the_number_and_start_time_of_one_of_ours_but_another_session_is_a_stranger() -> None:
    with subprocess.Popen(SLEEP) as stranger:
        (kin,) = process.kin_of([identity_of(stranger.pid)])
        assert [one.pid for one in process.family(PREFIX, kin=[kin])] == [stranger.pid]
        assert process.family(PREFIX, kin=[kin._replace(session=stranger.pid + 1)]) == ()
        stranger.kill()


def newest(kin: tuple[process.Kin, ...]) -> int:
    """The youngest process of a family that is known by its kin."""
    return process.family(PREFIX, kin=kin)[-1].pid


def test_who_shares_a_session_with_a_worker_that_we_know_is_ours_too() -> None:
    """A helper that the worker started after the last look, and whose parent is gone."""
    code = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {FORGET!r}, *sys.argv[1:]]); "
    pid, kin = abandoned(sys.executable, "-c", code + "time.sleep(60)", *SLEEP)
    try:
        deadline = time.monotonic() + 10
        # Who forked it is seen for a moment too.
        while process.command_of(helper := newest(kin)) != " ".join(SLEEP) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert helper != pid
        assert os.getsid(helper) == pid
    finally:
        process.stop(None, lambda: process.family(PREFIX, kin=kin), grace_s=1)
        stop_by_number(pid)


def test_who_works_in_our_directory_and_writes_to_our_log_is_ours_whatever_else_it_hides(tmp_path: Path) -> None:
    home = process.Home(str(tmp_path / "run"), str(tmp_path / "logs"))
    for directory in home:
        Path(directory).mkdir()
    with (tmp_path / "logs/engine.log").open("wb") as log, (tmp_path / "other.log").open("wb") as other:
        started = [
            subprocess.Popen(SLEEP, env={}, cwd=cwd, stdout=out)
            for cwd, out in ((home.working_dir, log), (home.working_dir, other), (tmp_path, log))
        ]
    try:
        deadline = time.monotonic() + 10
        while not (found := process.family(PREFIX, home=home)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [one.pid for one in found] == [started[0].pid]
    finally:
        for one in started:
            one.kill()
            one.wait()


def identity_of(pid: int) -> process.Identity:
    identity = process.identify(pid)
    assert identity is not None
    return identity


def stop_by_number(pid: int) -> None:
    """For a test that failed: nothing else would find it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
