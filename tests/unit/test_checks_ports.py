from ipaddress import ip_address

import pytest

from ernie_deploy.checks import ports
from ernie_deploy.checks.base import Result
from ernie_deploy.engines.base import Port
from ernie_deploy.facts.values import Listener
from tests.support import hosts, plans


def judged(*asked: Port, listeners: tuple[Listener, ...] = (), **host: object) -> Result:
    facts = hosts.a_host(listeners=listeners, **host)
    return ports.judge(hosts.a_subject(launch=plans.a_launch(ports=asked), host=facts))


HTTP = Port(8180, "http", "127.0.0.1")


@pytest.mark.parametrize(
    ("ours", "theirs", "is_ipv6_only", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", None, "taken"),
        ("127.0.0.1", "0.0.0.0", None, "taken"),
        ("0.0.0.0", "127.0.0.1", None, "taken"),
        ("127.0.0.1", "127.0.0.2", None, "none"),
        ("127.0.0.1", "192.0.2.7", None, "none"),
        ("127.0.0.1", "::", None, "taken"),
        ("127.0.0.1", "::", False, "taken"),
        ("127.0.0.1", "::", True, "beside"),
        ("0.0.0.0", "::", True, "beside"),
        ("0.0.0.0", "::1", None, "beside"),
        ("192.0.2.7", "::1", None, "none"),
        ("0.0.0.0", "2001:db8::7", None, "none"),
        ("127.0.0.1", "::ffff:127.0.0.1", None, "taken"),
        ("127.0.0.1", "::ffff:192.0.2.7", None, "none"),
        ("::", "127.0.0.1", None, "taken"),
        ("::", "::1", None, "taken"),
        ("::1", "::", True, "taken"),
        ("::1", "127.0.0.1", None, "none"),
        ("::1", "0.0.0.0", None, "none"),
    ],
)
def test_addresses_clash_as_the_kernel_sees_it(
    ours: str, theirs: str, is_ipv6_only: bool | None, expected: str
) -> None:
    assert ports.clash(ip_address(ours), ip_address(theirs), is_ipv6_only=is_ipv6_only) == expected


def test_a_busy_port_is_named_with_its_owner() -> None:
    result = judged(HTTP, listeners=(Listener("0.0.0.0", 8180, 4242, "python3 -m http.server"),))
    assert (result.status, result.message) == (
        "fail",
        "8180 (http) is taken by pid 4242 (python3 -m http.server) on 0.0.0.0 port 8180",
    )


def test_an_owner_that_may_not_be_seen_is_called_another_user_s() -> None:
    assert "a process of another user" in judged(HTTP, listeners=(Listener("0.0.0.0", 8180),)).message


def test_every_port_is_judged_not_only_the_first() -> None:
    metrics = Port(8181, "metrics", "0.0.0.0")
    listeners = (Listener("127.0.0.1", 8180, 1), Listener("::", 8181, 2))
    message = judged(HTTP, metrics, listeners=listeners).message
    assert "8180 (http) is taken by pid 1" in message
    assert "8181 (metrics) is taken by pid 2" in message


def test_other_ports_and_other_addresses_do_not_matter() -> None:
    listeners = (Listener("0.0.0.0", 8000, 1), Listener("127.0.0.2", 8180, 2))
    assert judged(HTTP, listeners=listeners).status == "pass"


def test_an_ipv6_only_listener_leaves_the_port_free_but_can_answer_for_localhost() -> None:
    result = judged(HTTP, listeners=(Listener("::", 8180, 7, "nginx", is_ipv6_only=True),))
    assert result.status == "warn"
    assert "pid 7 (nginx) on :: port 8180 also listens on 8180: a client that asks for localhost" in result.message


def test_a_privileged_port_needs_root() -> None:
    low = Port(443, "http", "127.0.0.1")
    assert "443 (http) needs root: ports below 1024 are privileged" in judged(low).message
    assert judged(low, uid=0).status == "pass"
    assert judged(low, unprivileged_port_start=80).status == "pass"


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    assert "192.0.2.99 is not an address of this host" in judged(Port(8180, "http", "192.0.2.99")).message
    assert judged(Port(8180, "http", "192.0.2.7")).status == "pass"
    assert judged(Port(8180, "http", "127.0.0.9")).status == "pass"


def test_a_host_without_ipv6_cannot_bind_an_ipv6_address() -> None:
    assert judged(Port(8180, "http", "::"), addresses=("127.0.0.1",)).status == "fail"
    assert judged(Port(8180, "http", "::"), addresses=()).status == "pass"


def test_localhost_is_the_loopback_and_another_name_is_not_looked_up() -> None:
    assert judged(Port(8180, "http", "localhost"), listeners=(Listener("127.0.0.1", 8180),)).status == "fail"
    assert judged(Port(8180, "http", "gpu-1.example"), listeners=(Listener("127.0.0.1", 8180),)).status == "warn"


def test_one_port_for_two_roles_is_refused() -> None:
    result = judged(HTTP, Port(8180, "metrics", "0.0.0.0"))
    assert (result.status, result.message) == ("fail", "8180 (metrics) and 8180 (http) are the same port")


def test_port_zero_is_any_free_port() -> None:
    assert judged(Port(0, "http", "127.0.0.1"), listeners=(Listener("127.0.0.1", 0),)).status == "pass"
