"""collect looks at this very machine: real sockets, real interpreters, the real NVML binding over a fake library."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest

from ernie_deploy import files, process
from ernie_deploy.checks.ports import clash
from ernie_deploy.facts.collect import collect, look_at_python
from ernie_deploy.facts.host import command_line
from ernie_deploy.facts.values import Facts, GpuFacts, Listener, ModelFacts
from tests.support import nvml
from tests.support.nvml import Card

REPOSITORY = Path(__file__).parents[2]
OWN_COMMAND = command_line(Path("/proc/self/cmdline").read_text().split("\0")[:-1])
PROGRAM = """
import sys
import msgspec
from ernie_deploy import process
from ernie_deploy.facts.collect import collect
for _ in sys.stdin:
    sys.stdout.buffer.write(msgspec.json.encode(collect(environ={"PATH": ""})) + b"\\n")
    sys.stdout.flush()
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml"))


class Looker:
    """A process that collects each time it is asked, over a fake library whose state file can change in between."""

    def __init__(self, library: Path, state: Path) -> None:
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=os.environ | nvml.environment(library, state),
        )

    def see(self, text: str) -> GpuFacts:
        files.write_atomically(self.state, text)
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("look\n")
        self.process.stdin.flush()
        return msgspec.json.decode(self.process.stdout.readline(), type=Facts).gpu


@pytest.fixture
def looker(library: Path, tmp_path: Path) -> Iterator[Looker]:
    looker = Looker(library, tmp_path / "state")
    with looker.process:
        yield looker
        assert looker.process.stdin
        looker.process.stdin.close()


# --- cards


def test_cards_are_seen_with_memory_capability_driver_and_who_uses_them(looker: Looker) -> None:
    busy = nvml.L20.with_(used_mib=2100, processes=((os.getpid(), 2048), (4_000_000, None)))
    found = looker.see(nvml.state([busy, nvml.H20.with_(is_mig=True)]))
    assert (found.driver_version, found.cuda_version, found.problem) == ("550.54.15", "12.4", "")
    first, second = found.gpus
    assert (first.index, first.name, first.total_mib, first.used_mib) == (0, "NVIDIA L20", 46068, 2100)
    assert (first.compute_capability, first.mig_enabled) == ("8.9", None)
    ours, gone = first.tenants
    assert (ours.pid, ours.used_mib) == (os.getpid(), 2048)
    assert ours.command == OWN_COMMAND
    assert (gone.used_mib, gone.command) == (None, "")
    assert (second.uuid, second.mig_enabled) == ("GPU-1", True)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (9, "the NVIDIA driver is not loaded"),
        (15, "fallen off the bus"),
        (18, "different versions"),
        (4, "may not talk"),
        (999, "unknown"),
    ],
)
def test_a_driver_that_refuses_becomes_one_sentence(looker: Looker, code: int, says: str) -> None:
    found = looker.see(nvml.state([nvml.L20], errors={"nvmlInitWithFlags": code}))
    assert found.gpus == ()
    assert says in found.problem


def test_a_missing_library_becomes_one_sentence(tmp_path: Path) -> None:
    # An empty file of that name comes first on the path: some container images hold one (FastDeploy issue 2667).
    (tmp_path / "libnvidia-ml.so.1").touch()
    found = Looker(tmp_path, tmp_path / "state")
    with found.process:
        assert "no usable libnvidia-ml.so.1" in found.see("").problem
        assert found.process.stdin
        found.process.stdin.close()


def test_a_driver_without_cards_says_so(looker: Looker) -> None:
    assert looker.see(nvml.state()).problem == "the NVIDIA driver is loaded, but it sees no card"


def test_a_driver_that_cannot_count_says_why(looker: Looker) -> None:
    assert "may not talk" in looker.see(nvml.state([nvml.L20], errors={"nvmlDeviceGetCount_v2": 4})).problem


def test_what_a_card_does_not_support_is_not_known_and_no_problem(looker: Looker) -> None:
    quiet = Card("NVIDIA L20", 46068, None, errors={"nvmlDeviceGetComputeRunningProcesses_v3": 3})
    found = looker.see(nvml.state([quiet], driver="", cuda=0))
    assert (found.driver_version, found.cuda_version, found.problem) == (None, None, "")
    (card,) = found.gpus
    assert (card.compute_capability, card.mig_enabled, card.tenants) == (None, None, ())


def test_an_old_driver_without_the_second_memory_call_is_asked_the_first(looker: Looker) -> None:
    old = nvml.L20.with_(errors={"nvmlDeviceGetMemoryInfo_v2": 13})
    assert looker.see(nvml.state([old])).gpus[0].total_mib == 46068


def test_a_card_that_does_not_tell_its_memory_is_left_out_with_the_reason(looker: Looker) -> None:
    found = looker.see(nvml.state([nvml.L20.with_(total_mib=None), nvml.L20]))
    assert [card.index for card in found.gpus] == [1]
    assert found.problem == "card 0: the card or its driver does not tell how much memory there is"


