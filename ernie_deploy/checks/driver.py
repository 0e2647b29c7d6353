"""Is the NVIDIA driver new enough?"""

from ernie_deploy.catalog.cards import cards
from ernie_deploy.checks import gpu
from ernie_deploy.checks.base import Result, Subject


def judge(subject: Subject) -> Result:
    if why := gpu.why_skipped(subject):
        return Result("driver", "skip", why)
    version = subject.facts.gpu.driver_version
    major = (version or "").partition(".")[0]
    if not major.isdecimal():
        return Result("driver", "warn", f"the driver's version is not known ({version})", "look at `nvidia-smi`")
    floors = cards().driver
    if int(major) < floors.fail_below:
        hint = f"install driver {floors.warn_below} or later and restart the machine"
        return Result("driver", "fail", f"driver {version} is too old: {floors.fail_why}", hint)
    if int(major) < floors.warn_below:
        hint = f"install driver {floors.warn_below} or later if the engine does not start"
        return Result("driver", "warn", f"driver {version} may be too old: {floors.warn_why}", hint)
    cuda = subject.facts.gpu.cuda_version
    return Result("driver", "pass", f"driver {version}{f', for CUDA up to {cuda}' if cuda else ''}")
