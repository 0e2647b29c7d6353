"""FD100, FD101: what the engine does with the path of a model."""

import re

from ernie_deploy.lint.values import Launch, Remark, Remarks, Word

SHELL_SAFE = re.compile(r"[A-Za-z0-9_./+=@:-]*")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def taken_apart(launch: Launch) -> Remarks:
    if launch.engine != "fastdeploy":
        return
    model, logs = _model(launch), launch.variable("FD_LOG_DIR")
    for what, word in (("model", model), ("FD_LOG_DIR", logs.value if logs else None)):
        if word is None or word.is_opaque:
            continue
        wrong = sorted(set(re.sub(SHELL_SAFE, "", word.text)))
        if wrong:
            shown = ", ".join("a blank" if one == " " else one if one.isprintable() else ascii(one) for one in wrong)
            yield Remark(word.start, word.end, f"{what} {word.text} has {shown} in it")


def not_absolute(launch: Launch) -> Remarks:
    word = _model(launch)
    if word is None or word.is_opaque or word.text.startswith(("/", "~")) or not word.text:
        return
    is_id = HUB_ID.fullmatch(word.text) is not None and not word.text.startswith(".")
    what = "the id of a repository" if is_id else "a relative path"
    yield Remark(word.start, word.end, f"model {word.text} is {what}")


def _model(launch: Launch) -> Word | None:
    option = launch.given("model")
    if option is not None:
        return option.word
    if launch.engine == "vllm" and launch.form in ("wrapper", "module", "image") and launch.strays:
        return launch.strays[0]
    return None
