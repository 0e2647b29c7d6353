"""Commands of a shell script, as far as a linter needs them: words with their exact places, nothing expanded.

Quotes, backslashes, comments, redirections, here-documents, arrays and several commands are read; what only a running
shell knows ($X, $(…), `…`) makes a word opaque.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from ernie_deploy.lint.text import Text
from ernie_deploy.lint.values import Assignment, Word

# `shell` is a script; `words` is one command line of which newlines are blanks, as in a compose file; `systemd` is an
# ExecStart whose lines are joined already.
Dialect = Literal["shell", "words", "systemd"]
Cut = Literal["", "newline", "blank", "comment", "empty", "quote"]
# What ends a word. A blank of another alphabet, such as the one web pages copy, does not.
SPACES = " \t\r\n"
PLAIN = re.compile(r"[^ \t\r\n'\"\\$`;&|<>()#%]+")
BLANKS = re.compile(r"[ \t]+")
TRAILING = re.compile(r"\\[ \t]+(?=\r?\n|\Z)")
CONTINUATION = re.compile(r"\\\r?\n")
QUOTED = re.compile(r'[^"\\$`%]+|\\.?|["$`%]', re.DOTALL)
COMMENT = re.compile(r"[^\n]*")
NAME = re.compile(r"\$(?:\w+|[@*#?$!-])")
HERE = re.compile(r"<<-?[ \t]*(?:'([^'\n]*)'|\"([^\"\n]*)\"|\\?([^\s;&|<>()]+))")
REDIRECTION = re.compile(r"&?[<>]+[&|]?-?")
# A word with these may be JSON or a script.
HOLDS_MORE = re.compile(r"[\s{\[]")
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=", re.ASCII)
OPTION_C = re.compile(r"-\w*c")
SHELLS = re.compile(r"(?:.*/)?(?:ba|da|z|k)?sh")


class Command(NamedTuple):
    """The words of one command. `cut` tells how its line ended when a newline ended it; `cut_at` is where.

    Of a command out of `sh -c '…'`, the first `outside` words stand before the `sh`.
    """

    words: tuple[Word, ...]
    cut: Cut = ""
    cut_at: tuple[int, int] = (0, 0)
    array: str = ""
    outside: int = 0


def commands(text: Text, dialect: Dialect = "shell") -> list[Command]:
    """All commands in their order; for `sh -c '…'` those of the script."""
    return [inner for one in _Reader(text, dialect).read() for inner in unfolded(one)]


def unfolded(command: Command) -> list[Command]:
    """The commands of `sh -c '…'`, each behind the words that stand before the `sh`; any other command as it is."""
    at, script = script_of(command.words)
    if script is None:
        return [command]
    return [one._replace(words=(*command.words[:at], *one.words), outside=at + one.outside) for one in commands(script)]


def script_of(words: Sequence[Word]) -> tuple[int, Text | None]:
    """The script of `sh -c SCRIPT` among these words, and where the `sh` stands."""
    for at in range(len(words) - 2):
        source = words[at + 2].source
        if SHELLS.fullmatch(words[at].text) and OPTION_C.fullmatch(words[at + 1].text) and source:
            return at, source
    return 0, None


def assignment(word: Word) -> Assignment | None:
    """`NAME=value` as a variable with its places."""
    match = ASSIGNMENT.match(word.text)
    if not match or (word.is_opaque and word.text.startswith("$")):
        return None
    name_end, value_start = word.start + len(match[1]), word.start + match.end()
    value = Word(word.text[match.end() :], value_start, word.end, word.is_opaque, is_quoted=word.is_quoted)
    return Assignment(Word(match[1], word.start, name_end), value)


class _Reader:
    """One pass over the text. `index` is where it stands; a word grows in `parts` as (text, index of its source)."""

    def __init__(self, text: Text, dialect: Dialect) -> None:
        self.text = text
        self.characters = text.characters
        self.dialect = dialect
        self.index = 0
        self.found: list[Command] = []
        self.words: list[Word] = []
        self.parts: list[tuple[str, int]] = []
        self.begin = -1
        self.is_opaque = self.is_quoted = self.skips_word = self.was_continued = False
        self.here: list[str] = []
        self.array = ""
        self.open_quote = -1

    def read(self) -> list[Command]:
        length = len(self.characters)
        while self.index < length:
            self._step(self.characters[self.index])
        self._end_word()
        is_open = self.open_quote >= 0 and not self.array
        self._end_command("quote" if is_open else "", max(self.open_quote, 0), self.open_quote + 1)
        return self.found

    def _step(self, character: str) -> None:
        plain = PLAIN.match(self.characters, self.index)
        if plain:
            self._add(plain[0], self.index)
            self.index = plain.end()
        elif character == "\n":
            self._newline()
        elif character in SPACES:
            self._end_word()
            self.index += 1
        elif character == "\\":
            self._backslash()
        elif character == "'":
            self._single_quoted()
        elif character == '"':
            self._double_quoted()
        elif character == "$" or (character == "`" and self.dialect == "shell"):
            self._expansion()
        elif character == "%" and self.dialect == "systemd":
            self._specifier()
        elif character == "#" and self.begin < 0 and self.dialect == "shell":
            self._comment()
        elif character in ";&|<>()" and self.dialect == "shell":
            self._operator(character)
        else:
            self._add(character, self.index)
            self.index += 1

    def _add(self, text: str, index: int) -> None:
        if self.begin < 0:
            self.begin = index
        self.was_continued = False
        self.parts.append((text, index))

    def _end_word(self) -> None:
        if self.begin < 0:
            return
        offsets = self.text.offsets
        text, end = "".join(text for text, _ in self.parts), offsets[self.index - 1] + 1
        source = None
        if HOLDS_MORE.search(text):
            places = [offsets[index + one] for part, index in self.parts for one in range(len(part))]
            source = Text(text, [*places, end])
        if not self.skips_word:
            word = Word(text, offsets[self.begin], end, self.is_opaque, is_quoted=self.is_quoted, source=source)
            self.words.append(word)
        self.parts, self.begin = [], -1
        self.is_opaque = self.is_quoted = self.skips_word = False

    def _end_command(self, cut: Cut, start: int = 0, end: int = 0) -> None:
        if self.array and cut:
            return
        if self.words:
            offsets = self.text.offsets
            self.found.append(Command(tuple(self.words), cut, (offsets[start], offsets[end]), self.array))
        self.words = []

    def _newline(self) -> None:
        was_continued, at = self.was_continued, self.index
        self._end_word()
        self.index += 1
        if self.dialect == "shell":
            self._end_command("empty" if was_continued else "newline", at, at + 1)
            self._here_documents()
        self.was_continued = False

    def _here_documents(self) -> None:
        for delimiter in self.here:
            ends = re.compile(rf"^\t*{re.escape(delimiter)}[ \t\r]*$", re.MULTILINE)
            end = ends.search(self.characters, self.index)
            self.index = min(end.end() + 1, len(self.characters)) if end else len(self.characters)
        self.here = []

    def _backslash(self) -> None:
        continuation = CONTINUATION.match(self.characters, self.index)
        trailing = TRAILING.match(self.characters, self.index)
        if continuation:
            # Inside a word the shell would glue the lines; a launch script never means that.
            self._end_word()
            self.index = continuation.end()
            self.was_continued = True
        elif trailing and self.dialect == "shell":
            self._end_word()
            start, self.index = self.index, trailing.end()
            self._end_command("blank", start, self.index)
        else:
            following = self.characters[self.index + 1 : self.index + 2]
            self._add(following or "\\", self.index + (1 if following else 0))
            self.begin = min(self.begin, self.index)
            self.index = min(self.index + 2, len(self.characters))

    def _single_quoted(self) -> None:
        start = self.index
        end = self.characters.find("'", start + 1)
        if end < 0:
            self.open_quote, end = start, len(self.characters)
        inside = self.characters[start + 1 : end]
        self._add(inside, start + 1)
        self.is_opaque = self.is_opaque or (self.dialect == "systemd" and "%" in inside.replace("%%", ""))
        self.begin = min(self.begin, start)
        self.is_quoted = True
        self.index = min(end + 1, len(self.characters))

    def _double_quoted(self) -> None:
        start = self.index
        self.begin = start if self.begin < 0 else self.begin
        self.is_quoted = True
        self.was_continued = False
        self.index += 1
        while part := QUOTED.match(self.characters, self.index):
            text = part[0]
            if text[0] in "$`":
                self._expansion()
                continue
            if text == "%" and self.dialect == "systemd":
                self._specifier()
                continue
            self.index = part.end()
            if text == '"':
                return
            if text[0] == "\\":
                self._escaped(text, part.start())
            else:
                self._add(text, part.start())
        self.open_quote = start

    def _escaped(self, text: str, index: int) -> None:
        """Between double quotes a backslash only takes the meaning of a few characters."""
        if text[1:] in ("\n", ""):
            return
        if text[1] in '$`"\\' or self.dialect != "shell":
            self._add(text[1], index + 1)
        else:
            self._add(text, index)

    def _expansion(self) -> None:
        start = self.index
        opening = self.characters[start : start + 2]
        if opening == "$$" and self.dialect != "shell":
            self._add("$", start)
            self.index = start + 2
            return
        if opening in ("$(", "${"):
            self.index = _balanced(self.characters, start + 1)
        elif opening[0] == "`":
            end = self.characters.find("`", start + 1)
            self.index = len(self.characters) if end < 0 else end + 1
        elif name := NAME.match(self.characters, start):
            self.index = name.end()
        else:
            self._add("$", start)
            self.index = start + 1
            return
        self._add(self.characters[start : self.index], start)
        self.is_opaque = True

    def _specifier(self) -> None:
        following = self.characters[self.index + 1 : self.index + 2]
        self._add("%" if following == "%" else "%" + following, self.index)
        self.is_opaque = self.is_opaque or following != "%"
        self.index = min(self.index + 2, len(self.characters))

    def _comment(self) -> None:
        end = COMMENT.match(self.characters, self.index)
        start, self.index = self.index, end.end() if end else len(self.characters)
        if self.was_continued:
            # A comment line after a backslash ends the command: its own backslash continues nothing.
            self._end_command("comment", start, self.index)

    def _operator(self, character: str) -> None:
        if character == "(" and self.parts and self.parts[-1][0].endswith("=") and not self.words:
            self.array = "".join(text for text, _ in self.parts).rstrip("+=")
            self.parts, self.begin = [], -1
            self.index += 1
            return
        here = HERE.match(self.characters, self.index)
        redirection = REDIRECTION.match(self.characters, self.index)
        if here and not self.characters.startswith("<<<", self.index):
            self._end_word()
            self.here.append(next(group for group in here.groups() if group is not None))
            self.index = here.end()
        elif redirection and redirection[0] != "&":
            if self.parts and "".join(text for text, _ in self.parts).isdecimal():
                self.parts, self.begin = [], -1
            self._end_word()
            self.index = redirection.end()
            self.skips_word = not redirection[0].endswith("-")
        else:
            self._end_word()
            self._end_command("")
            self.array = ""
            self.index += 1


def _balanced(characters: str, index: int) -> int:
    """The index behind the bracket that closes the one at `index`."""
    opening, depth = characters[index], 0
    closing = {"(": ")", "{": "}"}[opening]
    for at in re.compile(rf"[{re.escape(opening + closing)}]").finditer(characters, index):
        depth += 1 if at[0] == opening else -1
        if depth == 0:
            return at.end()
    return len(characters)
