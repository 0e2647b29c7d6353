"""What a check says, and how all of them are run."""

from collections.abc import Callable, Collection, Sequence
from difflib import get_close_matches
from typing import Literal

import msgspec

from ernie_deploy.engines.base import Launch
from ernie_deploy.errors import UsageError
from ernie_deploy.facts.values import Facts
from ernie_deploy.plan.values import Plan

Status = Literal["pass", "warn", "fail", "skip"]


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outcome of one named check. `hint` is what to do next; `skip` always says why in `message`."""

    name: str
    status: Status
    message: str
    hint: str = ""


class Subject(msgspec.Struct, frozen=True):
    """What a check may look at: the plan, what would be launched, and the host it would be launched on."""

    plan: Plan
    launch: Launch
    facts: Facts


class Check(msgspec.Struct, frozen=True):
    """A named question. `title` is its line in `check --list` and in the docs."""

    name: str
    title: str
    judge: Callable[[Subject], Result]


def run(
    checks: Sequence[Check], subject: Subject, *, ignore: Collection[str] = (), only: Collection[str] = ()
) -> tuple[Result, ...]:
    """The results in the order of `checks`: of all of them, or of those named in `only`.

    All run, whatever fails. A failure named in `ignore` becomes a warning. A name that no check has raises UsageError.
    """
    names = [check.name for check in checks]
    for name in (*ignore, *only):
        if name not in names:
            nearest = get_close_matches(name, names, n=1, cutoff=0.0)
            raise UsageError(f"there is no check named {name!r}", hint=f"did you mean {nearest[0]}?" if nearest else "")
    results = (check.judge(subject) for check in checks if not only or check.name in only)
    return tuple(_ignored(result) if result.name in ignore else result for result in results)


def _ignored(result: Result) -> Result:
    """Only a failure changes; what passes or warns is not made worse or better by ignoring it."""
    if result.status != "fail":
        return result
    return msgspec.structs.replace(result, status="warn", message=f"{result.message} (ignored)")
