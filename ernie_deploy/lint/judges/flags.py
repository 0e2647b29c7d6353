"""FD010 to FD022: flags and keys that the engine does not take, or takes differently."""

import json

from ernie_deploy.catalog.flag_values import value_problems
from ernie_deploy.catalog.flags import Flag, flags_of, holds, is_newer, nearest_flag
from ernie_deploy.lint.values import NAMES, Edit, Engine, Launch, Option, Remark, Remarks

CLOSE = "did you mean {}?"
OTHER: dict[Engine, Engine] = {"fastdeploy": "vllm", "vllm": "fastdeploy"}
# So many unknown names get a suggestion: looking for one is slow.
MOST_SUGGESTIONS = 50


def unknown(launch: Launch) -> Remarks:
    strange = [one for one in _of_command_line(launch) if one.flag is None and not one.name.is_opaque]
    for at, one in enumerate(strange):
        if not _is_underscored(launch, one):
            near = _suggested(launch, one) if at < MOST_SUGGESTIONS else None
            yield Remark(
                one.name.start,
                one.name.end,
                f"{one.name.text}: no version of {launch.engine} that is described knows this flag"
                + _of_the_other(launch, one),
                fix=CLOSE.format(near.option) if near else "",
                severity="warning" if _may_be_newer(launch) else None,
            )


def not_in_this_version(launch: Launch) -> Remarks:
    for one in launch.options:
        if one.flag is None or holds(one.flag, launch.version):
            continue
        is_dashed_key = one.is_key and launch.engine == "fastdeploy" and "-" in one.name.text
        if is_dashed_key:
            continue
        dropped = (
            f"{launch.engine} drops the key without a word" if one.is_key and launch.engine == "fastdeploy" else ""
        )
        yield Remark(
            one.name.start,
            one.name.end,
            launch.facts.why_absent(one.flag.name, launch.version),
            dropped,
            severity="warning" if launch.is_assumed or one.flag.is_assumed else None,
        )


def strays(launch: Launch) -> Remarks:
    rest = launch.strays
    if launch.engine == "vllm" and launch.form in ("wrapper", "module", "image") and rest:
        rest = rest[1:]  # the model may be given without a flag
    for word in rest:
        shown = word.text if word.text.strip() else "a blank"
        if word.text.strip() or not any(one.cut == "blank" for one in launch.breaks):
            yield Remark(word.start, word.end, f"{shown}: no flag takes this word")


def duplicates(launch: Launch) -> Remarks:
    if launch.form == "yaml":
        return
    seen: dict[str, Option] = {}
    for one in launch.options:
        if one.flag is None:
            continue
        dotted = one.name.text.partition(".")[2]  # vLLM: --limit-mm-per-prompt.image
        earlier = seen.get(f"{one.flag.name}.{dotted}")
        if earlier is not None:
            values = f"{_shown(earlier)} and {_shown(one)}"
            is_added = one.flag.kind == "append"
            consequence = "both count" if is_added else f"{_shown(one)} counts, {_shown(earlier)} is lost"
            message = f"{one.flag.option} stands here twice" + ("" if one.flag.is_secret else f": {values}")
            consequence = "both count" if is_added else "the last one counts" if one.flag.is_secret else consequence
            yield Remark(
                one.start, one.end, message, consequence, severity="note" if is_added or _same(one, earlier) else None
            )
        seen[f"{one.flag.name}.{dotted}"] = one


def duplicate_keys(launch: Launch) -> Remarks:
    if launch.form != "yaml":
        return
    seen: dict[str, Option] = {}
    for one in launch.options:
        earlier = seen.get(one.name.text)
        if earlier is not None:
            secret = one.flag is not None and one.flag.is_secret
            lost = "" if secret else f"{_shown(earlier)} is lost, {_shown(one)} counts"
            yield Remark(one.name.start, one.name.end, f"{one.name.text} stands here twice", lost)
        seen[one.name.text] = one


def wrong_values(launch: Launch) -> Remarks:
    for one in launch.options:
        flag, word = one.flag, one.word
        if flag is None or word is None or flag.kind in ("json", "truthy"):
            continue
        if any(each.is_opaque for each in one.words) or flag.is_secret:
            continue
        texts: list[object] = [each.value if one.is_key else each.text for each in one.words]
        value = texts if flag.kind in ("texts", "integers") or len(texts) > 1 else texts[0]
        if one.is_key and value is None:
            continue
        for problem in value_problems(flag, value):
            if not _is_asserted(flag.name, problem):
                yield Remark(word.start, one.end, f"{one.name.text}: {problem}")


