"""FD030 to FD034: JSON-valued flags, and a text that counts as true."""

import difflib
import json
from collections.abc import Iterator

from ernie_deploy.catalog.flag_values import FALSE_WORDS
from ernie_deploy.catalog.json_schema import violations
from ernie_deploy.lint.values import Assignment, Edit, Launch, Option, Remark, Remarks, Word

ZOOM_LOOP = 2
REFUSED = "the engine refuses it, or does not do what it says"
# So many unknown names get a suggestion: looking for one is slow.
MOST_SUGGESTIONS = 50


def unreadable(launch: Launch) -> Remarks:
    for one, word in _json(launch):
        if one.is_key and not isinstance(word.value, str):
            continue
        is_bare = "string" in ((one.flag.schema or {}).get("type", ()) if one.flag else ())
        if is_bare and not word.text.lstrip().startswith(("{", "[")):
            continue
        try:
            json.loads(word.text)
        except ValueError as error:
            why = getattr(error, "msg", str(error))
            yield Remark(one.start, one.end, f"{one.name.text}: {_short(word.text)} is not JSON: {why}")
        except RecursionError:
            yield Remark(one.start, one.end, f"{one.name.text}: JSON nested too deeply")


def wrong_types(launch: Launch) -> Remarks:
    """Of mm_processor_kwargs, where one wrong type costs the whole mapping; other JSON is refused at the start."""
    for one, word in _json(launch):
        for problem in _wrong_whole(one, word):
            is_dropped = _name(one) == "mm_processor_kwargs"
            yield Remark(
                one.start, one.end, f"{one.name.text}: {problem}",
                "" if is_dropped else REFUSED, "write a value of that kind",
            )  # fmt: skip
    for one, member, schema in _members(launch):
        if one.flag is None or member.value.is_opaque:
            continue
        for problem in violations(member.value.value, schema):
            is_dropped, is_whole = one.flag.name == "mm_processor_kwargs", schema.get("type") == "integer"
            yield Remark(
                member.value.start,
                member.value.end,
                f"{one.flag.name}: {member.name.text}: {problem}",
                "" if is_dropped else REFUSED,
                "" if is_dropped and is_whole else "write a value of that kind",
                edits=_whole_number(launch, member.value) if is_dropped and is_whole else (),
            )


def unknown_members(launch: Launch) -> Remarks:
    for one, word in _json(launch):
        known = (one.flag.schema or {}).get("properties", {}) if one.flag else {}
        if not known or word.is_opaque:
            continue
        strange = [member for member in one.members if member.name.text not in known]
        for at, member in enumerate(strange):
            near = difflib.get_close_matches(member.name.text, known, n=1) if at < MOST_SUGGESTIONS else []
            fix = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
            yield Remark(member.name.start, member.name.end, f"{_name(one)}: {member.name.text}: unknown key", fix=fix)


def too_few_pictures(launch: Launch) -> Remarks:
    if not launch.is_thinking_model:
        return
    option = launch.given("limit_mm_per_prompt")
    if option is None:
        if launch.engine == "fastdeploy" and launch.lacks("limit_mm_per_prompt"):
            message = "limit_mm_per_prompt is not given: one picture and one video a request"
            yield Remark(launch.head.start, launch.head.end, message)
        return
    if option.word is None or option.word.is_opaque:
        return
    image = next((member for member in option.members if member.name.text == "image"), None)
    if image is None and option.members and launch.engine == "fastdeploy":
        message = "limit_mm_per_prompt does not name image, which stays at 1"
        yield Remark(option.start, option.end, message)
    elif image is not None and isinstance(image.value.value, int) and image.value.value < ZOOM_LOOP:
        message = f"limit_mm_per_prompt allows {image.value.value} picture a request"
        yield Remark(image.value.start, image.value.end, message)


def truthy_false(launch: Launch) -> Remarks:
    for one in launch.options:
        if one.flag is None or one.flag.kind != "truthy" or one.word is None or one.word.is_opaque:
            continue
        is_yaml_false = one.is_key and one.word.value is False
        if one.word.text.strip().lower() in FALSE_WORDS and not is_yaml_false:
            shown = f"{one.name.text}{': ' if one.is_key else ' '}{one.word.text}"
            yield Remark(one.start, one.end, f"{shown} counts as true", edits=_taken_out(launch, one))


def _json(launch: Launch) -> Iterator[tuple[Option, Word]]:
    for one in launch.options:
        if one.flag is not None and one.flag.kind == "json" and one.word is not None and not one.word.is_opaque:
            yield one, one.word


def _wrong_whole(one: Option, word: Word) -> Iterator[str]:
    """What is wrong with the value as a whole: a list in place of a mapping."""
    schema = (one.flag.schema or {}) if one.flag else {}
    value = word.value
    if not one.is_key or isinstance(value, str):
        try:
            value = json.loads(word.text)
        except (ValueError, RecursionError):
            return  # FD030 tells of it
    if "type" in schema and value is not None:
        yield from violations(value, {"type": schema["type"]})


def _members(launch: Launch) -> Iterator[tuple[Option, Assignment, dict[str, object]]]:
    for one, _ in _json(launch):
        known = (one.flag.schema or {}).get("properties", {}) if one.flag else {}
        for member in one.members:
            if member.name.text in known:
                yield one, member, known[member.name.text]


def _name(one: Option) -> str:
    return one.flag.name if one.flag else one.name.text


def _whole_number(launch: Launch, word: Word) -> tuple[Edit, ...]:
    """`12845056.0` and `"12845056"` mean a whole number; anything else is for people to correct."""
    written = launch.source[word.start : word.end]
    plain = written.strip("\"'")
    try:
        number = float(plain)
    except ValueError:
        return ()
    is_as_shown = written in (plain, f'"{plain}"', f"'{plain}'") and not isinstance(word.value, bool)
    return (Edit(word.start, word.end, str(int(number))),) if is_as_shown and number.is_integer() else ()


def _taken_out(launch: Launch, one: Option) -> tuple[Edit, ...]:
    """Take the flag and its value out: the whole line where nothing else stands on it, else only the words."""
    source = launch.source
    line_start = source.rfind("\n", 0, one.start) + 1
    line_end = source.find("\n", one.end)
    line_end = len(source) if line_end < 0 else line_end
    before, behind = source[line_start : one.start], source[one.end : line_end]
    if before.strip()[-1:] in ("-", ",", "[", "{") or behind.strip()[:1] in (",", "]", "}"):
        return ()  # an item of a list of YAML
    if before.strip():
        blanks = len(before) - len(before.rstrip())
        return (Edit(one.start - blanks, one.end, ""),) if not one.is_key else ()
    if one.is_key:
        return (Edit(line_start, min(line_end + 1, len(source)), ""),) if not behind.split("#")[0].strip() else ()
    if behind.strip() == "\\":
        return (Edit(line_start, line_end + 1, ""),)
    if behind.strip():
        return (Edit(one.start, one.end + len(behind) - len(behind.lstrip()), ""),)
    # The last line of a command: the backslash before it goes too.
    previous = source[:line_start].rstrip()
    kept = previous[:-1].rstrip() if previous.endswith("\\") else source[: one.start]
    return (Edit(len(kept), one.end, ""),)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
