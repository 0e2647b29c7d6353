import pytest

from ernie_deploy.checks.base import Check, Result, Status, Subject, run
from ernie_deploy.checks.registry import CHECKS
from ernie_deploy.errors import UsageError
from tests.support import hosts, nvml, plans


def says(status: Status, name: str = "one") -> Check:
    return Check(name, "a check", lambda _: Result(name, status, "said", "do it"))


def test_the_documented_service_passes_every_check() -> None:
    assert {result.name: result.status for result in run(CHECKS, hosts.a_subject())} == {
        check.name: "pass" for check in CHECKS
    }


def test_a_rehearsal_on_the_cpu_skips_what_is_about_cards() -> None:
    plan = plans.a_plan(device="cpu", engine="vllm", gpus=())
    results = run(CHECKS, hosts.a_subject(plan=plan, gpu=hosts.gpus(problem="no library")))
    skipped = {result.name: result.message for result in results if result.status == "skip"}
    cards = ("gpu", "memory-fit", "compute-capability", "mig", "driver")
    assert {name: skipped[name] for name in cards} == dict.fromkeys(cards, "a rehearsal on the CPU needs no card")


def test_without_a_card_one_check_fails_and_those_about_cards_step_aside() -> None:
    results = {result.name: result for result in run(CHECKS, hosts.a_subject(gpu=hosts.gpus(problem="no library")))}
    assert results["gpu"].status == "fail"
    assert results["memory-fit"].status == "skip"
    assert results["memory-fit"].message == "the chosen cards were not seen (see the check gpu)"


def test_all_checks_run_whatever_fails() -> None:
    assert [result.status for result in run((says("fail"), says("pass", "two")), hosts.a_subject())] == ["fail", "pass"]


def test_an_ignored_failure_becomes_a_warning_that_says_so() -> None:
    (result,) = run((says("fail"),), hosts.a_subject(), ignore=["one"])
    assert result == Result("one", "warn", "said (ignored)", "do it")


@pytest.mark.parametrize("status", ["pass", "warn", "skip"])
def test_ignoring_changes_nothing_but_failures(status: Status) -> None:
    (result,) = run((says(status),), hosts.a_subject(), ignore=["one"])
    assert result == Result("one", status, "said", "do it")


def test_only_the_named_checks_run_in_the_order_of_the_registry() -> None:
    results = run(CHECKS, hosts.a_subject(), only=("ports", "gpu"))
    assert [result.name for result in results] == ["gpu", "ports"]


@pytest.mark.parametrize(("ignore", "only"), [(("memory",), ()), ((), ("memory",))])
def test_an_unknown_name_is_refused_with_the_nearest_one(ignore: tuple[str, ...], only: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="there is no check named 'memory'") as caught:
        run(CHECKS, hosts.a_subject(), ignore=ignore, only=only)
    assert caught.value.hint == "did you mean memory-fit?"


def test_the_name_that_memory_fit_had_before_leads_to_it() -> None:
    with pytest.raises(UsageError, match="there is no check named 'gpu-memory'") as caught:
        run(CHECKS, hosts.a_subject(), ignore=["gpu-memory"])
    assert caught.value.hint == "did you mean memory-fit?"


def test_a_check_that_raises_is_a_bug_and_is_not_swallowed() -> None:
    def broken(_: Subject) -> Result:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run((Check("broken", "", broken),), hosts.a_subject())


def test_names_are_given_once_and_results_carry_them() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    worst = hosts.a_subject(gpu=hosts.gpus(nvml.V100_32GB, driver="470.1"), environments=(), models=())
    for subject in (hosts.a_subject(), worst, hosts.a_subject(gpu=hosts.gpus())):
        assert [check.judge(subject).name for check in CHECKS] == names


def test_a_failure_always_says_what_to_do() -> None:
    worst = hosts.a_subject(
        plan=plans.a_plan(model_path=None, model="/nowhere", engine_python=None),
        launch=plans.a_launch(argv=("python", "--model", "/my models")),
        host=hosts.a_host(
            ram_total_bytes=1, ram_available_bytes=1, shm_free_bytes=1, mounts=(), addresses=("127.0.0.1",)
        ),
        gpu=hosts.gpus(nvml.V100_32GB.with_(is_mig=True), driver="470.1"),
        environments=(),
        models=(),
    )
    results = run(CHECKS, worst)
    assert sum(result.status == "fail" for result in results) >= 8
    assert [result.name for result in results if result.status in ("fail", "warn") and not result.hint] == []
