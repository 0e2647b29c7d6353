"""The only module that looks at this host. It reports and never raises: what cannot be seen is None or a `problem`."""

import contextlib
import importlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import psutil

from ernie_deploy.facts import gpu, host, software
from ernie_deploy.facts.values import (
    EnvironmentFacts,
    Facts,
    GpuFacts,
    HostFacts,
    Listener,
    ModelFacts,
    Mount,
)

LOOK_TIMEOUT_S: Final = 15.0
# A cold vLLM has taken 90 s.
IMPORT_TIMEOUT_S: Final = 180.0
MOUNT_TIMEOUT_S: Final = 5.0


def collect(
    *,
    pythons: Sequence[tuple[str, str]] = (),
    models: Sequence[ModelFacts] = (),
    import_engine: str = "",
    environ: Mapping[str, str] = os.environ,
) -> Facts:
    """Look at this host, once.

    `pythons` are (path, origin) pairs; `python3`, or `python`, on PATH is looked at as well. With `import_engine`,
    every interpreter that has the package of that name really imports it (side by side, three minutes at most);
    without, only metadata is read. `models` are values from `weights.snapshot.inspect`, put in as they are: the
    caller knows which directories matter.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        environments = [
            pool.submit(look_at_python, python, origin, import_engine=import_engine, environ=environ)
            for python, origin in _pythons(pythons, environ)
        ]
        return Facts(
            host=_host(environ),
            gpu=collect_gpu(),
            environments=tuple(environment.result() for environment in environments),
            models=tuple(models),
        )


# --- interpreters


def _pythons(asked: Sequence[tuple[str, str]], environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each path once, and never resolved: a virtual environment *is* the path of its symlink."""
    origins: dict[str, str] = {}
    for path, origin in (*asked, *((path, "path") for path in _on_path(environ))):
        origins.setdefault(path, origin)
    return list(origins.items())


def _on_path(environ: Mapping[str, str]) -> list[str]:
    """`python3`, and `python` unless it lies beside it: then it is the same environment, or Python 2."""
    found = [shutil.which(name, path=environ.get("PATH", "")) for name in ("python3", "python")]
    there = [path for path in found if path]
    return there[:1] if len({Path(path).parent for path in there}) == 1 else there


def look_at_python(
    python: str,
    origin: str,
    *,
    import_engine: str = "",
    environ: Mapping[str, str] = os.environ,
    timeout_s: float | None = None,
) -> EnvironmentFacts:
    """Ask one interpreter what it could serve with.

    It runs with the caller's environment, as the engine will, but in `/`, where no local folder can pass for a package.
    """
    wanted = import_engine if import_engine in software.ENGINES else ""
    argv = (python, "-c", software.probe_script(), *((wanted,) if wanted else ()))
    output, ended = _ask(argv, environ, timeout_s or (IMPORT_TIMEOUT_S if wanted else LOOK_TIMEOUT_S))
    return software.parse(output, python=python, origin=origin, wanted=wanted, ended=ended)


def _ask(argv: Sequence[str], environ: Mapping[str, str], timeout_s: float) -> tuple[str, str]:
    """What a program printed, and how it ended when not well. Its whole group is stopped at the timeout."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd="/",
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as error:
        return "", f"it cannot be run: {error.strerror or error}"
    with process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return _rest(process), f"it did not answer within {timeout_s:.0f} s"
    return output, _ending(process.returncode, errors)


def _rest(process: subprocess.Popen[str]) -> str:
    """What was printed before the timeout. A grandchild in a session of its own may still hold the pipe open."""
    try:
        output, _ = process.communicate(timeout=2)
    except subprocess.TimeoutExpired:
        return ""
    return output


def _ending(returncode: int, errors: str) -> str:
    if returncode == 0:
        return ""
    how = f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
    last = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "")
    return f"it ended with {how}" + (f": {last[:200]}" if last else "")


# --- the host


def _host(environ: Mapping[str, str]) -> HostFacts:
    memory = psutil.virtual_memory()
    shm = _disk_usage("/dev/shm")
    uname = platform.uname()
    return HostFacts(
        hostname=uname.node,
        kernel=uname.release,
        architecture=uname.machine,
        cpu_count=len(os.sched_getaffinity(0)),
        ram_total_bytes=memory.total,
        ram_available_bytes=memory.available,
        shm_total_bytes=shm[0] if shm else None,
        shm_free_bytes=shm[1] if shm else None,
        uid=os.geteuid(),
        mounts=_mounts(),
        listeners=collect_listeners(),
        unprivileged_port_start=_unprivileged_port_start(),
        addresses=_addresses(),
        proxies=host.proxies(environ),
        home=environ.get("HOME", ""),
    )


def _mounts() -> tuple[Mount, ...]:
    """File systems with a size. One that does not answer (a dead NFS server) is left out after a few seconds."""
    partitions = {partition.mountpoint: partition for partition in psutil.disk_partitions(all=True)}
    sizes: dict[str, tuple[int, int]] = {}

    def measure(path: str) -> None:
        size = _disk_usage(path)
        if size is not None and size[0] > 0:
            sizes[path] = size

    # Daemon threads: a call stuck in the kernel cannot be ended, and must not keep this process from its own end.
    threads = [threading.Thread(target=measure, args=(path,), daemon=True) for path in partitions]
    _run(threads, MOUNT_TIMEOUT_S)
    return tuple(
        Mount(host.as_text(path), *size, is_read_only="ro" in partitions[path].opts.split(","))
        for path, size in sorted(dict(sizes).items())
    )


def _run(threads: Sequence[threading.Thread], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _disk_usage(path: str) -> tuple[int, int] | None:
    try:
        usage = psutil.disk_usage(path)
    except OSError:
        return None
    return usage.total, usage.free


def collect_listeners() -> tuple[Listener, ...]:
    ipv6_only = _ipv6_only()
    sockets = {
        (connection.laddr.ip, connection.laddr.port, connection.pid)
        for connection in psutil.net_connections(kind="tcp")
        if connection.laddr and connection.status == psutil.CONN_LISTEN
    }
    return tuple(
        Listener(address, port, pid, _command(pid), ipv6_only.get((address, port)))
        for address, port, pid in sorted(sockets, key=lambda found: (found[1], found[0], found[2] or 0))
    )


def _ipv6_only() -> dict[tuple[str, int], bool]:
    """From netlink, because /proc does not say it; a sandbox may forbid netlink, then nothing is known."""
    replies = b""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 4) as netlink:  # NETLINK_SOCK_DIAG
            netlink.settimeout(1.0)
            netlink.send(host.SOCK_DIAG_REQUEST)
            while not host.is_last(replies):
                replies += netlink.recv(65536)
    except OSError:
        return {}
    return host.parse_ipv6_only(replies)


def _command(pid: int | None) -> str:
    if pid is None:
        return ""
    try:
        return host.command_line(psutil.Process(pid).cmdline())
    except (psutil.Error, OSError):
        return ""


def _addresses() -> tuple[str, ...]:
    families = (socket.AF_INET, socket.AF_INET6)
    return tuple(
        sorted(
            address.address.partition("%")[0]
            for addresses in psutil.net_if_addrs().values()
            for address in addresses
            if address.family in families
        )
    )


def _unprivileged_port_start() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024


# --- the cards


def collect_gpu() -> GpuFacts:
    """NVML, through NVIDIA's own binding."""
    return gpu.read(importlib.import_module("pynvml"), _command)
