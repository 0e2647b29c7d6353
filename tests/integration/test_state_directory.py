"""State directories that cannot be written: nothing is started there, and what runs can still be stopped."""

import os
import shutil

import pytest

from tests.support.deployments import Ended, Place

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def is_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not here")


def script(place: Place, text: str) -> Ended:
    """Run a shell script whose mounts nobody else sees. In it `"$@"` is ernie-deploy, and $up its `up` with flags."""
    place.state.mkdir()
    return place.run(
        before=(str(shutil.which("unshare")), "-m", "/bin/sh", "-euc", text, "sh"),
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "state": str(place.state),
            "up": f"up {' '.join(place.flags())} --ignore disk",
        },
    )


def test_a_read_only_state_directory_is_refused_and_nothing_starts(place: Place) -> None:
    ended = script(place, 'mount -t tmpfs -o ro none "$state"; exec "$@" $up')
    assert ended.code == 4, ended
    assert "the state directory cannot be written: Read-only file system" in ended.err
    assert "ERNIE_DEPLOY_STATE=DIR" in ended.err.splitlines()[-1]
    assert place.engine_pids() == []


@pytest.mark.parametrize("room", ["0", "24k"])
def test_a_full_state_directory_is_refused_and_nothing_starts(place: Place, room: str) -> None:
    fill = 'dd if=/dev/zero of="$state/fill" bs=1k 2>/dev/null || true' if room == "0" else "true"
    size = "4k" if room == "0" else room
    ended = script(place, f'mount -t tmpfs -o size={size} none "$state"; {fill}; exec "$@" $up')
    assert ended.code == 4, ended
    assert "the state directory cannot be written: No space left on device" in ended.err
    assert "ERNIE_DEPLOY_STATE=DIR" in ended.err.splitlines()[-1]
    assert place.engine_pids() == []


def test_a_disk_that_fills_up_during_the_start_leaves_no_engine_behind(place: Place) -> None:
    """However far the start comes before there is no more room: refused, and nothing runs; or up, and all is well."""
    rooms = " ".join(f"{size}k" for size in range(36, 52, 4))
    ended = script(
        place,
        f"""for room in {rooms}; do
                mount -t tmpfs -o size=$room none "$state"
                code=0; "$@" $up >/dev/null || code=$?
                echo "$room $code $("$@" down)"
                umount "$state"
            done""",
    )
    assert "Traceback" not in ended.err, ended.err
    for line in ended.out.splitlines():
        _, code, *said = line.split()
        assert (code, said[:1]) in (("0", ["stopped"]), ("4", ["'ernie'"])), ended
    assert len(ended.out.splitlines()) == 4
    assert place.engine_pids() == []


def test_a_full_disk_does_not_keep_a_service_from_being_stopped(place: Place) -> None:
    fill = 'dd if=/dev/zero of="$state/fill" bs=1k 2>/dev/null || true'
    ended = script(place, f'mount -t tmpfs -o size=512k none "$state"; "$@" $up; {fill}; "$@" status; "$@" down')
    assert ended.code == 0, ended
    assert "ernie: ready" in ended.out
    assert "nothing of 'ernie' is left" in ended.out
    assert place.engine_pids() == []


def test_a_state_directory_that_became_read_only_does_not_keep_a_service_running(place: Place) -> None:
    freeze = 'mount --bind "$state" "$state"; mount -o remount,ro,bind "$state"'
    ended = script(place, f'mount -t tmpfs none "$state"; "$@" $up; {freeze}; "$@" status; exec "$@" down')
    assert "ernie: ready" in ended.out
    assert ended.code == 4, ended
    assert "Read-only file system" in ended.err
    assert place.engine_pids() == []
