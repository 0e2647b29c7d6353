"""What is no launch, what is no text, and what was made to exhaust a reader."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_deploy.errors import SpecError
from ernie_deploy.lint.decoding import MOST_BYTES, decoded
from ernie_deploy.lint.judge import findings
from ernie_deploy.lint.mend import mended
from ernie_deploy.lint.output import notes
from ernie_deploy.lint.reading import KINDS, Kind, read
from ernie_deploy.lint.values import Finding


def refusal(data: bytes, path: str = "a.yaml", kind: Kind | None = None) -> str:
    with pytest.raises(SpecError) as caught:
        read(path, decoded(data, path).characters, kind)
    return caught.value.message


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"port: 1\n\0", "a.yaml: a NUL character in line 2: this is a binary file"),
        (b"port: 1\n# caf\xe9\n", "a.yaml: byte 0xe9 in line 2 is not UTF-8"),
        (b"x" * (MOST_BYTES + 1), "a.yaml: 10.0 MiB: more than 10 MiB is no launch"),
        (b"- port\n", "a.yaml: not a mapping: a launch config has keys such as max_model_len, this is a list"),
        (b"engine: vllm\nport: 1\n", "a.yaml: this is a deploy.yaml of ernie-deploy, no launch of an engine"),
        (b"port: [1\nseed: 2\n", "a.yaml:2:5: not YAML: did not find expected ',' or ']'"),
        (b"port: *there\n", "a.yaml: not YAML: the alias *there names nothing"),
        (b"port: " + b"[" * 5000, "a.yaml: nested deeper than 100: no launch looks like this"),
        (b"port: [" + b"1," * 20_000 + b"]", "a.yaml: more than 20000 values: no launch looks like this"),
        (b"seed: 1\n" * 40_000, "a.yaml: 312 KiB in one piece: more than 256 KiB is no launch"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_refused_with_the_reason(data: bytes, why: str) -> None:
    assert refusal(data) == why


def test_ten_mebibytes_are_looked_at_in_bounded_time() -> None:
    started = time.monotonic()
    with pytest.raises(SpecError):
        read("a.sh", "vllm serve /m \\\n" * (MOST_BYTES // 17))
    pods = "kind: Pod\napiVersion: v1\n---\n" * (MOST_BYTES // 28)
    assert read("a.yaml", pods).launches == ()
    # About a second on a quiet machine; the tests share theirs.
    assert time.monotonic() - started < 20


MODULE = "python -m fastdeploy.entrypoints.openai.api_server"


@pytest.mark.parametrize(
    "text",
    [
        "\n".join([f"{MODULE} \\", *["# x\n--port 1 \\"] * 5_000]),
        f"{MODULE}\n" + "--port 1\n" * 10_000,
        "".join(f"export FD_A{number}=1\n" for number in range(6_000)) + MODULE,
        "# ernie-deploy lint: ignore=FD082 x\n" * 3_000 + MODULE,
        f"{MODULE} " + " ".join(f"--fx{number}" for number in range(10_000)),
    ],
    ids=["comments", "lines", "variables", "ignores", "flags"],
)
def test_what_repeats_itself_costs_no_more_than_its_length(text: str) -> None:
    started = time.process_time()
    assert findings(read("a.sh", text))
    # A quarter of a second on a quiet machine; some of these took minutes.
    assert time.process_time() - started < 2.5


def test_a_yaml_of_ten_mebibytes_is_refused_at_once() -> None:
    started = time.process_time()
    assert "more than 256 KiB is no launch" in refusal(b"a: 1\n" * (MOST_BYTES // 5))
    assert time.process_time() - started < 5


def test_aliases_that_multiply_cost_nothing() -> None:
    names = "abcdefghijklmnopqrst"
    lines = ["a: &a [1, 1]"]
    lines += [f"{one}: &{one} [{', '.join(['*' + before] * 9)}]" for before, one in pairwise(names)]
    text = "\n".join([*lines, "limit_mm_per_prompt: *t", "max-model-len: *t"])
    started = time.monotonic()
    assert [one.rule for one in findings(read("a.yaml", text), only=("FD020",))] == ["FD020"]
    assert time.monotonic() - started < 5


def test_a_tag_is_never_run() -> None:
    text = "max_model_len: !!python/object/apply:os.system ['true']\nseed: !mine 3\nmax-num-seqs: 3\n"
    assert [one.rule for one in findings(read("a.yaml", text), only=("FD020",))] == ["FD020"]


def test_windows_line_ends_and_a_byte_order_mark_survive_a_fix() -> None:
    text = decoded(b"\xef\xbb\xbfmax-model-len: 4096\r\nport: 1\r\n", "a.yaml")

    def judge(characters: str) -> tuple[Finding, ...]:
        return findings(read("a.yaml", characters, "fastdeploy-yaml"))

    fixed = mended(text.characters, judge).characters
    assert text.encoded(fixed) == b"\xef\xbb\xbfmax_model_len: 4096\r\nport: 1\r\n"


def test_a_file_in_utf_16_is_read() -> None:
    text = decoded("max-model-len: 4096\n".encode("utf-16"), "a.yaml")
    assert [one.rule for one in findings(read("a.yaml", text.characters, "fastdeploy-yaml"), only=("FD020",))] == [
        "FD020"
    ]


def test_a_file_that_starts_neither_engine_says_so() -> None:
    assert notes(read("a.sh", "echo hello\n")) == ["a.sh: launches neither FastDeploy nor vLLM (read as shell)"]


@pytest.mark.parametrize(
    ("version", "note"),
    [
        ("", "FastDeploy: no version is named; the facts of 2.5.0 are taken (--engine-version)"),
        ("2.4.7", "FastDeploy: this version is not described; the facts of 2.4.0 are taken"),
        ("9.0", "FastDeploy: this version is not described; the facts of 2.5.0 are taken"),
    ],
)
def test_the_facts_that_are_assumed_are_told(version: str, note: str) -> None:
    reading = read("a.sh", "fastdeploy serve\n", versions={"fastdeploy": version} if version else {})
    assert [one.partition(" (2.3.0")[0] for one in notes(reading, ["fastdeploy"] if version else [])] == [note]


def test_an_unknown_flag_of_a_version_above_all_described_only_warns() -> None:
    text = "# image\ndocker run --shm-size 8g fastdeploy-cuda-12.6:9.1.0 fastdeploy serve --brand-new 1\n"
    assert [one.severity for one in findings(read("a.sh", text), only=("FD010",))] == ["warning"]


PIECES = st.sampled_from(
    ["fastdeploy serve ", "vllm serve /m ", "--port 1 ", "--limit-mm-per-prompt '{\"image\": 1}' ", "\\\n", "\\ \n",
     "\n", "# x", "- ", ": ", "command: ", "services:\n", "  a:\n", "apiVersion: v1\nkind: Pod\n", "日本", "\r\n",
     "[Service]\nExecStart=", "'", '"', "{", "[", "${A}", "$(", "max-model-len: 1\n", "&a ", "*a ", "|\n",
     "FD_LOG_DIR=log ", "--- \n"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14), st.sampled_from(KINDS))
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_lint_and_every_fix_settles(pieces: list[str], kind: Kind) -> None:
    text = "".join(pieces)

    def judge(characters: str) -> tuple[Finding, ...]:
        return findings(read("a", characters, kind))

    try:
        found = judge(text)
        fixed = mended(text, judge).characters
        again = mended(fixed, judge).characters
    except SpecError:
        return
    lines = text.split("\n")
    assert all(1 <= one.line <= len(lines) and 1 <= one.column <= len(lines[one.line - 1]) + 1 for one in found)
    assert again == fixed
