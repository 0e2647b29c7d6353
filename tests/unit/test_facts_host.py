import struct

from ernie_deploy.facts import host


def sock_diag_message(*, address: bytes, port: int, ipv6_only: int | None) -> bytes:
    """One answer as Linux sends it (struct inet_diag_msg, then attributes); another attribute comes first."""
    body = struct.pack("=BBBB", 10, 10, 0, 0) + struct.pack("!HH", port, 0) + address + bytes(16 + 12 + 20)
    attributes = struct.pack("=HHB3x", 5, 8, 0)
    if ipv6_only is not None:
        attributes += struct.pack("=HHB3x", 5, 11, ipv6_only)
    payload = body + attributes
    return struct.pack("=IHHII", 16 + len(payload), 20, 2, 1, 0) + payload


DONE = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)


def test_proxies_are_named_without_their_values() -> None:
    environ = {
        "HTTPS_PROXY": "http://me:secret@proxy:3128",
        "http_proxy": "",
        "ALL_PROXY": "socks5://x",
        "PATH": "/bin",
    }
    assert host.proxies(environ) == ("ALL_PROXY", "HTTPS_PROXY")


def test_secrets_in_another_process_s_arguments_do_not_get_into_the_facts() -> None:
    argv = ["/usr/bin/vllm", "serve", "--api-key", "sk-1", "--hf-token=hf_2", "HF_TOKEN=hf_3", "--port", "8000"]
    assert host.command_line(argv) == "vllm serve --api-key *** --hf-token=*** HF_TOKEN=*** --port 8000"


def test_a_long_command_is_cut_and_an_empty_one_stays_empty() -> None:
    assert host.command_line(["python3", "x" * 500]).endswith("x…")
    assert len(host.command_line(["python3", "x" * 500])) == 120
    assert host.command_line([]) == ""


def test_a_command_with_line_breaks_stays_on_one_line() -> None:
    assert host.command_line(["python3", "-c", "import x\nx.run()"]) == "python3 -c import x x.run()"


def test_netlink_tells_which_listeners_take_ipv6_only() -> None:
    loopback = bytes(15) + b"\x01"
    reply = (
        sock_diag_message(address=bytes(16), port=8180, ipv6_only=1)
        + sock_diag_message(address=loopback, port=8181, ipv6_only=0)
        + sock_diag_message(address=bytes(16), port=8182, ipv6_only=None)
    )
    assert host.parse_ipv6_only(reply + DONE) == {("::", 8180): True, ("::1", 8181): False}


def test_the_end_of_a_netlink_dump_is_seen() -> None:
    message = sock_diag_message(address=bytes(16), port=8180, ipv6_only=1)
    assert not host.is_last(message)
    assert host.is_last(message + DONE)


def test_a_broken_netlink_answer_ends_instead_of_looping() -> None:
    assert host.is_last(bytes(64))
    assert host.parse_ipv6_only(bytes(64)) == {}
    assert host.parse_ipv6_only(sock_diag_message(address=bytes(16), port=1, ipv6_only=1)[:40]) == {}
