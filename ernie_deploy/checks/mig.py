"""Is a chosen card split into instances?"""

from ernie_deploy.checks import gpu
from ernie_deploy.checks.base import Result, Subject


def judge(subject: Subject) -> Result:
    """A failure, because every other answer about memory would be about the whole card."""
    if why := gpu.why_skipped(subject):
        return Result("mig", "skip", why)
    split = [card for card in gpu.chosen(subject) if card.mig_enabled]
    if not split:
        return Result("mig", "pass", "no chosen card is split by MIG")
    index = split[0].index
    return Result(
        "mig",
        "fail",
        f"card {index} is split by MIG: the engine would get one instance, whose memory is not what this program sees",
        f"choose another card with --gpu, or end the split: nvidia-smi -i {index} -mig 0",
    )
