"""Words of a shell script with their exact places, and what only a running shell knows."""

import shlex

from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_deploy.lint.shell import commands
from ernie_deploy.lint.text import whole


def words(script: str) -> list[list[str]]:
    return [[word.text for word in one.words] for one in commands(whole(script))]


def test_quotes_backslashes_and_comments_are_read_as_a_shell_reads_them() -> None:
    script = 'a \'b c\' "d \\"e\\" $" f\\ g h#i # j\nk\\\n l'
    assert words(script) == [["a", "b c", 'd "e" $', "f g", "h#i"], ["k", "l"]]


def test_every_word_knows_its_place_in_the_file_quotes_included() -> None:
    script = "FOO=1 run --a 'b c' \\\n   \"d\"e\n"
    (command,) = commands(whole(script))
    assert [script[word.start : word.end] for word in command.words] == ["FOO=1", "run", "--a", "'b c'", '"d"e']


def test_expansions_make_a_word_opaque_and_are_kept_in_one_piece() -> None:
    script = 'a $B ${C:-d e} "x $(f "g h") y" `i j` $$ "$@" \'$k\''
    (command,) = commands(whole(script))
    opaque = [(word.text, word.is_opaque) for word in command.words]
    assert opaque == [
        ("a", False), ("$B", True), ("${C:-d e}", True), ('x $(f "g h") y', True), ("`i j`", True), ("$$", True),
        ("$@", True), ("$k", False),
    ]  # fmt: skip


def test_operators_end_commands_and_redirections_and_here_documents_are_no_words() -> None:
    script = "a && b | c; (d) > out 2>&1 &\ncat <<'END' | e\nf --g\nEND\nh <<< i\n"
    assert words(script) == [["a"], ["b"], ["c"], ["d"], ["cat"], ["e"], ["h"]]


def test_an_array_is_one_list_of_words_over_several_lines() -> None:
    found = commands(whole("ARGS=(--a 1 # one\n  --b 2\n)\nrun\n"))
    assert [(one.array, [word.text for word in one.words]) for one in found] == [
        ("ARGS", ["--a", "1", "--b", "2"]),
        ("", ["run"]),
    ]


def test_the_script_of_sh_c_is_read_with_the_places_it_has_in_the_file() -> None:
    script = 'docker run image bash -lc "run --a \\"b c\\" \'d\'"'
    (command,) = commands(whole(script))
    assert [word.text for word in command.words] == ["docker", "run", "image", "run", "--a", "b c", "d"]
    assert script[command.words[-1].start : command.words[-1].end] == "'d'"


def test_a_command_tells_how_its_line_ended() -> None:
    ends = {"a\n--b": "newline", "a \\ \n--b": "blank", "a \\\n# c\n--b": "comment", "a \\\n\n--b": "empty", "a;b": ""}
    assert {text: commands(whole(text))[0].cut for text in ends} == ends


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), min_size=1))
@settings(max_examples=150, deadline=None)
def test_whatever_shlex_quotes_is_read_back(parts: list[str]) -> None:
    assert words(shlex.join(parts)) == [parts]


@given(st.text(st.sampled_from("ab \\\n\r\t'\"$`(){};&|<>#=-%*"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_it_and_no_place_lies_outside(text: str) -> None:
    for dialect in ("shell", "words", "systemd"):
        for command in commands(whole(text), dialect):
            assert all(0 <= word.start <= word.end <= len(text) for word in command.words)