def test_a_card_that_is_lost_while_others_work_is_named(looker: Looker) -> None:
    assert looker.see(nvml.state([nvml.L20, nvml.L20])).problem == ""
    lost = nvml.L20.with_(errors={"nvmlDeviceGetHandleByIndex_v2": 15})
    found = looker.see(nvml.state([nvml.L20, lost]))
    assert [card.index for card in found.gpus] == [0]
    assert found.problem.startswith("card 1: the card has fallen off the bus")
    assert looker.see(nvml.state([nvml.L20, nvml.L20])).problem == ""


# --- ports


def listen(address: str, *, port: int = 0, ipv6_only: bool | None = None) -> socket.socket:
    """A plain listening socket, with the kernel's own default for IPV6_V6ONLY."""
    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        if ipv6_only is not None:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, ipv6_only)
        server.bind((address, port))
        server.listen()
    except OSError:
        server.close()
        raise
    return server


def seen_listener(server: socket.socket) -> Listener:
    port = server.getsockname()[1]
    (found,) = [listener for listener in collect(environ={}).host.listeners if listener.port == port]
    return found


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "127.0.0.2", "::1"])
def test_a_listening_socket_is_seen_with_its_owner(address: str) -> None:
    with closing(listen(address)) as server:
        found = seen_listener(server)
    assert (found.address, found.pid) == (address, os.getpid())
    assert found.command == OWN_COMMAND


@pytest.mark.parametrize("ipv6_only", [True, False])
def test_an_ipv6_listener_is_told_from_one_for_both(ipv6_only: bool) -> None:
    with closing(listen("::", ipv6_only=ipv6_only)) as server:
        found = seen_listener(server)
    assert (found.address, found.is_ipv6_only) == ("::", ipv6_only)


@pytest.mark.parametrize("ours", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::", "::1"])
@pytest.mark.parametrize(
    ("theirs", "ipv6_only"),
    [("127.0.0.1", None), ("0.0.0.0", None), ("::", True), ("::", False), ("::1", None), ("::ffff:127.0.0.1", False)],
)
def test_the_check_s_rules_about_addresses_are_the_kernel_s(ours: str, theirs: str, ipv6_only: bool | None) -> None:
    with closing(listen(theirs, ipv6_only=ipv6_only)) as server:
        expected = clash(ip_address(ours), ip_address(theirs), is_ipv6_only=ipv6_only) == "taken"
        try:
            listen(ours, port=server.getsockname()[1]).close()
            is_taken = False
        except OSError:
            is_taken = True
    assert is_taken == expected


# --- the host


def test_the_host_is_described_and_the_facts_survive_json() -> None:
    facts = collect(environ={"HTTPS_PROXY": "http://me:secret@proxy:1", "HOME": "/home/me"})
    host = facts.host
    assert host.uid == os.geteuid()
    assert 0 < host.ram_available_bytes <= host.ram_total_bytes
    assert host.shm_total_bytes == shutil.disk_usage("/dev/shm").total
    assert "127.0.0.1" in host.addresses
    assert any(mount.path == "/" and mount.total_bytes > 0 for mount in host.mounts)
    assert (host.proxies, host.home) == (("HTTPS_PROXY",), "/home/me")
    assert b"secret" not in msgspec.json.encode(facts)
    assert msgspec.json.decode(msgspec.json.encode(facts), type=Facts) == facts


def test_models_are_put_in_as_they_were_inspected() -> None:
    model = ModelFacts("/srv/models/ernie", 1, "ernie4_5_moe_vl", "bfloat16")
    assert collect(models=[model], environ={}).models == (model,)


# --- interpreters


def package(site: Path, name: str, *, version: str = "", code: str = "", distribution: str = "") -> None:
    """A package (and its metadata) as pip would leave it."""
    (site / name).mkdir(parents=True, exist_ok=True)
    (site / name / "__init__.py").write_text(code)
    if version:
        metadata(site, distribution or name, version)


def metadata(site: Path, distribution: str, version: str) -> None:
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")


def fastdeploy(site: Path, code: str = "") -> None:
    package(site, "fastdeploy", version="2.5.0", code=code, distribution="fastdeploy-gpu")
    (site / "fastdeploy/entrypoints/openai").mkdir(parents=True)
    (site / "fastdeploy/entrypoints/openai/api_server.py").touch()
    (site / "fastdeploy/version.txt").write_text("fastdeploy version: 2.5.0\n")
    metadata(site, "paddlepaddle-gpu", "3.3.1")


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_fastdeploy_is_found_by_its_metadata_and_its_files(tmp_path: Path) -> None:
    fastdeploy(tmp_path, code="raise RuntimeError('metadata only, please')")
    found = look_at_python(sys.executable, "asked", environ={"PYTHONPATH": str(tmp_path)})
    assert (found.engine, found.engine_version, found.problem) == ("fastdeploy", "2.5.0", "")
    assert found.distributions == {"fastdeploy-gpu": "2.5.0", "paddlepaddle-gpu": "3.3.1"}


def test_the_unrelated_fastdeploy_is_recognised_without_importing_it(tmp_path: Path) -> None:
    package(tmp_path, "fastdeploy", version="3.1.1", code=f"open({str(tmp_path / 'imported')!r}, 'w')")
    found = look_at_python(sys.executable, "path", environ={"PYTHONPATH": str(tmp_path)})
    assert found.engine == ""
    assert "unrelated package of the same name" in found.problem
    assert not (tmp_path / "imported").exists()


def test_a_folder_in_the_current_directory_is_not_taken_for_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, "fastdeploy")
    monkeypatch.chdir(tmp_path)
    found = look_at_python(sys.executable, "path", environ={})
    assert (found.engine, found.problem) == ("", "")


