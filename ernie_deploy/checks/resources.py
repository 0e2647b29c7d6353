"""Has the host disk, memory and shared memory enough?"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from ernie_deploy.catalog.cards import cards
from ernie_deploy.checks.base import Result, Subject
from ernie_deploy.facts.values import HostFacts, Mount
from ernie_deploy.files import human_size

GIB = 1024**3


def judge_disk(subject: Subject) -> Result:
    host = subject.facts.host
    needs = cards().needs[subject.plan.device.value]
    wanted = [("the state directory", subject.plan.state_dir, needs.state_free_gib * GIB)]
    if subject.plan.model_path.value is None:
        wanted.append(("the download", _download_directory(subject), cards().download_free_gb * 1e9))
    unknown = [f"{what} ({path})" for what, path, _ in wanted if mount_of(path, host) is None]
    wrong = [problem for what, path, free in wanted for problem in _too_little(what, path, free, host)]
    if wrong:
        return Result("disk", "fail", "; ".join(wrong), "free some space there, or use another file system")
    if unknown:
        return Result("disk", "warn", f"the file system of {', '.join(unknown)} is not known", "look at `df -h`")
    return Result("disk", "pass", "; ".join(_room(what, path, host) for what, path, _ in wanted))


def mount_of(path: str, host: HostFacts) -> Mount | None:
    """The mount that holds `path`, whether or not the path exists yet."""
    place = PurePosixPath(path)
    holding = [mount for mount in host.mounts if place.is_relative_to(mount.path)]
    return max(holding, key=lambda mount: len(PurePosixPath(mount.path).parts), default=None)


def _too_little(what: str, path: str, free_bytes: float, host: HostFacts) -> Iterator[str]:
    mount = mount_of(path, host)
    if mount is None:
        return
    if mount.is_read_only:
        yield f"{what} is on {mount.path}, which is read-only"
    if mount.free_bytes < free_bytes:
        yield f"{what} needs {human_size(free_bytes)}, and {mount.path} has {human_size(mount.free_bytes)} free"


def _room(what: str, path: str, host: HostFacts) -> str:
    mount = mount_of(path, host)
    return f"{what}: {human_size(mount.free_bytes)} free on {mount.path}" if mount else what


def _download_directory(subject: Subject) -> str:
    """Where the engine itself would put it: FastDeploy below FD_MODEL_CACHE or home, the others in the hub's cache."""
    env, home = subject.launch.env, subject.facts.host.home or "/"
    if subject.plan.engine.value == "fastdeploy":
        return env.get("FD_MODEL_CACHE") or home
    return env.get("HF_HUB_CACHE") or env.get("HF_HOME") or f"{home}/.cache/huggingface"


def judge_ram(subject: Subject) -> Result:
    host = subject.facts.host
    needs = cards().needs[subject.plan.device.value]
    has = f"{human_size(host.ram_total_bytes)}, {human_size(host.ram_available_bytes)} of it available"
    if host.ram_total_bytes < needs.ram_total_fail_gib * GIB:
        message = f"{has}: less than {needs.ram_total_fail_gib:g} GiB in all; {needs.ram_why}"
        return Result("ram", "fail", message, "run it on a host with more memory")
    if host.ram_available_bytes < needs.ram_available_fail_gib * GIB:
        message = f"{has}: less than {needs.ram_available_fail_gib:g} GiB available; {needs.ram_why}"
        return Result("ram", "fail", message, "stop what uses the memory: `ps aux --sort=-rss | head`")
    if host.ram_total_bytes < needs.ram_total_warn_gib * GIB:
        message = f"{has}: less than {needs.ram_total_warn_gib:g} GiB in all; {needs.ram_why}"
        return Result("ram", "warn", message, "stop other programs before the start")
    return Result("ram", "pass", has)


def judge_shm(subject: Subject) -> Result:
    host = subject.facts.host
    needs = cards().needs[subject.plan.device.value]
    hint = (
        "in a container: --shm-size=16g or --ipc=host (the default is 64 MB); else: mount -o remount,size=16g /dev/shm"
    )
    if host.shm_total_bytes is None or host.shm_free_bytes is None:
        if not needs.shm_warn_gib:
            return Result("shm", "skip", f"/dev/shm was not seen, and {needs.shm_why}")
        return Result("shm", "warn", "/dev/shm was not seen", hint)
    has = f"{human_size(host.shm_total_bytes)} in /dev/shm, {human_size(host.shm_free_bytes)} of it free"
    if host.shm_free_bytes < needs.shm_fail_gib * GIB:
        return Result("shm", "fail", f"{has}: less than {needs.shm_fail_gib:g} GiB; {needs.shm_why}", hint)
    if host.shm_free_bytes < needs.shm_warn_gib * GIB:
        return Result("shm", "warn", f"{has}: less than {needs.shm_warn_gib:g} GiB; {needs.shm_why}", hint)
    return Result("shm", "pass", has)
