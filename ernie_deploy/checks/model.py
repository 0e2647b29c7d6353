"""Is the model here and whole, and can its path be handed on?"""

from collections.abc import Iterator
from pathlib import PurePath

from ernie_deploy.catalog.load import models
from ernie_deploy.checks.base import Result, Subject
from ernie_deploy.engines.fastdeploy import SHELL_SAFE
from ernie_deploy.files import human_size


def judge(subject: Subject) -> Result:
    path = subject.plan.model_path.value
    if path is None:
        return _download(subject)
    found = next((model for model in subject.facts.models if PurePath(model.path) == PurePath(path)), None)
    if found is None:
        return Result(
            "model", "warn", f"{path} was not looked at on this host", "collect the facts again, with the model"
        )
    problems = found.problems_for(subject.plan.engine.value)
    if problems:
        message = f"{path} is not whole: {'; '.join(problems)}"
        return Result("model", "fail", message, "fetch what is wrong again, or name another directory with --model")
    return Result("model", "pass", f"{path} ({human_size(found.size_bytes)}, {found.model_type})")


def _download(subject: Subject) -> Result:
    model = subject.plan.model.value
    if model.startswith(("/", "./", "../", "~")):
        return Result("model", "fail", f"{model} does not exist", "name a directory that is here, or a model id")
    if subject.launch.env.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        message = f"{model} is not on this host, and HF_HUB_OFFLINE forbids to fetch it"
        return Result("model", "fail", message, "bring the model here, and name its directory with --model")
    known = models().get(model)
    size = f"about {known.download_bytes / 1e9:.0f} GB" if known else "its weights"
    message = f"{model} is not on this host: the engine will download {size} from {_source(subject)} when it starts"
    return Result("model", "warn", message, "fetch it first, and name the directory: --model /path/to/model")


def _source(subject: Subject) -> str:
    """Where the engine itself would fetch from, by its environment."""
    env = subject.launch.env
    if subject.plan.engine.value == "fastdeploy":
        return env.get("FD_MODEL_SOURCE", "AISTUDIO")
    return "ModelScope" if env.get("VLLM_USE_MODELSCOPE", "").lower() in ("1", "true") else "Hugging Face"


def judge_path(subject: Subject) -> Result:
    """FastDeploy starts its workers through a shell, with its model and log paths unquoted."""
    if subject.plan.engine.value != "fastdeploy":
        return Result("model-path", "skip", f"{subject.plan.engine.value} passes nothing through a shell")
    unsafe = [path for path in _through_a_shell(subject) if not SHELL_SAFE.fullmatch(path)]
    if unsafe:
        message = f"FastDeploy hands {unsafe[0]!r} to a shell unquoted, and a shell would not read it as one word"
        return Result("model-path", "fail", message, "use a path of letters, digits and . _ / + = @ - only")
    linked = [f"{name} → {target}" for name, target in subject.launch.links.items()]
    return Result("model-path", "pass", f"reached through a link: {', '.join(linked)}" if linked else "safe in a shell")


def _through_a_shell(subject: Subject) -> Iterator[str]:
    argv = subject.launch.argv
    for word, following in zip(argv, (*argv[1:], ""), strict=True):
        if word == "--model":
            yield following
        elif word.startswith("--model="):
            yield word.removeprefix("--model=")
    if logs := subject.launch.env.get("FD_LOG_DIR"):
        yield logs