def test_an_import_is_really_done_when_asked_and_may_print_what_it_likes(tmp_path: Path) -> None:
    fastdeploy(tmp_path, code="import os; print('{\"python_version\": 1}'); os.system('echo noise')")
    found = look_at_python(
        sys.executable, "asked", import_engine="fastdeploy", environ={"PYTHONPATH": str(tmp_path), "PATH": "/bin"}
    )
    assert (found.engine, found.problem) == ("fastdeploy", "")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise ImportError('libcuda.so.1: no such file')", "fails: ImportError: libcuda.so.1: no such file"),
        ("raise SystemExit(3)", "`import fastdeploy` fails: SystemExit: 3"),
        ("import os; os.kill(os.getpid(), 11)", "it ended with signal 11"),
        ("import os; os._exit(0)", "the interpreter left without a word"),
    ],
)
def test_an_import_that_fails_is_a_problem_and_never_an_exception(tmp_path: Path, code: str, says: str) -> None:
    fastdeploy(tmp_path, code=code)
    found = look_at_python(sys.executable, "asked", import_engine="fastdeploy", environ={"PYTHONPATH": str(tmp_path)})
    assert says in found.problem
    assert (found.engine, found.engine_version) == ("", "2.5.0")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#!/bin/sh\necho no such thing >&2\nexit 3\n", "it ended with exit code 3: no such thing"),
        ("#!/bin/sh\necho Python 3.10.0\n", "it does not answer like a Python"),
        ("#!/nonexistent/python\n", "it cannot be run: No such file or directory"),
    ],
)
def test_an_interpreter_that_is_none_is_a_problem(tmp_path: Path, text: str, says: str) -> None:
    assert look_at_python(script(tmp_path / "python", text), "asked", environ={}).problem == says


def test_a_path_that_cannot_be_executed_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "python").touch(mode=0o644)
    assert (
        look_at_python(str(tmp_path / "python"), "asked", environ={}).problem == "it cannot be run: Permission denied"
    )
    assert look_at_python(str(tmp_path), "asked", environ={}).problem == "it cannot be run: Permission denied"
    assert "No such file" in look_at_python(str(tmp_path / "none"), "asked", environ={}).problem


def test_an_interpreter_that_hangs_is_stopped_with_its_children(tmp_path: Path) -> None:
    hanging = script(tmp_path / "python", f"#!/bin/sh\nsleep 600 & echo $! > {tmp_path}/pid\nwait\n")
    began = time.monotonic()
    found = look_at_python(hanging, "asked", environ={"PATH": "/usr/bin:/bin"}, timeout_s=1.0)
    assert found.problem == "it did not answer within 1 s"
    assert time.monotonic() - began < 10
    child = int((tmp_path / "pid").read_text())
    # KILL is sent, not awaited: on a busy machine the kernel takes its time.
    while process.identify(child) and time.monotonic() - began < 20:
        time.sleep(0.05)
    assert process.identify(child) is None


def test_interpreters_on_the_path_are_looked_at_beside_those_asked_for(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    (first / "python3").symlink_to(sys.executable)
    broken = script(second / "python", "#!/bin/sh\nexit 1\n")
    asked = (str(first / "python3"), "installed")
    found = collect(pythons=[asked, ("/nonexistent", "asked")], environ={"PATH": f"{first}:{second}"}).environments
    assert [(one.python, one.origin) for one in found] == [asked, ("/nonexistent", "asked"), (broken, "path")]
    assert [bool(one.problem) for one in found] == [False, True, True]


def test_python_beside_python3_is_not_looked_at_for_it_is_the_same_environment(tmp_path: Path) -> None:
    for name in ("python3", "python"):
        (tmp_path / name).symlink_to(sys.executable)
    found = collect(environ={"PATH": str(tmp_path)}).environments
    assert [one.python for one in found] == [str(tmp_path / "python3")]
