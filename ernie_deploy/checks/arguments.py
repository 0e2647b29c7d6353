"""Would the engine of this version know every flag that it is started with, and how sure is that?"""

from ernie_deploy.catalog.flags import DESCRIBED_ENGINES, EngineFlags, Flag, described, flags_of, holds, is_newer
from ernie_deploy.catalog.load import engines
from ernie_deploy.checks.base import Result, Subject
from ernie_deploy.plan.values import Plan

NAME = "engine-args"


def judge(subject: Subject) -> Result:
    engine = subject.plan.engine.value
    if engine not in DESCRIBED_ENGINES:
        return Result(NAME, "skip", f"the flags of {engine} are not described here")
    version = subject.plan.engine_version.value or engines()[engine].version
    facts = flags_of(engine)
    options = [word.partition("=")[0] for word in subject.launch.argv if word.startswith("--")]
    absent = [option for option in options if not _has(facts, option, version)]
    may_be_new = [option for option in absent if facts.named(option) is None and is_newer(engine, version)]
    wrong = [facts.why_absent(option, version) for option in absent if option not in may_be_new]
    wrong += _missing_parsers(subject.plan, facts, version)
    if wrong:
        return Result(NAME, "fail", "; ".join(wrong), "leave it out, or take a version that has it")
    hint = f"compare with what {engine} {version} says itself: --help"
    of, is_assumed = described(engine, version)
    if is_assumed:
        unknown = f"; nothing is known about {', '.join(may_be_new)}" if may_be_new else ""
        message = f"{engine} {version} is not described here: what holds for {of} is assumed{unknown}"
        return Result(NAME, "warn", message, hint)
    dated = sorted({flag.option for option in options if (flag := facts.named(option)) and _is_guess(flag)})
    if dated:
        return Result(NAME, "warn", f"that {engine} {version} has {', '.join(dated)} is assumed", hint)
    return Result(NAME, "pass", f"{engine} {version} has every flag it is started with")


def _missing_parsers(plan: Plan, facts: EngineFlags, version: str) -> list[str]:
    """Parsers that the version lacks, as far as it is known to the end."""
    if is_newer(plan.engine.value, version) or any(key.endswith("plugin") for key in plan.engine_args.value):
        return []
    parsers = {"reasoning_parser": plan.reasoning_parser.value, "tool_call_parser": plan.tool_call_parser.value}
    missing = [facts.why_no_parser(flag, name, version) for flag, name in parsers.items() if name]
    return [one for one in missing if one]


def _has(facts: EngineFlags, option: str, version: str) -> bool:
    flag = facts.named(option)
    return flag is not None and option in flag.options and holds(flag, version)


def _is_guess(flag: Flag) -> bool:
    return flag.is_assumed and bool(flag.since or flag.until)
