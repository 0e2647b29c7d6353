"""What `up` refuses before anything is started, and whether the refusal helps."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import nvml
from tests.support.deployments import NOBODY, SHARDS, Ended, Place, side_by_side
from tests.support.engines import make_empty_env, make_impostor_env


class Hopeless(NamedTuple):
    """A host on which it cannot work: how it is made, what `up` is asked there, and what it must say."""

    prepare: Callable[[Place], object]
    words: Callable[[Place], tuple[str, ...]]
    says: tuple[str, ...]


def plain(place: Place) -> tuple[str, ...]:
    return place.flags()


HOPELESS = {
    "a 24 GB card": Hopeless(
        lambda place: place.show(nvml.RTX_4090),
        lambda place: (*place.flags(), "--quant", "wint8"),
        (
            "24564 MiB",
            "wint8 certainly does not fit: 13.7 GiB are missing",
            "it fits with `--tensor-parallel-size 4` on 4 such cards",
            "it starts with `--tensor-parallel-size 2` on 2 such cards",
            "a card of 48 GB",
            "--ignore memory-fit",
        ),
    ),
    "no card": Hopeless(
        lambda place: place.show(), plain, ("no NVIDIA card is usable here", "`ernie-deploy rehearse`")
    ),
    "a missing shard": Hopeless(lambda place: (place.model / SHARDS[1]).unlink(), plain, (f"{SHARDS[1]} is missing",)),
    "no model directory": Hopeless(lambda place: shutil.rmtree(place.model), plain, ("does not exist",)),
    "no engine anywhere": Hopeless(
        lambda _: None,
        lambda place: ("--model", str(place.model)),
        ("no interpreter with fastdeploy was found", "`ernie-deploy engine install fastdeploy`"),
    ),
    "an interpreter without the engine": Hopeless(
        lambda place: make_empty_env(place.directory / "empty"),
        lambda place: (*place.flags(), "--engine-python", str(place.directory / "empty/bin/python")),
        ("empty/bin/python has no engine, not fastdeploy",),
    ),
    "an interpreter that is not there": Hopeless(
        lambda _: None,
        lambda place: (*place.flags(), "--engine-python", "/nonexistent/python"),
        ("cannot be run: No such file",),
    ),
    "the unrelated package named fastdeploy": Hopeless(
        lambda place: make_impostor_env(place.directory / "impostor"),
        lambda place: (*place.flags(), "--engine-python", str(place.directory / "impostor/bin/python")),
        ("unrelated", "engine install fastdeploy"),
    ),
}


@pytest.fixture(scope="module")
def refusals(
    tmp_path_factory: pytest.TempPathFactory, nvml_library: Path, engine_envs: Path
) -> Iterator[dict[str, Ended]]:
    """How `up` ended in each of these, and that nothing was started or recorded."""
    places = {name: Place(tmp_path_factory.mktemp("hopeless"), nvml_library, engine_envs) for name in HOPELESS}
    for name, place in places.items():
        HOPELESS[name].prepare(place)
    yield side_by_side({n: partial(place.run, "up", *HOPELESS[n].words(place)) for n, place in places.items()})
    assert not [place.leave() for place in places.values() if place.engine_pids()]
    assert not [place for place in places.values() if place.run_on_record()]


@pytest.mark.parametrize("case", HOPELESS)
def test_what_cannot_work_is_refused_with_the_reason_and_the_way_out(refusals: dict[str, Ended], case: str) -> None:
    ended = refusals[case]
    assert ended.code == 4, ended
    assert ended.out == ""
    assert "hint: " in ended.err
    for text in HOPELESS[case].says:
        assert text in ended.err


def test_a_port_that_another_process_has_is_refused_with_its_pid(place: Place) -> None:
    with socket.create_server(("127.0.0.1", place.port)):
        ended = place.up()
    assert ended.code == 4, ended
    assert f"{place.port} (http) is taken by pid {os.getpid()}" in ended.err
    assert "--port" in ended.err
    assert place.engine_pids() == []


def test_a_port_that_our_other_deployment_has_is_refused(running: Place) -> None:
    ended = running.up("--name", "second")
    assert ended.code == 4
    assert f"is taken by pid {running.leader()}" in ended.err
    assert running.run_on_record("second") is None


def test_an_ipv6_only_listener_on_the_port_is_a_warning_and_no_obstacle(place: Place) -> None:
    with socket.socket(socket.AF_INET6) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("::", place.port))
        listener.listen()
        ended = place.up()
    assert ended.code == 0, ended.err
    assert "warn   ports" in ended.err
    assert f"pid {os.getpid()}" in ended.err
    place.leave()


@pytest.mark.root
def test_a_privileged_port_is_refused_to_who_is_not_root(public_place: Place) -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("this kernel lets everybody bind port 80")
    ended = public_place.run("up", *public_place.flags(), "--port", "80", before=NOBODY)
    assert ended.code == 4, ended
    assert "80 (http) needs root" in ended.err
    assert public_place.engine_pids() == []


def test_a_dry_run_shows_the_command_and_starts_nothing(place: Place) -> None:
    ended = place.up("--dry-run")
    assert ended.code == 0, ended.err
    assert "fastdeploy.entrypoints.openai.api_server" in ended.out
    assert place.engine_pids() == []
    assert not place.state.exists()
    # It is a command to paste, so a shell can read it.
    subprocess.run(["/bin/sh", "-n", "-c", ended.out], check=True)
