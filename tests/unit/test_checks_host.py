import pytest

from ernie_deploy.checks import network, resources
from ernie_deploy.checks.base import Result
from ernie_deploy.engines.base import Port
from ernie_deploy.facts.values import Mount
from tests.support import hosts, plans
from tests.support.hosts import GIB


def exposure(*ports: Port, api_key_file: str | None = None) -> Result:
    plan = plans.a_plan(api_key_file=api_key_file)
    return network.judge_exposure(hosts.a_subject(plan=plan, launch=plans.a_launch(ports=ports)))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gpu-1.example"])
def test_a_service_open_to_others_without_a_key_is_a_warning(host: str) -> None:
    assert exposure(Port(8180, "http", host)).status == "warn"
    guarded = exposure(Port(8180, "http", host), api_key_file="/etc/key")
    assert guarded.status == "warn"
    assert "/config-info" in guarded.message


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.9"])
def test_a_service_on_the_loopback_needs_no_key(host: str) -> None:
    assert exposure(Port(8180, "http", host)).status == "pass"


def test_ports_that_the_engine_opens_beside_the_service_are_named() -> None:
    result = exposure(Port(8180, "http", "127.0.0.1"), Port(8181, "metrics", "0.0.0.0"))
    assert result.status == "pass"
    assert "8181 (metrics)" in result.message


def proxy(*proxies: str, model_path: str | None) -> Result:
    plan = plans.a_plan(model_path=model_path)
    return network.judge_proxy(hosts.a_subject(plan=plan, host=hosts.a_host(proxies=proxies)))


def test_a_proxy_is_told_together_with_what_goes_through_it() -> None:
    assert proxy(model_path=None).message == "no proxy is set"
    assert "the engine downloads the model through it" in proxy("HTTPS_PROXY", model_path=None).message
    assert "nothing of this deployment uses it" in proxy("HTTPS_PROXY", "http_proxy", model_path="/models/a").message


def test_the_state_directory_is_looked_up_on_its_own_mount() -> None:
    mounts = (Mount("/", GIB, 0), Mount("/var", 100 * GIB, 50 * GIB), Mount("/var/lib", 9 * GIB, 8 * GIB))
    host = hosts.a_host(mounts=mounts)
    assert resources.mount_of("/var/lib/ernie", host) == mounts[2]
    assert resources.mount_of("/var/library", host) == mounts[1]
    assert resources.mount_of("/etc", host) == mounts[0]


def disk(*mounts: Mount, model_path: str | None = plans.MODEL_PATH, engine: str = "fastdeploy", **env: str) -> Result:
    plan = plans.a_plan(model_path=model_path, model=plans.MODEL, engine=engine)
    return resources.judge_disk(
        hosts.a_subject(plan=plan, launch=plans.a_launch(env=env), host=hosts.a_host(mounts=mounts))
    )


def test_a_full_or_read_only_state_directory_fails() -> None:
    assert disk(Mount("/", 10 * GIB, 5 * GIB)).status == "pass"
    full = disk(Mount("/", 10 * GIB, GIB // 2))
    assert (full.status, full.message) == ("fail", "the state directory needs 1.0 GiB, and / has 512.0 MiB free")
    read_only = disk(Mount("/", 10 * GIB, 5 * GIB, is_read_only=True))
    assert (read_only.status, read_only.message) == ("fail", "the state directory is on /, which is read-only")


def test_weights_that_are_not_here_need_room_where_the_engine_puts_them() -> None:
    root, home = Mount("/", 10 * GIB, 5 * GIB), Mount("/home", 900 * GIB, 800 * GIB)
    assert disk(root, home, model_path=None).status == "pass"
    assert disk(root, home, model_path=None, FD_MODEL_CACHE="/data").message.startswith(
        "the download needs 65.2 GiB, and /"
    )
    assert disk(root, home, model_path=None, engine="vllm").status == "pass"
    assert disk(root, home, model_path=None, engine="vllm", HF_HOME="/data").status == "fail"


def test_a_file_system_that_is_not_known_is_a_warning() -> None:
    assert disk(Mount("/srv", GIB, GIB)).status == "warn"


@pytest.mark.parametrize(
    ("device", "total_gib", "available_gib", "status"),
    [
        ("cuda", 64, 60, "pass"),
        ("cuda", 12, 11, "warn"),
        ("cuda", 7, 7, "fail"),
        ("cuda", 64, 3, "fail"),
        ("cpu", 4, 3, "pass"),
        ("cpu", 4, 1, "fail"),
    ],
)
def test_memory_is_judged_by_what_the_device_needs(
    device: str, total_gib: int, available_gib: int, status: str
) -> None:
    host = hosts.a_host(ram_total_bytes=total_gib * GIB, ram_available_bytes=available_gib * GIB)
    assert resources.judge_ram(hosts.a_subject(plan=plans.a_plan(device=device), host=host)).status == status


@pytest.mark.parametrize(
    ("device", "free_bytes", "status"),
    [
        ("cuda", 16 * GIB, "pass"),
        ("cuda", 4 * GIB, "warn"),
        ("cuda", 64_000_000, "fail"),
        ("cuda", None, "warn"),
        ("cpu", 64_000_000, "pass"),
        ("cpu", None, "skip"),
    ],
)
def test_shared_memory_is_judged_by_what_is_free_in_it(device: str, free_bytes: int | None, status: str) -> None:
    host = hosts.a_host(shm_free_bytes=free_bytes)
    result = resources.judge_shm(hosts.a_subject(plan=plans.a_plan(device=device), host=host))
    assert result.status == status
    assert result.status in ("pass", "skip") or "--shm-size" in result.hint
