"""FD050 to FD054 and VL001 to VL004: names that one engine knows and the other does not."""

from ernie_deploy.catalog.flags import order
from ernie_deploy.catalog.load import engines
from ernie_deploy.lint.values import Edit, Launch, Option, Remark, Remarks, Word

PARSERS = ("reasoning_parser", "tool_call_parser")
THINKING = "ernie-45-vl-thinking"
VLLM = "ernie45"
# Names that can only have meant the parser of this model: drafts, another engine's, underscores.
MEANT = ("erine-45-vl-thinking", "ernie_45-vl-thinking", "ernie_45_vl_thinking", "ernie-45_vl-thinking",
         "ernie-4.5-vl-thinking", "ernie-45-vl-thinking", "erine_45_vl_thinking")  # fmt: skip
FIRST = "2.3.0"
# What FastDeploy's table of models does not plan for this one, with the value that means without it.
NOT_PLANNED: dict[str, object] = {"speculative_config": None, "plas_attention_config": None, "splitwise_role": "mixed"}


def unknown_for_fastdeploy(launch: Launch) -> Remarks:
    if launch.engine != "fastdeploy" or _is_too_old(launch):
        return
    for name in PARSERS:
        option = launch.given(name)
        word = _plain(option)
        if option is None or word is None:
            continue
        why = launch.facts.why_no_parser(name, word.text, launch.version)
        is_meant = word.text in MEANT or (word.text == VLLM and launch.is_thinking_model)
        is_ours = is_meant or word.text == VLLM or "ernie" in word.text or "erine" in word.text
        if why and is_ours:
            hint = f"{word.text} is a name of vLLM" if word.text == VLLM else ""
            is_certain = is_meant and THINKING in launch.facts.parser_names(name, launch.version)
            yield Remark(
                word.start,
                word.end,
                f"{why}{f': {hint}' if hint else ''}",
                f"the start ends with `'{word.text}' not found in {name}s`, after the whole stack has been imported",
                f"write {THINKING}",
                edits=_replaced(launch, word, THINKING) if is_certain else (),
            )


def unknown_for_vllm(launch: Launch) -> Remarks:
    if launch.engine != "vllm":
        return
    for name in PARSERS:
        option = launch.given(name)
        word = _plain(option)
        if word is not None and word.text != VLLM and (word.text in MEANT or "ernie-" in word.text):
            message = f"{word.text} is a parser of FastDeploy; vLLM's is {VLLM}"
            edits = _replaced(launch, word, VLLM) if word.text in MEANT else ()
            yield Remark(word.start, word.end, message, edits=edits)


def only_one(launch: Launch) -> Remarks:
    given = [launch.given(name) for name in PARSERS]
    if launch.is_open or not launch.is_thinking_model or all(given) or not any(given):
        return
    option = given[0] or given[1]
    if option is not None:
        missing = PARSERS[1] if given[0] else PARSERS[0]
        raw = "tool calls stay" if given[0] else "thinking stays"
        yield Remark(option.start, option.end, f"{missing} is not given", f"{raw} raw text in the answer")


def neither(launch: Launch) -> Remarks:
    if launch.is_thinking_model and all(launch.lacks(name) for name in PARSERS):
        yield Remark(launch.head.start, launch.head.end, "neither reasoning_parser nor tool_call_parser is given")


def quantization(launch: Launch) -> Remarks:
    """FastDeploy's choice for this model."""
    word = _plain(launch.given("quantization"))
    if launch.engine != "fastdeploy" or word is None or not launch.is_thinking_model or word.text.startswith("{"):
        return
    known = [name for name in engines()["fastdeploy"].quantizations if name != "bf16"]
    if word.text not in known:
        message = f"quantization {word.text}: FastDeploy documents {' and '.join(known)} for this model"
        yield Remark(word.start, word.end, message)


def not_for_this_model(launch: Launch) -> Remarks:
    if launch.engine != "fastdeploy" or not launch.is_thinking_model:
        return
    for name, usual in NOT_PLANNED.items():
        option, value = launch.given(name), launch.settled(name)
        if option is not None and value is not None and value != usual:
            yield Remark(option.start, option.end, f"{option.name.text} is not made for models with pictures")


def fastdeploys_quantization(launch: Launch) -> Remarks:
    word = _plain(launch.given("quantization"))
    if launch.engine == "vllm" and word is not None and word.text in ("wint8", "wint4", "wint2", "block_wise_fp8"):
        yield Remark(word.start, word.end, f"quantization {word.text} is a name of FastDeploy")


def tools_switched_off(launch: Launch) -> Remarks:
    option = launch.given("tool_call_parser")
    switch = launch.given("enable_auto_tool_choice")
    if launch.engine != "vllm" or option is None or switch is not None or launch.is_open:
        return
    if option.is_key:
        line_start = launch.source.rfind("\n", 0, option.start) + 1
        indent = launch.source[line_start : option.start]
        edit = Edit(option.start, option.start, f"enable-auto-tool-choice: true\n{indent}")
        is_certain = not indent.strip()
    else:
        edit = Edit(option.end, option.end, " --enable-auto-tool-choice")
        is_certain = _is_line(launch, option)
    message = "tool_call_parser is given, but not enable_auto_tool_choice"
    yield Remark(option.start, option.end, message, edits=(edit,) if is_certain else ())


def no_remote_code(launch: Launch) -> Remarks:
    if launch.engine == "vllm" and launch.is_thinking_model and not launch.is_open:
        option = launch.given("trust_remote_code")
        if option is None:
            message = "trust_remote_code is not given, and this model's configuration is code"
            yield Remark(launch.head.start, launch.head.end, message)


def without_thinking_parsers(launch: Launch) -> Remarks:
    if _is_too_old(launch) and launch.given_version is not None:
        uses = any((word := _plain(launch.given(name))) and word.text == THINKING for name in PARSERS)
        if uses or launch.is_thinking_model:
            word = launch.given_version
            yield Remark(word.start, word.end, f"FastDeploy {word.text} has no parser {THINKING}: {FIRST} is the first")


def _is_too_old(launch: Launch) -> bool:
    word = launch.given_version
    return launch.engine == "fastdeploy" and word is not None and order(word.text) < order(FIRST)


def _plain(option: Option | None) -> Word | None:
    """The value, when the file says it."""
    return option.word if option is not None and option.word is not None and not option.word.is_opaque else None


def _replaced(launch: Launch, word: Word, text: str) -> tuple[Edit, ...]:
    """The word, quotes kept; none where it is written in pieces."""
    written = launch.source[word.start : word.end]
    for quote in ("", '"', "'"):
        if written == f"{quote}{word.text}{quote}":
            return (Edit(word.start + len(quote), word.end - len(quote), text),)
    return ()


def _is_line(launch: Launch, option: Option) -> bool:
    """Whether a further word may stand behind this one: on a command line, not in a list of YAML."""
    behind = launch.source[option.end : option.end + 1]
    return behind in ("", " ", "\t", "\n", "\r") and launch.around.kind not in ("compose", "kubernetes")