def deprecated(launch: Launch) -> Remarks:
    for one in launch.options:
        if one.flag is not None and one.flag.deprecated and holds(one.flag, launch.version):
            yield Remark(one.name.start, one.name.end, f"{one.name.text}: {one.flag.deprecated}")


def beside_config(launch: Launch) -> Remarks:
    config = launch.given("config")
    if config is None or config.is_key:
        return
    others = [one for one in launch.options if one.flag and one.flag.name not in ("config", "model")]
    if others:
        yield Remark(config.start, config.end, f"--config, and beside it {', '.join(one.name.text for one in others)}")


def without_value(launch: Launch) -> Remarks:
    for one in _of_command_line(launch):
        takes = one.flag is not None and one.flag.kind not in ("switch", "pair")
        if takes and not one.words:
            yield Remark(one.name.start, one.name.end, f"{one.name.text} has no value")


def underscores(launch: Launch) -> Remarks:
    for one in _of_command_line(launch):
        if _is_underscored(launch, one):
            right = "--" + one.name.text[2:].replace("_", "-")
            yield Remark(
                one.name.start, one.name.end, f"{one.name.text}: FastDeploy's flag is {right}",
                edits=(Edit(one.name.start, one.name.end, right),),
            )  # fmt: skip


def dashed_keys(launch: Launch) -> Remarks:
    if launch.engine != "fastdeploy":
        return
    for one in launch.options:
        if one.is_key and one.flag is not None and "-" in one.name.text:
            right = one.flag.name
            start, end = one.name.start + one.name.is_quoted, one.name.end - one.name.is_quoted
            is_alone = not any(other.name.text == right for other in launch.options)
            yield Remark(
                one.name.start,
                one.name.end,
                f"{one.name.text}: FastDeploy's key is {right}",
                f"FastDeploy drops {one.name.text} and its value {_shown(one)} without a word",
                "" if is_alone else f"take it out: {right} stands here too",
                edits=(Edit(start, end, right),) if is_alone and end - start == len(one.name.text) else (),
            )


def unknown_keys(launch: Launch) -> Remarks:
    if launch.engine != "fastdeploy":
        return
    strange = [one for one in launch.options if one.is_key and one.flag is None]
    for at, one in enumerate(strange):
        near = _suggested(launch, one) if at < MOST_SUGGESTIONS else None
        yield Remark(
            one.name.start,
            one.name.end,
            f"{one.name.text}: no version of FastDeploy that is described knows this key" + _of_the_other(launch, one),
            fix=CLOSE.format(near.name) if near else "",
            severity="warning" if _may_be_newer(launch) else None,
        )


def _of_command_line(launch: Launch) -> list[Option]:
    """The flags of a command line; vLLM turns the keys of its YAML into flags, so they are judged as such."""
    return [one for one in launch.options if not one.is_key or launch.engine == "vllm"]


def _is_underscored(launch: Launch, one: Option) -> bool:
    if launch.engine != "fastdeploy" or one.is_key or "_" not in one.name.text:
        return False
    flag = launch.facts.named("--" + one.name.text.lstrip("-").replace("_", "-"))
    return one.flag is None and flag is not None


def _suggested(launch: Launch, one: Option) -> Flag | None:
    """The flag that was probably meant; another engine's flag is no misspelling."""
    if _of_the_other(launch, one):
        return None
    return launch.facts.named(nearest_flag(one.name.text, launch.engine, launch.version))


def _of_the_other(launch: Launch, one: Option) -> str:
    other = OTHER[launch.engine]
    name = "--" + one.name.text.lstrip("-").replace("_", "-")
    return f"; it is a flag of {NAMES[other]}" if flags_of(other).named(name) else ""


def _may_be_newer(launch: Launch) -> bool:
    """A version above all that are described may have flags that nobody told us about."""
    return launch.given_version is not None and is_newer(launch.engine, launch.given_version.text)


def _is_asserted(name: str, problem: str) -> bool:
    """What the start-time assertions say too is left to them."""
    return name in ("max_num_seqs", "max_model_len") and problem.startswith("expected at ")


def _same(one: Option, other: Option) -> bool:
    return [word.text for word in one.words] == [word.text for word in other.words]


def _shown(one: Option) -> str:
    """The value as people write it, shortened."""
    word = one.word
    if word is None:
        return one.name.text
    if one.flag is not None and one.flag.is_secret:
        return "…"
    text = word.text if isinstance(word.value, str) or word.value is None else json.dumps(word.value, default=str)
    return text if len(text) <= 60 else text[:57] + "…"
