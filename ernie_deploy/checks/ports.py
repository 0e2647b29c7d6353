"""Can every port of the service be bound, and would its clients find it there?"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

from ernie_deploy.checks.base import Result, Subject
from ernie_deploy.engines.base import Port
from ernie_deploy.facts.values import HostFacts, Listener

Address = IPv4Address | IPv6Address
Clash = Literal["taken", "beside", "none"]


def judge(subject: Subject) -> Result:
    ports, host = subject.launch.ports, subject.facts.host
    wrong = [*_asked_twice(ports), *(problem for port in ports for problem in _problems(port, host))]
    if wrong:
        return Result(
            "ports", "fail", "; ".join(wrong), "stop what is there, or choose another port, such as --port 8190"
        )
    doubts = [doubt for port in ports for doubt in _doubts(port, host)]
    if doubts:
        return Result("ports", "warn", "; ".join(doubts), "reach the service by its address, not by a name")
    return Result("ports", "pass", f"free: {', '.join(_name(port) for port in ports)}")


def clash(ours: Address, theirs: Address, *, is_ipv6_only: bool | None = None) -> Clash:
    """What a listener on `theirs` means to one who binds the same port on `ours`.

    "beside" means that both can listen, and that a client who asks for localhost may reach either. On Linux a socket
    on `::` takes the IPv4 port too, unless it is told not to: only then (`is_ipv6_only`) is it free for IPv4.
    """
    theirs = _unmapped(theirs)
    if ours.version == theirs.version:
        return "taken" if ours == theirs or ours.is_unspecified or theirs.is_unspecified else "none"
    if ours.version == 6:
        return "taken" if ours.is_unspecified else "none"
    if theirs.is_unspecified:
        return "beside" if is_ipv6_only else "taken"
    return "beside" if theirs.is_loopback and (ours.is_unspecified or ours.is_loopback) else "none"


def _problems(port: Port, host: HostFacts) -> Iterator[str]:
    if port.number < host.unprivileged_port_start and host.uid != 0 and port.number != 0:
        yield f"{_name(port)} needs root: ports below {host.unprivileged_port_start} are privileged"
    ours = _address(port.host)
    if ours is None:
        return
    if not _is_here(ours, host):
        yield f"{port.host} is not an address of this host, so {_name(port)} cannot be bound"
    for listener in _clashing(port, ours, host, "taken"):
        yield f"{_name(port)} is taken by {_owner(listener)}"


def _doubts(port: Port, host: HostFacts) -> Iterator[str]:
    ours = _address(port.host)
    if ours is None:
        yield f"{port.host!r} is a name; whether {_name(port)} is free at its address was not looked at"
        return
    for listener in _clashing(port, ours, host, "beside"):
        yield f"{_owner(listener)} also listens on {port.number}: a client that asks for localhost may reach that one"


def _clashing(port: Port, ours: Address, host: HostFacts, kind: Clash) -> Iterator[Listener]:
    """Listeners on that port; port 0 is "any free one"."""
    for listener in host.listeners:
        theirs = _address(listener.address)
        if theirs is None or listener.port != port.number or port.number == 0:
            continue
        if clash(ours, theirs, is_ipv6_only=listener.is_ipv6_only) == kind:
            yield listener


def _asked_twice(ports: tuple[Port, ...]) -> Iterator[str]:
    for index, port in enumerate(ports):
        for other in ports[:index]:
            ours, theirs = _address(port.host), _address(other.host)
            if port.number == other.number != 0 and ours and theirs and clash(ours, theirs) == "taken":
                yield f"{_name(port)} and {_name(other)} are the same port"


def _address(host: str) -> Address | None:
    """The literal address; `localhost` is taken for 127.0.0.1, every other name for unknown."""
    literal = "127.0.0.1" if host == "localhost" else host.strip("[]").partition("%")[0]
    try:
        return ip_address(literal)
    except ValueError:
        return None


def _unmapped(address: Address) -> Address:
    """`::ffff:127.0.0.1` is an IPv4 listener in an IPv6 socket."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_here(address: Address, host: HostFacts) -> bool:
    here = [ours for ours in map(_address, host.addresses) if ours is not None]
    if not here:
        return True  # not known
    if address.is_unspecified:
        return any(ours.version == address.version for ours in here)
    # All of 127.0.0.0/8 can be bound, although only 127.0.0.1 is listed.
    return address in here or (address.version == 4 and address.is_loopback)


def _name(port: Port) -> str:
    return f"{port.number} ({port.role})"


def _owner(listener: Listener) -> str:
    where = f"{listener.address} port {listener.port}"
    if listener.pid is None:
        return f"a process of another user on {where}"
    return f"pid {listener.pid}{f' ({listener.command})' if listener.command else ''} on {where}"
