"""What the kernel says about a host, as values. Nothing here looks; collect.py hands the text and bytes in."""

import re
import struct
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address
from pathlib import PurePath
from typing import Final

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_SECRET_FLAG: Final = re.compile(r"(?i)(key|token|secret|passw|credential)")
_COMMAND_LENGTH: Final = 120

SOCK_DIAG_REQUEST: Final = struct.pack(
    "=IHHIIBBBBI48x",
    *(72, 20, 0x301, 1, 0),  # length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, sequence, port
    *(10, 6, 0, 0, 1 << 10),  # AF_INET6, IPPROTO_TCP, no extensions, TCP_LISTEN
)
"""Asks netlink for all listening IPv6 sockets: only there does the kernel tell IPV6_V6ONLY (`man 7 sock_diag`)."""

_MESSAGE_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE_HEADER: Final = struct.Struct("=HH")
_DIAG_MESSAGE_BYTES: Final = 72
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_SKV6ONLY: Final = 11


def proxies(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the proxy variables that are set, sorted. Never their values: those can hold a password."""
    return tuple(sorted(name for name, value in environ.items() if name.lower() in _PROXIES and value))


def as_text(name: str) -> str:
    """A name of the system's, with `?` for bytes that are no text in this locale: facts can be written down."""
    return name.encode(errors="replace").decode()


def command_line(argv: Sequence[str]) -> str:
    """`python3 -m vllm … --api-key ***`: enough to know a process by, without the secrets in its arguments."""
    if not argv:
        return ""
    words = [PurePath(argv[0]).name]
    hides_next = False
    for word in argv[1:]:
        flag, equals, _ = word.partition("=")
        is_secret = bool(_SECRET_FLAG.search(flag)) and (word.startswith("-") or bool(equals))
        words.append("***" if hides_next else f"{flag}=***" if is_secret and equals else word)
        hides_next = is_secret and not equals
    line = as_text(" ".join(" ".join(words).split()))
    return line if len(line) <= _COMMAND_LENGTH else f"{line[: _COMMAND_LENGTH - 1]}…"


def parse_ipv6_only(reply: bytes) -> dict[tuple[str, int], bool]:
    """(address, port) → whether the listener takes IPv6 only, from the datagrams of one sock_diag dump."""
    found: dict[tuple[str, int], bool] = {}
    offset = 0
    while offset + _MESSAGE_HEADER.size <= len(reply):
        length, kind, *_ = _MESSAGE_HEADER.unpack_from(reply, offset)
        if length < _MESSAGE_HEADER.size:
            break
        if kind == _SOCK_DIAG_BY_FAMILY:
            found.update(_listener(reply[offset + _MESSAGE_HEADER.size : offset + length]))
        offset += _aligned(length)
    return found


def is_last(reply: bytes) -> bool:
    """Whether these datagrams end the dump (with NLMSG_DONE or an error)."""
    offset = 0
    while offset + _MESSAGE_HEADER.size <= len(reply):
        length, kind, *_ = _MESSAGE_HEADER.unpack_from(reply, offset)
        if kind in (_NLMSG_ERROR, _NLMSG_DONE) or length < _MESSAGE_HEADER.size:
            return True
        offset += _aligned(length)
    return False


def _listener(message: bytes) -> dict[tuple[str, int], bool]:
    """One inet_diag_msg: family, state, timer, retrans, source port, destination port, source address …"""
    if len(message) < _DIAG_MESSAGE_BYTES:
        return {}
    (port,) = struct.unpack_from("!H", message, 4)
    address = str(IPv6Address(message[8:24]))
    offset = _DIAG_MESSAGE_BYTES
    while offset + _ATTRIBUTE_HEADER.size < len(message):
        length, kind = _ATTRIBUTE_HEADER.unpack_from(message, offset)
        if length < _ATTRIBUTE_HEADER.size:
            break
        if kind == _SKV6ONLY:
            return {(address, port): bool(message[offset + _ATTRIBUTE_HEADER.size])}
        offset += _aligned(length)
    return {}


def _aligned(length: int) -> int:
    """Netlink pads everything to four bytes."""
    return (length + 3) & ~3
