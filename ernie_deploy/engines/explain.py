"""Every word and variable an engine is started with, each with its value, its origin, its reason and its source.

What is no setting of the plan has its reason in catalog/reasons.yaml; what a flag or a variable is, and in which
versions, stands in catalog/engine_flags/.
"""

import difflib
import json
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from ernie_deploy.catalog.flags import (
    DESCRIBED_ENGINES,
    EngineFlags,
    Flag,
    Variable,
    default_of,
    described,
    flags_of,
    holds,
    order,
)
from ernie_deploy.catalog.load import Reason, engines, reasons
from ernie_deploy.engines import arguments
from ernie_deploy.engines.registry import ENGINES
from ernie_deploy.errors import UsageError
from ernie_deploy.plan.explain import in_words
from ernie_deploy.plan.secrets import HIDDEN, shown
from ernie_deploy.plan.values import Plan, Setting

Kind = Literal["flag", "argument", "variable", "link", "setting"]
PASSED_ON = "passed on as it was written"
EVERY_VERSION = "all described"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is emitted, or, when `is_emitted` is false, one that could be.

    `name` is spelled as it is emitted; a link's is its name in the working directory. `origin` is the very place that
    asked for it. `says` is what it is to the engine, `otherwise` what the engine does without it.
    """

    name: str
    kind: Kind
    value: str
    origin: str
    why: str
    versions: str
    source: str
    says: str = ""
    otherwise: str = ""
    trap: str = ""
    is_emitted: bool = True


def rows(plan: Plan) -> tuple[Row, ...]:
    """All that is emitted for this plan, in the order of the command, then of the environment; secrets are hidden."""
    return tuple(_Explained(shown(plan)).rows())


def assumption(plan: Plan) -> str:
    """Which version's facts are taken for the plan's own; empty when that one is described."""
    known = _Explained(plan)
    if known.version == known.asked_version.partition("+")[0]:
        return ""
    return f"{known.name} {known.asked_version} is not described: the facts of {known.version} are taken"


def row_of(plan: Plan, name: str) -> Row:
    """One of them, by any of its spellings; also a flag or variable of the engine that is not passed, or a setting.

    Raises UsageError, with the nearest name, for what nobody knows.
    """
    return _Explained(shown(plan)).find(name)


class _Explained:
    """The parts of an explanation of one plan that may be shown."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.name = plan.engine.value
        self.reasons = reasons()[self.name]
        self.facts: EngineFlags | None = flags_of(self.name) if self.name in DESCRIBED_ENGINES else None
        self.asked_version = plan.engine_version.value or engines()[self.name].version
        self.version = described(self.name, self.asked_version)[0] if self.facts else self.asked_version

    def rows(self) -> Iterator[Row]:
        engine = ENGINES[self.name]
        launch = engine.launch(self.plan)
        options = engine.options(self.plan)
        for key, value in options.items():
            is_argument = key == "model" and "--model" not in launch.argv
            yield self._argument(value) if is_argument else self._flag(key, value)
        for name, value in launch.env.items():
            yield self._variable(name, value)
        for name in launch.secret_env:
            yield self._variable(name, HIDDEN)
        for name, target in launch.links.items():
            yield self._link(name, target)

    def find(self, name: str) -> Row:
        found = {_bare(row.name): row for row in self.rows() if row.kind != "link"}
        if _bare(name) in found:
            return found[_bare(name)]
        flag = self.facts.named(name) or self.facts.named("--" + name) if self.facts else None
        if flag:
            return found.get(_bare(flag.option)) or self._flag_not_passed(flag)
        variable = self.facts.variable(name) if self.facts else None
        if variable:
            return self._variable_not_set(variable)
        setting = getattr(self.plan, _bare(name), None)
        if isinstance(setting, Setting):
            return Row(_bare(name), "setting", in_words(setting.value), setting.origin, setting.why,
                       EVERY_VERSION, "deploy.yaml", is_emitted=False)  # fmt: skip
        raise UsageError(f"{name}: {self.name} has no flag and no variable of that name", hint=self._near(name))

    def _near(self, name: str) -> str:
        known = [_bare(row.name) for row in self.rows()]
        if self.facts:
            known += [flag.name for flag in self.facts.flags] + [one.name for one in self.facts.variables]
        close = difflib.get_close_matches(name.lstrip("-").replace("-", "_"), [*known, *Plan.__struct_fields__], n=1)
        return f"did you mean {close[0]}?" if close else "`ernie-deploy explain` lists what is emitted"

    def _flag(self, key: str, value: object) -> Row:
        flag = self.facts.named(key) if self.facts else None
        reason = self.reasons.flags.get(key, Reason())
        setting = self._setting(key, reason, or_further=True)
        return Row(
            name=arguments.words({key: value}, self.facts)[0],
            kind="flag",
            value=_shown_value(value),
            origin=setting.origin if setting else self._always,
            why=reason.why or (setting.why if setting else ""),
            versions=self._versions(flag),
            source=reason.source or (flag.source if flag else PASSED_ON if setting else ""),
            says=flag.says if flag else "",
            otherwise=self._default(flag, key),
            trap=flag.trap if flag else "",
        )

    def _argument(self, value: object) -> Row:
        reason = self.reasons.flags["model"]
        origin = self.plan.model.origin
        return Row("model", "argument", str(value), origin, reason.why, EVERY_VERSION, reason.source)

    def _variable(self, name: str, value: str) -> Row:
        variable = self.facts.variable(name) if self.facts else None
        is_asked = name in self.plan.env.value
        reason = Reason(key="env") if is_asked else self.reasons.variables.get(name, Reason())
        setting = self._setting(name, reason)
        source = reason.source or (variable.source if variable else "")
        return Row(
            name=name,
            kind="variable",
            value=value,
            origin=setting.origin if setting else self._always,
            why=reason.why or (setting.why if setting else ""),
            versions=self._versions(variable),
            source=source or (PASSED_ON if is_asked else ""),
            says=variable.says if variable else "",
            otherwise=(variable.unset or variable.default or "") if variable else "",
        )

    def _link(self, name: str, target: str) -> Row:
        reason = self.reasons.links.get(name) or self.reasons.links["*"]
        return Row(name, "link", target, self.plan.model.origin, reason.why, EVERY_VERSION, reason.source)

    def _flag_not_passed(self, flag: Flag) -> Row:
        if not holds(flag, self.version):
            why = f"{self.name} {self.version} has no such flag"
        else:
            why = f"not passed; the engine's default in {self.version} is {self._default(flag, flag.name)}"
        return Row(flag.option, "flag", "–", "not passed", why, self._versions(flag), flag.source, flag.says,
                   trap=flag.trap, is_emitted=False)  # fmt: skip

    def _variable_not_set(self, variable: Variable) -> Row:
        default = variable.default if variable.default is not None else variable.unset or "nothing"
        why = f"not set; the engine's default in {self.version} is {default}"
        if not holds(variable, self.version):
            why = f"{self.name} {self.version} reads no such variable"
        elif variable.set_by_engine:
            why = f"the engine itself sets it for its workers, to {default}"
        return Row(variable.name, "variable", "–", "not set", why, self._versions(variable), variable.source,
                   variable.says, is_emitted=False)  # fmt: skip

    def _setting(self, name: str, reason: Reason, *, or_further: bool = False) -> Setting[Any] | None:
        """The setting that a thing comes from: that of its reason, that of its own name, or the further arguments."""
        setting = getattr(self.plan, "model" if reason.key == "model_path" else reason.key or name, None)
        if isinstance(setting, Setting):
            return setting
        is_further = or_further and _bare(name) in {_bare(key) for key in self.plan.engine_args.value}
        return self.plan.engine_args if is_further else None

    @property
    def _always(self) -> str:
        return f"every {self.name} launch"

    def _default(self, flag: Flag | None, key: str) -> str:
        """What the engine does without this flag."""
        if flag is None:
            return engines()[self.name].left_out.get(key, "")
        default = default_of(flag, self.version)
        if default is None:
            return flag.unset or engines()[self.name].left_out.get(key) or "none"
        return _shown_value(default)

    def _versions(self, fact: Flag | Variable | None) -> str:
        if fact is None or self.facts is None:
            return EVERY_VERSION
        first = self.facts.versions[0]
        since = f"since {fact.since}" if fact.since and order(fact.since) > order(first) else ""
        until = f"until {fact.until}" if fact.until else ""
        spoken = ", ".join(filter(None, (since, until)))
        return f"{spoken} (assumed)" if spoken and fact.is_assumed else spoken or EVERY_VERSION


def _bare(name: str) -> str:
    """`--no-enable-x` and `enable-x` → `enable_x`; a variable stays as it is."""
    bare = name.lstrip("-").replace("-", "_")
    return bare.removeprefix("no_") if name.startswith("--no-") else bare


def _shown_value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else str(value)
