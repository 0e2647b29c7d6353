"""What the planner works out where nobody has asked: ports that follow the service's, a prefill step that fits."""

from pathlib import Path
from typing import Any

import pytest

from ernie_deploy.catalog.flags import flags_of
from ernie_deploy.engines.registry import launch_of
from ernie_deploy.plan.layers import asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.plan.values import Plan
from ernie_deploy.spec.load import decode
from tests.support import hosts

BESIDE = ("metrics_port", "engine_worker_queue_port", "cache_queue_port")
KNOWN = flags_of("fastdeploy")


def planned(version: str = "2.5.0", **flag: Any) -> Plan:
    facts = hosts.some_facts(environments=(hosts.an_environment(engine_version=version),))
    return resolve(completed([asked("flag", "{flag}", decode(flag, "it"))]), facts, state_root=Path("/state"))


def beside(plan: Plan) -> list[int | None]:
    return [getattr(plan, key).value for key in BESIDE]


@pytest.mark.parametrize(
    ("flags", "ports"),
    [
        ({}, [8181, 8182, 8183]),
        ({"port": 9000}, [9001, 9002, 9003]),
        ({"port": 65535}, [65534, 65533, 65532]),
        ({"port": 65533}, [65534, 65535, 65532]),
        ({"port": 1}, [2, 3, 4]),
        ({"metrics_port": 8182}, [8182, 8183, 8184]),
        ({"cache_queue_port": 8181}, [8182, 8183, 8181]),
        ({"engine_worker_queue_port": 9999}, [8181, 9999, 8183]),
        ({"engine_args": {"controller-port": 8181}}, [8182, 8183, 8184]),
        ({"engine_args": {"pd_comm_port": "8181,8182"}}, [8183, 8184, 8185]),
        ({"tensor_parallel_size": 2, "gpus": [0, 1]}, [8181, 8182, 8183]),
    ],
)
def test_ports_follow_the_services_and_take_no_others(flags: dict[str, Any], ports: list[int]) -> None:
    assert beside(planned(**flags)) == ports


def test_a_port_that_was_worked_out_says_so_and_why() -> None:
    setting = planned().engine_worker_queue_port
    assert (setting.source, setting.origin) == ("planner", "planner")
    assert setting.why.startswith("port + 2: a known port can be checked")


def test_every_port_is_looked_at_before_the_model_loads() -> None:
    assert [(port.role, port.number, port.host) for port in launch_of(planned(host="192.0.2.7")).ports] == [
        ("http", 8180, "192.0.2.7"),
        ("metrics", 8181, "0.0.0.0"),
        ("engine queue", 8182, "0.0.0.0"),
        ("cache queue", 8183, "0.0.0.0"),
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_the_loopback_metrics_share_the_services_port_where_they_can(host: str) -> None:
    plan = planned(host=host)
    assert beside(plan) == [None, 8182, 8183]
    assert "open on every interface" in plan.metrics_port.why
    assert "--metrics-port" not in launch_of(plan).argv
    assert beside(planned("2.3.4", host=host)) == [8181, 8182, 8183]


def test_several_copies_of_the_model_find_their_own_queues() -> None:
    plan = planned(engine_args={"data_parallel_size": 2})
    assert beside(plan) == [8181, None, None]
    assert "data_parallel_size 2" in plan.cache_queue_port.why


def test_other_engines_have_no_such_ports() -> None:
    for engine in ("vllm", "transformers"):
        assert beside(planned(engine=engine)) == [None, None, None]
        assert [port.role for port in launch_of(planned(engine=engine)).ports] == ["http"]


@pytest.mark.parametrize(
    ("flags", "tokens", "source"),
    [
        ({}, 16384, "catalog"),
        ({"mm_processor_kwargs": {"image_max_pixels": 784}}, 16384, "catalog"),
        ({"mm_processor_kwargs": {"image_max_pixels": 2 * 12845056}}, 32768, "planner"),
        ({"max_model_len": 4096, "max_num_seqs": 2}, 8192, "planner"),
        ({"max_model_len": 1024, "max_num_seqs": 2, "max_num_batched_tokens": 512}, 512, "flag"),
    ],
)
def test_a_prefill_step_holds_the_largest_picture_and_no_more_than_all_requests(
    flags: dict[str, Any], tokens: int, source: str
) -> None:
    setting = planned(**flags).max_num_batched_tokens
    assert (setting.value, setting.source) == (tokens, source)


def test_a_zoom_loop_and_a_full_size_picture_are_let_through() -> None:
    plan = planned()
    assert plan.limit_mm_per_prompt.value == {"image": 10, "video": 1}
    pixels = plan.mm_processor_kwargs.value
    assert pixels is not None
    assert pixels["image_max_pixels"] == 784 * (plan.max_num_batched_tokens.value or 0)


def test_prefix_caching_is_off_and_can_be_asked_for() -> None:
    assert "--no-enable-prefix-caching" in launch_of(planned()).argv
    assert "CUDA error 700" in planned().enable_prefix_caching.why
    assert "--enable-prefix-caching" in launch_of(planned(enable_prefix_caching=True)).argv


@pytest.mark.parametrize("version", KNOWN.versions)
def test_a_plan_holds_only_flags_that_its_version_has(version: str) -> None:
    argv = launch_of(planned(version)).argv
    flags = {word for word in argv[3:] if word.startswith("--")}
    assert flags
    assert not [flag for flag in flags if KNOWN.why_absent(flag, version)]


def test_a_path_among_further_arguments_does_not_depend_on_where_the_engine_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    argv = launch_of(planned(engine_args={"tool_parser_plugin": "mine.py"})).argv
    assert argv[argv.index("--tool-parser-plugin") + 1] == str(tmp_path / "mine.py")
