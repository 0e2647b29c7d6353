"""A host as if some processes were gone: for judging a plan that replaces what runs."""

from ernie_deploy.facts.values import Facts, Gpu, GpuFacts, Listener, Tenant, without
from tests.support import hosts


def a_busy_host(*tenants: Tenant, used_mib: int | None = 30_000) -> Facts:
    gpu = Gpu(index=0, name="NVIDIA L20", uuid="GPU-0", total_mib=46068, used_mib=used_mib, tenants=tenants)
    listeners = (Listener("0.0.0.0", 8180, pid=7), Listener("0.0.0.0", 22, pid=1))
    return hosts.some_facts(host=hosts.a_host(listeners=listeners), gpu=GpuFacts(gpus=(gpu,)))


def test_their_ports_are_free_and_others_stay_taken() -> None:
    assert [one.port for one in without(a_busy_host(), {7}).host.listeners] == [22]


def test_their_memory_is_free_and_others_keep_theirs() -> None:
    left = without(a_busy_host(Tenant(7, 28_000), Tenant(8, 1_000)), {7}).gpu.gpus[0]
    assert left.used_mib == 2_000
    assert left.tenants == (Tenant(8, 1_000),)


def test_memory_of_unknown_size_leaves_the_rest_unknown_rather_than_wrong() -> None:
    assert without(a_busy_host(Tenant(7, None)), {7}).gpu.gpus[0].used_mib is None
    assert without(a_busy_host(Tenant(7, 5), used_mib=None), {7}).gpu.gpus[0].used_mib is None


def test_a_host_without_them_is_the_same_host() -> None:
    facts = a_busy_host(Tenant(8, 1_000))
    assert without(facts, {7777}) == facts
