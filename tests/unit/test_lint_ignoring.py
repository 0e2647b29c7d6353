"""Comments that tell lint to leave something alone: what they cover, and what they do not."""

import json

import pytest

from ernie_deploy.lint.judge import judged
from ernie_deploy.lint.mend import mended
from ernie_deploy.lint.output import as_sarif, summary
from ernie_deploy.lint.reading import read

MODULE = "python -m fastdeploy.entrypoints.openai.api_server"
IGNORE = "# ernie-deploy lint: ignore"
CONTINUED = f"{MODULE} \\\n  --max-model-len 32768 \\\n  --workers 4\n"


def left(text: str, name: str = "start.sh") -> list[str]:
    found = judged(read(name, text), only=("FD076", "FD043", "FD020")).findings
    return [f"{one.line} {one.rule}" for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CONTINUED, ["3 FD076"]),
        (f"{IGNORE}=FD076 few users\n{CONTINUED}", []),
        (f"{IGNORE}=FD043,fd076 few users\n\n# why\n{CONTINUED}", []),
        (f"{IGNORE}=FD043 few users\n{CONTINUED}", ["4 FD076"]),
        (f"{IGNORE}=FD076 few users\n{CONTINUED}{MODULE} --workers 4\n", ["5 FD076"]),
        (f"{IGNORE}=FD076 few users\necho\n{CONTINUED}", ["5 FD076"]),
        (f"{CONTINUED}{IGNORE}-file=FD076 few users\n", []),
        (f"{MODULE} --workers 4 {IGNORE}=FD076 few users\n{MODULE} --workers 4\n", ["2 FD076"]),
        (f"{IGNORE} FD076\n{CONTINUED}", ["4 FD076"]),
    ],
)
def test_a_comment_covers_its_line_or_the_command_below_it(text: str, expected: list[str]) -> None:
    assert left(text) == expected


def test_in_yaml_a_comment_covers_a_key_and_what_is_indented_below_it() -> None:
    compose = (
        f"services:\n  a:\n    command:\n      - {MODULE.replace(' ', chr(10) + '      - ')}\n      - --workers=4\n"
    )
    assert left(compose, "compose.yaml") == ["7 FD076"]
    assert left(compose.replace("    command", f"    {IGNORE}=FD076 few users\n    command"), "compose.yaml") == []
    keys = "model: /srv/m\n{}workers: 4\ncontroller_port: 8184\n"
    assert left(keys.format(""), "fastdeploy.yaml") == ["2 FD076", "3 FD043"]
    assert left(keys.format(f"{IGNORE}=FD076,FD043 few users\n"), "fastdeploy.yaml") == ["4 FD043"]


def test_a_unit_may_have_the_comment_between_continued_lines() -> None:
    unit = f"[Service]\nExecStart={MODULE} \\\n; ernie-deploy lint: ignore=FD076 few users\n  --workers 4\n"
    assert left(unit, "a.service") == []


def test_what_is_ignored_is_counted_and_stands_in_sarif_with_its_reason() -> None:
    result = judged(read("start.sh", f"{IGNORE}=FD076 few users\n{CONTINUED}"), only=("FD076",))
    assert summary(result.findings, len(result.ignored)) == "nothing found; 1 ignored, as the file says"
    (run,) = as_sarif(result.findings, "1.0", result.ignored)["runs"]
    (one,) = run["results"]
    assert one["suppressions"] == [{"kind": "inSource", "justification": "few users"}]
    assert json.dumps(run)


def test_what_is_ignored_is_not_mended() -> None:
    text = f"model: /srv/m\n{IGNORE}=FD020 a program of ours reads it\nmax-model-len: 4096\n"
    assert mended(text, lambda one: judged(read("fastdeploy.yaml", one)).findings).characters == text
