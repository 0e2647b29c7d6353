"""VL005, VL006: vLLM's own launch YAML."""

from ernie_deploy.lint.values import Edit, Launch, Remark, Remarks


def nulls(launch: Launch) -> Remarks:
    for one in launch.options:
        if launch.engine == "vllm" and one.is_key and one.word is not None and _is_null(one.word.value, one.word.text):
            line_start = launch.source.rfind("\n", 0, one.start) + 1
            line_end = launch.source.find("\n", one.end)
            line_end = len(launch.source) if line_end < 0 else line_end + 1
            is_alone = not launch.source[line_start : one.start].strip()
            yield Remark(
                one.start, one.end, f"{one.name.text} is null",
                edits=(Edit(line_start, line_end, ""),) if is_alone else (),
            )  # fmt: skip


def other_name(launch: Launch) -> Remarks:
    option = launch.given("config")
    word = option.word if option else None
    if launch.engine == "vllm" and option and word and not word.is_opaque and not word.text.endswith((".yaml", ".yml")):
        yield Remark(option.start, option.end, f"--config {word.text}")


def _is_null(value: object, text: str) -> bool:
    return value is None and text in ("", "~", "null", "Null", "NULL")
