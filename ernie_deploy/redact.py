"""Text that may be handed on: without keys, passwords, the words of users, and tricks on a terminal.

One Redactor stands before every place that text leaves through. Better a harmless value too much than a secret too
little: names of settings stay, values of those that sound secret go.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from ernie_deploy.hidden import spellings

REDACTED = "<redacted>"
# A shorter one would be found inside of ordinary words.
SHORTEST_SECRET = 4
SHORTEST_NUMBER = 6
LONGEST_LIST = 8000

ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\-_])")
# Control characters, and those that turn the direction of text or take no room.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)

SOUNDS_SECRET = re.compile(r"key|token|secret|passw|passphrase|pwd|credential|auth|cookie|requirepass", re.IGNORECASE)
LONGEST_NAME = 80
NAME_BEFORE = re.compile(r"[\w.\-]{0,80}\Z")
NAME_AFTER = re.compile(r"[\w.\-]{0,80}")
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
ALWAYS = {"password", "passwords", "passwd", "passphrase", "secret", "secrets", "credential", "credentials", "apikey",
          "apikeys", "authkey", "cookie", "requirepass", "authorization"}  # fmt: skip
ENDINGS = ("apikey", "apikeys", "password", "passwd", "secret", "secretkey", "accesskey", "privatekey", "authtoken",
           "apitoken", "accesstoken")  # fmt: skip
# What such a name ends with when it only tells where a secret is, or how long.
TELLS_WHERE = {"file", "path", "dir", "env", "length", "len", "count", "type", "name", "names", "ref", "mode"}
OF_A_TOKENIZER = {"eos", "bos", "pad", "unk", "sep", "cls", "mask", "image", "video", "start", "end", "stop", "think",
                  "max", "min", "next", "special", "first", "last", "new", "per", "output", "input"}  # fmt: skip
PLURAL_TOKENS = {"api", "access", "auth", "refresh", "bearer", "hf", "session"}

PAIR = re.compile(r"\\*[\"']?[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}")
NEXT_ARGUMENT = re.compile(r"\\*[\"']\s*,\s*(?=b?\\*[\"'])")
BLANK = re.compile(r"[ \t]+(?=[^\s=:])")
SCHEME = re.compile(r"(?:Bearer|Basic|Token|Digest|Negotiate)[ \t]+", re.IGNORECASE)
BARE = re.compile(r"[^\s\"',;&|<>)\]}\\]+")
ESCAPED = re.compile(r"b?(\\+[\"'])")
STRING = re.compile(r"b?(?:\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')")
SAYS_NOTHING = re.compile(r"(?:none|null|true|false|<redacted>|<[a-z ]+>|\*+)?", re.IGNORECASE)
LINE_START = re.compile(r"[ \t]*(?:- )?(?:export |set |setenv |ENV |-e )?[\"']?")
AFTER_FLAG = re.compile(r"(?:^|[\s\"'\[(,])-{1,2}$|\b(?:ENV|setenv|login \S+|machine \S+) $")
# As an environment is written in manifests: a name and, beside it, a value.
NAMED_VALUE = re.compile(
    r"(?P<head>\bname[\"']?\s*[:=]\s*[\"']?(?P<name>[\w.\-]+)[\"']?\s*[,\n]\s*[\"']?value[\"']?\s*[:=]\s*)(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s,}]+)",
    re.IGNORECASE,
)

PEM = re.compile(r"-----BEGIN (?P<what>[A-Z0-9 ]*PRIVATE KEY[A-Z ]*)-----.*?(?:-----END (?P=what)-----|\Z)", re.DOTALL)
PEM_TAIL = re.compile(r"(?:^[A-Za-z0-9+/=]{16,}\n)+(?=-----END [A-Z0-9 ]*PRIVATE KEY)", re.MULTILINE)
DATA_URL = re.compile(
    r"data:(?:[\w.+\-]+/[\w.+\-]+)?(?:;[\w.+\-]+=[\w.+\-]+)*;base64,(?P<data>[A-Za-z0-9+/=_\-%\s]*?)(?=[^A-Za-z0-9+/=_\-%]|\Z)"
)
BLOB = re.compile(r"[A-Za-z0-9+/]{400,}={0,2}")
USERINFO = re.compile(r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.\-]{0,20}://)[^\s/\"']+@")
QUERY = re.compile(
    r"(?P<name>[?&](?:sig|signature|x-amz-[\w\-]+|x-goog-[\w\-]+|code|ticket|sv|se|sp)=)[^&\s\"'<>]+", re.IGNORECASE
)
HEADER = re.compile(
    r"(?P<name>\b(?:set-)?cookie|\b(?:proxy-)?authorization|\bx-api-key)(?P<colon>\s*:\s*)[^\"'\n]+", re.IGNORECASE
)
BEARER = re.compile(r"(?P<scheme>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=\-]{6,}", re.IGNORECASE)
# Keys that show by their first letters whose they are.
KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_\-]{6,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}|hf_[A-Za-z0-9]{8,}|"
    r"gh[pousr]_[A-Za-z0-9]{12,}|github_pat_\w{12,}|glpat-[\w\-]{10,}|xox[abeoprs]-[\w\-]{8,}|(?:AKIA|ASIA)[A-Z0-9]{12,}|"
    r"AIza[\w\-]{20,}|ya29\.[\w\-]{10,}|eyJ[\w\-]{8,}\.[\w\-]{4,}(?:\.[\w\-]*)?|nvapi-[\w\-]{10,}|gsk_\w{12,}|npm_\w{20,}|"
    r"pypi-[\w\-]{16,}|r8_\w{20,}|dapi[a-f0-9]{20,}|SG\.[\w\-]{10,}\.[\w\-]{10,}|bce-v3/[\w\-]+/[\w\-]+|ALTAK-\w+|"
    r"dckr_pat_[\w\-]{10,}|AGE-SECRET-KEY-\w+|hvs\.\w{10,}|dop_v1_\w{20,}|tskey-[\w\-]{10,})"
)

PRIVATE_WORDS = re.compile(
    r"(?P<key>\\*[\"']?\b(?:messages|prompts?|content|reasoning_content|text|input|inputs|query|question|instructions|"
    r"prompt_token_ids|completion_token_ids|input_ids|token_ids|multimodal_content|image_url|video_url)\\*[\"']?\s*[:=]\s*)"
    r"(?=b?\\*[\"']|[\[({])"
)
BARE_WORDS = re.compile(
    r"(?P<key>\b(?:prompts?|query|question|user input)\s*[:=]\s*)(?=[^\s\"'\[({<\\])", re.IGNORECASE
)
# What a new entry of a log begins with; what does not is the rest of the entry before.
ENTRY = re.compile(
    r"^(?:((?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)(?::|\s+\d))|(\[?\d{4}-\d\d-\d\d[ T])|"
    r"(\([\w.\- ]+ ?pid=\d+)|(LAUNCH )|([IWEF]\d{4,8} \d\d:)|([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )|(\[rank\d+\]:))",
    re.MULTILINE,
)
BRACKETS = re.compile(r"[\[\](){}]|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'")
HOME = re.compile(r"(?P<root>/(?:home|Users)/)[^/\s\"':,;]+")


class Redactor:
    """`secrets` are known ones, to be found in any of the spellings in which they can be written."""

    def __init__(self, secrets: Iterable[str] = (), *, hides_users: bool = False) -> None:
        known = {spelling for secret in secrets if len(secret) >= SHORTEST_SECRET for spelling in spellings(secret)}
        longest_first = sorted(known, key=lambda one: (-len(one), one))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self._hides_users = hides_users

    def text(self, text: str) -> str:
        """Any text without secrets."""
        text = plain(text.replace("\0", "\n"))
        text = PEM.sub(REDACTED, text)
        text = PEM_TAIL.sub(REDACTED + "\n", text)
        text = DATA_URL.sub(_data_url, text)
        if self._known:
            text = self._known.sub(REDACTED, text)
        text = HEADER.sub(rf"\g<name>\g<colon>{REDACTED}", text)
        text = NAMED_VALUE.sub(_named_value, text)
        text = _without_assignments(text)
        text = USERINFO.sub(rf"\g<scheme>{REDACTED}@", text)
        text = QUERY.sub(rf"\g<name>{REDACTED}", text)
        text = BEARER.sub(rf"\g<scheme>{REDACTED}", text)
        text = KEYS.sub(REDACTED, text)
        text = BLOB.sub(lambda found: f"<base64, {len(found[0]) * 3 // 4} bytes>", text)
        return HOME.sub(r"\g<root><user>", text) if self._hides_users else text

    def log(self, text: str) -> str:
        """A part of an engine's log without secrets and without what users asked and were answered."""
        return self.text(without_words_of_users(plain(text.replace("\0", "\n"))))

    def value(self, value: object) -> object:
        """The same for what will be written as JSON: mappings, lists and texts, which keep their shape."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._of(str(key), one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            before = ("", *value)
            return [
                self._of(name, one) if _is_flag(name) else self.value(one)
                for name, one in zip(before, value, strict=False)
            ]
        return value

    def _of(self, name: str, value: object) -> object:
        return (
            REDACTED
            if is_secret_name(name.lstrip("-")) and value and isinstance(value, (str, list, tuple))
            else self.value(value)
        )


def _is_flag(value: object) -> bool:
    return isinstance(value, str) and value.startswith("-") and "=" not in value


def known_secrets(environ: Mapping[str, str], keys: Iterable[str] = ()) -> set[str]:
    """What must never be seen: the given keys, and the values of variables that sound secret; also their parts."""
    named = [value for name, value in environ.items() if is_secret_name(name)]
    found = {part.strip() for value in (*keys, *named) for part in (value, *value.split(","))}
    return {one for one in found if _is_worth_hiding(one)}


def _is_worth_hiding(value: str) -> bool:
    """A short number stands everywhere, and `none` is no secret."""
    is_common = SAYS_NOTHING.fullmatch(value) or (value.isdigit() and len(value) < SHORTEST_NUMBER)
    return len(value) >= SHORTEST_SECRET and not is_common


def plain(text: str) -> str:
    """Without colours, control characters and those that turn the direction of text; lines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return INVISIBLE.sub("", ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


def is_secret_name(name: str) -> bool:
    """Whether a setting or variable of this name holds a secret: `FD_API_KEY`, `hfToken`; not `max_tokens`."""
    words = [word.lower() for word in WORDS.findall(name)]
    if not words or words[-1] in TELLS_WHERE or name in ("PWD", "OLDPWD"):
        return False
    if ALWAYS & set(words) or name.lower().endswith(ENDINGS) or name.lower().endswith("access_key_id"):
        return True
    before = set(words[:-1])
    if words[-1] == "token":
        return not before & OF_A_TOKENIZER
    if words[-1] == "tokens":
        return bool(before & PLURAL_TOKENS)
    if words[-1] in ("key", "keys"):
        return bool(before) or name in ("KEY", "key")
    # AUTH, DB_PWD; and MYTOKEN, which is one word
    return words[-1] == "auth" or (words[-1] == "pwd" and bool(before)) or name.endswith(("TOKEN", "KEY"))


def without_words_of_users(text: str) -> str:
    """Request bodies and prompts replaced by how long they were, also where they are cut short or span lines."""
    return _replaced(_replaced(text, PRIVATE_WORDS, _end_of_value), BARE_WORDS, _end_of_entry)


def _replaced(text: str, pattern: re.Pattern[str], end_of: Callable[[str, int], int]) -> str:
    parts, at = [], 0
    for found in pattern.finditer(text):
        if found.start() < at:
            continue
        end = end_of(text, found.end())
        if text[found.end() : end].strip("[]{}()\"' \n"):
            parts += [text[at : found.end()], f"<private, {end - found.end()} characters>"]
            at = end
    return "".join([*parts, text[at:]])


def _end_of_entry(text: str, at: int) -> int:
    entry = ENTRY.search(text, text.find("\n", at) + 1) if "\n" in text[at:] else None
    end = entry.start() if entry else len(text)
    return end - 1 if end > at and text[end - 1] == "\n" else end


def _end_of_value(text: str, at: int) -> int:
    """Where the string, list or mapping that begins at `at` ends; with its entry when it does not."""
    limit = _end_of_entry(text, at)
    escaped = ESCAPED.match(text, at)
    if escaped:
        end = text.find(escaped[1], escaped.end(), limit)
        return end + len(escaped[1]) if end >= 0 else limit
    depth = 0
    for token in BRACKETS.finditer(text, at, limit):
        depth += 1 if token[0] in "[({" else -1 if token[0] in "])}" else 0
        if depth <= 0:
            return token.end() if token.start() == at or depth == 0 else limit
    return limit


def _data_url(found: re.Match[str]) -> str:
    return f"<data URL, {len(found['data'].strip().rstrip('=')) * 3 // 4} bytes>"


def _named_value(found: re.Match[str]) -> str:
    return f"{found['head']}{REDACTED}" if is_secret_name(found["name"]) else found[0]


def _without_assignments(text: str) -> str:
    """`NAME=value`, `name: value`, `--name value`, `"name": ["value"]` and the like, for names that sound secret."""
    parts, at = [], 0
    for found in SOUNDS_SECRET.finditer(text):
        if found.start() < at:
            continue
        start, end = _name_around(text, found)
        # The last part of a path is no name of a setting.
        is_name = text[start - 1 : start] != "/" and is_secret_name(text[start:end].strip("-."))
        span = _value_after(text, start, end) if is_name else None
        if span and not SAYS_NOTHING.fullmatch(text[slice(*span)].strip("\"'\\ ")):
            parts += [text[at : span[0]], REDACTED]
            at = span[1]
    return "".join([*parts, text[at:]])


def _name_around(text: str, found: re.Match[str]) -> tuple[int, int]:
    """Where the whole name begins and ends. Looked for from its middle: a search for it would be slow in long words."""
    before = NAME_BEFORE.search(text[max(0, found.start() - LONGEST_NAME) : found.start()])
    after = NAME_AFTER.match(text, found.end())
    return found.start() - len(before[0] if before else ""), after.end() if after else found.end()


def _value_after(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where the value of this name stands, without its quotes; None when none follows."""
    between = PAIR.match(text, end) or NEXT_ARGUMENT.match(text, end)
    line_start = text.rfind("\n", 0, start) + 1
    if between is None:
        blank = BLANK.match(text, end)
        is_flag = text[start] == "-" or AFTER_FLAG.search(text[max(line_start, start - 60) : start])
        if blank is None or not is_flag:
            return None
        between = blank
    at = between.end()
    if at >= len(text) or text[at] == "\n":
        return _block_after(text, at, line_start) if ":" in between[0] else None
    scheme = SCHEME.match(text, at)
    at = scheme.end() if scheme else at
    if text[at] in "[({":
        close = text.find({"[": "]", "(": ")", "{": "}"}[text[at]], at, at + LONGEST_LIST)
        return at + 1, close if close >= 0 else _end_of_line(text, at)
    escaped = ESCAPED.match(text, at)
    if escaped:
        close = text.find(escaped[1], escaped.end(), _end_of_line(text, at))
        return escaped.end(), close if close >= 0 else _end_of_line(text, at)
    string = STRING.match(text, at)
    if string:
        opening = 2 if text[at] == "b" else 1
        return at + opening, string.end() - 1
    bare = BARE.match(text, at)
    if bare and SAYS_NOTHING.fullmatch(bare[0]):
        return None
    if text[at] in "\"'" or _begins_line(text, line_start, start):
        return at, _end_of_line(text, at)
    return (at, bare.end()) if bare else None


def _begins_line(text: str, line_start: int, at: int) -> bool:
    start = LINE_START.match(text, line_start)
    return start is not None and start.end() >= at and "://" not in text[line_start:at]


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _block_after(text: str, at: int, line_start: int) -> tuple[int, int] | None:
    """The lines below a YAML key that belong to it: those further in, and the items of a list."""
    depth = _indent(text[line_start:at])
    end = at
    while end < len(text):
        next_end = _end_of_line(text, end + 1)
        line = text[end + 1 : next_end]
        indent = _indent(line)
        if not line.strip() or not (indent > depth or (indent == depth and line.lstrip().startswith("- "))):
            break
        end = next_end
    return (at + 1, end) if end > at else None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
