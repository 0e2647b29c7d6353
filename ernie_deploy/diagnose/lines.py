"""One line of a log: who says it, at which level, and what. The message is what is left of it."""

import re
from typing import NamedTuple

from ernie_deploy.redact import plain

LEVELS = {"trace": 0, "debug": 0, "info": 1, "warning": 2, "warn": 2, "error": 3, "critical": 3, "fatal": 3}
GLOG = {"I": "info", "W": "warning", "E": "error", "F": "fatal"}
LEVEL = r"(?P<level>TRACE|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL|debug|info|warn|warning|error)"
DATE = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?"

# What programs put before their messages, the longest forms first; several can follow each other.
PREFIXES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{LEVEL}\s+{DATE}\s+\d+\s+[\w.\-]+\.py\[line:\d+\]\s?",  # FastDeploy
        rf"{LEVEL}\s+\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d+)?\s+\[[^\]]{{1,80}}\]\s?",  # vLLM
        r"\([\w.\- ]{1,40}pid=\d+[^)]{0,40}\)\s?",
        rf"\[{DATE}\]\s*\[\d+\]\s*\[{LEVEL}\]\s?",  # gunicorn
        rf"\[{DATE}\]\s*\[\s*{LEVEL}\]\s*(?:[\w.]+\.py:\d+\s)?-\s",  # Paddle
        rf"LAUNCH {LEVEL} {DATE}\s?",
        r"(?P<glog>[IWEF])\d{4,8} \d\d:\d\d:\d\d\.\d+\s+\d+ [\w./\-]+:\d+\]\s",
        r"\[(?P<glog>[IWEF])\d{4,8} \d\d:\d\d:\d\d\.\d+ [\w./\-]+:\d+\]\s",
        r"\[Rank \d+\]\s",
        rf"(?:{DATE}|[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d) [\w.\-]+ (?P<program>[\w./\-@]+)(?:\[\d+\])?:\s",
        r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\]\s",  # dmesg -T
        r"\[\s*\d+\.\d{6}\]\s",  # dmesg
        rf"{DATE}\s+(?:stdout|stderr) [FP]\s",  # containerd
        r"[\w.\-]{1,60}-\d+\s+\|\s",  # docker compose
        r"\[rank\d+\]:\s?",
        r"[\w.\-]+:\d+:\d+ \[\d+\] NCCL (?P<level>WARN|INFO)\s",
        rf"\[?{DATE}\]?\s*(?:[-|,]\s*)?(?:\[?{LEVEL}\]?\s*(?:[-|:]\s*)?)?",
        rf"\[?{LEVEL}\]?(?::\s+|\s+[-|]\s+|\]\s+)",
    )
)
# A cause that stands farther to the right is the words of somebody else.
FARTHEST = 1000
# So many of them leave nothing but the message.
COMPLETE = 2
# Names of exceptions and the like before what they say.
HEAD = re.compile(
    r"(?:(?:\w+\.)*\w*(?:Error|Exception|Fault|Timeout|Exit)\w*(?: \d+)?: |\(External\) |\[Hint: |"
    r"(?:[\w./\-]+: )?error: |Fatal: |docker: |Error response from daemon: |Error: |NVIDIA-SMI has failed because it )+"
)
# Where the words of users begin. What stands there proves nothing.
PAYLOAD = re.compile(
    r"[\[{(]\s*['\"{\[]|\b(?:messages|prompts?|content|body|requests?|query|text)['\"]?\s*[:=]", re.IGNORECASE
)
REQUEST = re.compile(r"\b(?:[Rr]equest|[Pp]rompt|messages|body)\b")
# Programs of a host whose troubles are not the engine's.
OURS = re.compile(
    r"kernel|python[\d.]*|fastdeploy|vllm.*|ernie.*|docker.*|containerd|podman|env|uvicorn|gunicorn|start\.sh"
)


class Line(NamedTuple):
    """`level` is None when the line has none, as those of a traceback."""

    message: str
    level: int | None
    program: str
    has_prefix: bool

    @property
    def is_foreign(self) -> bool:
        return bool(self.program) and not OURS.fullmatch(self.program)

    @property
    def payload(self) -> int:
        """Where the words of users begin."""
        found = PAYLOAD.search(self.message)
        return found.start() if found else len(self.message)


def parse(raw: bytes) -> Line:
    """A line without colours and line ends → its parts."""
    text = plain(raw.decode("utf-8", errors="replace"))
    level: int | None = None
    at, program = 0, ""
    for _ in range(6):
        number, found = _prefix(text, at)
        if found is None:
            break
        at = found.end()
        parts = found.groupdict()
        word = parts.get("level") or GLOG.get(parts.get("glog") or "", "")
        level = LEVELS[word.lower()] if word else level
        program = parts.get("program") or program
        if number < COMPLETE:
            break
    return Line(text[at:], level, program, at > 0)


def _prefix(text: str, at: int) -> tuple[int, re.Match[str] | None]:
    for number, one in enumerate(PREFIXES):
        found = one.match(text, at)
        if found and found.end() > at:
            return number, found
    return 0, None


def starts(line: Line, pattern: re.Pattern[str]) -> re.Match[str] | None:
    """Whether the message begins with the pattern. In a line that is an error by its level, or begins with the name of
    an exception, it may stand anywhere before the words of users."""
    found = pattern.match(line.message)
    if found is None and (line.level == LEVELS["error"] or HEAD.match(line.message)):
        found = pattern.search(line.message[:FARTHEST])
        found = found if found and found.start() <= line.payload else None
    return found


def is_open_request(line: Line) -> bool:
    """Whether this line begins the words of a user and does not end them: the next ones, as they come, are his too."""
    if not REQUEST.search(line.message) or line.payload == len(line.message):
        return False
    return not line.message.rstrip().endswith(("}", "]", ")", "'", '"', "...", "…"))
