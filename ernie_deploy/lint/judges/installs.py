"""FD061, FD062: what pip would install."""

from ernie_deploy.lint.values import Reading, Remark, Remarks


def impostor(reading: Reading) -> Remarks:
    for one in reading.installs:
        if one.name == "fastdeploy":
            yield Remark(one.word.start, one.word.end, f"{one.word.text}: this is not PaddlePaddle's FastDeploy")


def without_index(reading: Reading) -> Remarks:
    for one in reading.installs:
        if one.name in ("fastdeploy-gpu", "paddlepaddle-gpu") and not one.has_index:
            yield Remark(one.word.start, one.word.end, f"{one.word.text} is installed from the usual index")
