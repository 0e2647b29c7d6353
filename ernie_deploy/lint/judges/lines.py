"""FD001 to FD006: where a command ends although it goes on for the reader, or goes on although it should end."""

from ernie_deploy.catalog.flags import Flag, default_of
from ernie_deploy.lint.ignoring import ignores
from ernie_deploy.lint.options import FLAG
from ernie_deploy.lint.rules import rules
from ernie_deploy.lint.values import Break, Launch, Reading, Remark, Remarks


def lost_continuation(launch: Launch) -> Remarks:
    for one in launch.breaks:
        if one.cut == "newline":
            message = f"this line ends without a backslash, so {_named(one)} never reach{_s(one)} the engine"
            yield Remark(one.start, one.end, message, _without(launch, one), edits=one.edits)
        elif one.cut == "empty":
            message = f"an empty line ends the command, so {_named(one)} never reach{_s(one)} the engine"
            yield Remark(one.start, one.end, message, _without(launch, one), "take the empty line out", edits=one.edits)


def blank_after_backslash(launch: Launch) -> Remarks:
    for one in launch.breaks:
        if one.cut == "blank":
            lost = f", so {_named(one)} never reach{_s(one)} the engine" if one.lost else ""
            yield Remark(one.start, one.end, f"a blank stands behind this backslash{lost}", edits=one.edits)


def comment_inside(launch: Launch) -> Remarks:
    for one in launch.breaks:
        if one.cut == "comment":
            message = f"this comment ends the command, so {_named(one)} never reach{_s(one)} the engine"
            yield Remark(one.start, one.end, message, _without(launch, one))


def open_quote(launch: Launch) -> Remarks:
    for one in launch.breaks:
        if one.cut == "quote":
            yield Remark(one.start, one.end, "nothing closes this quote")


def windows_lines(reading: Reading) -> Remarks:
    if reading.kind == "shell" and reading.has_windows_lines and reading.launches:
        at = reading.characters.index("\r\n")
        yield Remark(at, at + 1, "the lines of this script end with carriage return and line feed")


def unexplained_ignore(reading: Reading) -> Remarks:
    if not reading.launches and not reading.installs:
        return
    for one in ignores(reading.characters):
        unknown = sorted(one.rules - set(rules()))
        if unknown or not one.rules:
            message = f"this comment names {', '.join(unknown) if unknown else 'no rule'}"
            yield Remark(one.start, one.end, f"{message}{', which is no rule' if unknown else ''}")
        elif not one.reason:
            yield Remark(one.start, one.end, "this comment gives no reason", fix="say behind the rules why")


def _named(one: Break) -> str:
    """`3 flags (--a, --b and --c)`, or `--a` alone."""
    names = [word.text.partition("=")[0] for word in one.lost if FLAG.match(word.text)]
    if len(names) == 1:
        return names[0]
    return f"{len(names)} flags ({', '.join(names[:-1])} and {names[-1]})" if names else "what follows"


def _s(one: Break) -> str:
    return "es" if sum(FLAG.match(word.text) is not None for word in one.lost) < 2 else ""


def _without(launch: Launch, one: Break) -> str:
    """What the engine does instead: the default of every lost flag."""
    starts = {word.start for word in one.lost}
    flags = {option.flag.name: option.flag for option in launch.options if option.flag and option.name.start in starts}
    told = [f"{name} {_instead(flag, launch)}" for name, flag in flags.items()]
    return f"the engine starts with {', '.join(told)}" if told else ""


def _instead(flag: Flag, launch: Launch) -> str:
    default = default_of(flag, launch.version)
    if default is None:
        return flag.unset or "not set"
    if isinstance(default, bool):
        return "on" if default else "off"
    return str(default)
