"""A deployment that is there already: the same again, another one, another way of waiting."""

import os
import signal

from ernie_deploy.plan.calibrate import MIB
from ernie_deploy.serve import calibrations
from tests.support import nvml
from tests.support.deployments import Place, argv_of, eventually, finish, is_running


def test_the_same_again_does_nothing(running: Place) -> None:
    pid = running.leader()
    taught = calibrations.read(running.state)
    again = running.up()
    assert again.code == 0, again.err
    assert again.out == f"already running and ready at http://127.0.0.1:{running.port}\n"
    assert "loading" not in again.err
    assert running.leader() == pid
    # The first start has taught what it took of the card; finding it running has taught nothing more.
    assert calibrations.read(running.state) == taught
    (known,) = taught
    assert (known.key.cards[0].name, known.kv_tokens) == ("NVIDIA L20", 65_536)
    assert known.overhead_bytes == int(46068 * MIB * known.utilization) - 3 * MIB - 3_584 * MIB


def test_another_plan_under_the_same_name_is_refused_with_what_differs(running: Place) -> None:
    pid = running.leader()
    ended = running.up("--max-num-seqs", "8", "--quant", "wint4")
    assert ended.code == 4, ended
    assert "'ernie' already runs with another plan: quantization wint8 → wint4; max_num_seqs 32 → 8" in ended.err
    assert "ernie-deploy restart" in ended.err
    assert running.leader() == pid


def test_wait_on_a_ready_service_says_so(running: Place) -> None:
    ended = running.run("wait")
    assert (ended.code, ended.out) == (0, f"ready at http://127.0.0.1:{running.port}\n"), ended.err


def test_a_dry_run_beside_the_running_service_is_not_refused(running: Place) -> None:
    ended = running.up("--dry-run")
    assert ended.code == 0, ended.err


def test_restart_replaces_the_engine_with_the_new_values(deployed: Place) -> None:
    before = deployed.leader()
    assert before
    # The card is full of what is about to be stopped.
    deployed.show(nvml.L20.with_(used_mib=40_003, processes=((before, 40_000),)))
    ended = deployed.run("restart", *deployed.flags(), "--max-num-seqs", "8", env={"FAKE_FAULTS": ""})
    assert ended.code == 0, ended.err
    after = deployed.leader()
    assert after
    assert after != before
    assert not is_running(before)
    argv = argv_of(after)
    assert argv[argv.index("--max-num-seqs") + 1] == "8"
    deployed.show(nvml.L20)
    deployed.leave()


def test_restart_that_would_be_refused_stops_nothing(running: Place) -> None:
    pid = running.leader()
    ended = running.run("restart", *running.flags(), "--quant", "bf16")
    assert ended.code == 4, ended
    assert "bf16 certainly does not fit" in ended.err
    assert running.leader() == pid


def test_restart_where_nothing_runs_starts(place: Place) -> None:
    ended = place.run("restart", *place.flags())
    assert ended.code == 0, ended.err
    place.leave()


def test_no_wait_returns_at_once_and_wait_sees_it_ready(place: Place) -> None:
    started = place.up("--no-wait", "--json", faults="slow-load:2")
    assert started.code == 0, started.err
    assert started.json()["state"] == "starting"
    assert place.status()["state"] == "starting"
    waited = place.run("wait", "--json")
    assert waited.code == 0, waited.err
    assert waited.json()["state"] == "ready"
    assert place.status()["state"] == "ready"
    place.leave()


def test_wait_where_nothing_runs_fails(place: Place) -> None:
    ended = place.run("wait")
    assert ended.code == 6, ended
    assert "'ernie' is not running" in ended.err


def test_wait_gives_up_in_time_and_leaves_the_engine_alone(place: Place) -> None:
    assert place.up("--no-wait", faults="never-ready").code == 0
    ended = place.run("wait", "--timeout", "1")
    assert ended.code == 6, ended
    assert place.status()["state"] == "starting"
    place.leave()


def test_wait_sees_the_engine_die(place: Place) -> None:
    assert place.up("--no-wait", faults="hang-loading").code == 0
    pid = place.wait_for_engine(line="Loading Layers")
    process = place.start("wait")
    assert process.stderr
    process.stderr.readline()
    os.kill(pid, signal.SIGKILL)
    ended = finish(process)
    assert ended.code == 6, ended
    assert "ended by itself (it is gone)" in ended.err
    place.leave()


def test_in_the_foreground_up_ends_with_the_engine(place: Place) -> None:
    process = place.start_up("--foreground", faults="slow-load:0.5")
    pid = place.wait_for_engine()
    eventually(place.is_proven)
    os.kill(pid, signal.SIGKILL)
    ended = finish(process)
    assert ended.code == 6, ended
    assert "the engine ended by itself (signal SIGKILL)" in ended.err
    assert "Application startup complete" in ended.err
    assert place.engine_pids() == []


def test_in_the_foreground_sigterm_stops_everything(place: Place) -> None:
    process = place.start_up("--foreground")
    place.wait_for_engine()
    eventually(place.is_proven)
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert ended.code == 130, ended
    assert place.engine_pids() == []
    assert place.run_on_record() is None


def test_a_service_that_died_unseen_is_called_dead_and_up_starts_it_anew(deployed: Place) -> None:
    for pid in deployed.engine_pids():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not deployed.engine_pids())
    said = deployed.run("status").out
    assert said.startswith("ernie: died, nothing of it lives; its log: ")
    assert "ernie-deploy down" in said
    assert deployed.up().code == 0
    deployed.leave()


def test_the_hint_to_restart_is_the_command_that_was_asked_for(running: Place) -> None:
    file = running.directory / "prod.yaml"
    file.write_text("max_num_seqs: 8\n")
    ended = running.up("--file", str(file), "--served-model-name", "ernie")
    assert ended.code == 4, ended
    (hint,) = [line for line in ended.err.splitlines() if line.startswith("hint: ")]
    assert hint.startswith(f"hint: replace it with: ernie-deploy restart --file {file} ")
    assert " --served-model-name ernie" in hint


def test_a_restart_with_a_key_file_that_cannot_be_used_stops_nothing(running: Place) -> None:
    pid = running.leader()
    ended = running.run("restart", *running.flags(), "--api-key-file", "/nonexistent/key")
    assert ended.code == 2, ended
    assert "the API key cannot be read" in ended.err
    assert running.leader() == pid


def test_a_rehearsal_under_the_name_of_a_running_service_leaves_it_alone(running: Place) -> None:
    pid = running.leader()
    ended = running.run("rehearse", "--name", "ernie", "--no-install")
    assert ended.code == 4, ended
    assert "'ernie' is running" in ended.err
    assert running.leader() == pid


def test_a_service_can_be_stopped_though_its_file_has_a_wrong_key(running: Place) -> None:
    (running.directory / "deploy.yaml").write_text("name: ernie\nport: auto\n")
    ended = running.run("down", "--dry-run", cwd=running.directory)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("would stop ")
