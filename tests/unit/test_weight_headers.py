import json
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_deploy.weights.headers import ALL_HEADERS_LIMIT_BYTES, MOST_TENSORS, Header, read_headers

GOOD = {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}


def read(directory: Path, header: bytes, *, data_bytes: int = 12) -> Header:
    path = directory / "model.safetensors"
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(header)) + header)
        stream.truncate(8 + len(header) + data_bytes)
    return read_headers({path.name: path})[path.name]


def test_a_good_header_is_understood_with_metadata_and_padding(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps({"__metadata__": {"data_offsets": "x"}, "a": GOOD}).encode() + b"   ")
    assert found.problem == ""
    assert [(name, tensor.stored_bytes) for name, tensor in found.tensors.items()] == [("a", 12)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dtype": "F32"}, "[2, 3] of F32 are 24 bytes, and it has 12"),
        ({"dtype": "BF61"}, "its type BF61 is not known"),
        ({"dtype": "\u001b[2J"}, r"its type '\x1b[2J' is not known"),
        ({"dtype": None}, "dtype: expected str, got null"),
        ({"shape": [2, 2]}, "[2, 2] of BF16 are 8 bytes, and it has 12"),
        ({"shape": [-2, -3]}, "shape[0]: expected int >= 0"),
        ({"shape": [2**63]}, "shape[0]: expected int <= 9223372036854775807"),
        ({"shape": [2**62, 2**62]}, "are 42535295865117307932921825928971026432 bytes, and it has 12"),
        ({"shape": [10**400]}, "shape[0]: "),
        ({"shape": [1] * 1000}, "shape: expected array of length <= 16"),
        ({"shape": [2, True]}, "shape[1]: expected int, got bool"),
        ({"shape": [2, 3.0]}, "shape[1]: expected int, got float"),
        ({"shape": "6"}, "shape: expected array, got str"),
        ({"data_offsets": [12, 0]}, "it ends before it begins"),
        ({"data_offsets": [0, 12, 24]}, "data_offsets: expected array of length 2"),
        ({"data_offsets": [False, 12]}, "data_offsets[0]: expected int, got bool"),
    ],
)
def test_a_tensor_that_cannot_be_is_named_with_the_reason(
    tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    found = read(tmp_path, json.dumps({"a": GOOD | changes}).encode())
    assert found.problem.startswith("has a header with an impossible tensor, a: ")
    assert says in found.problem
    assert found.tensors == {}


@pytest.mark.parametrize("entry", [b"1", b"[]", b"null", b"{}", b'{"dtype": "U8", "shape": [12]}'])
def test_an_entry_that_is_no_tensor_is_refused(tmp_path: Path, entry: bytes) -> None:
    assert "impossible tensor" in read(tmp_path, b'{"a": %s}' % entry).problem


def test_a_name_cannot_write_to_the_terminal_nor_fill_it(tmp_path: Path) -> None:
    assert read(tmp_path, b'{"\\u001b[2J": 1}').problem.isprintable()
    assert len(read(tmp_path, b'{"%s": 1}' % (b"a" * 100_000)).problem) < 250


def test_a_tensor_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    entry = json.dumps(GOOD).encode()
    twice = read(tmp_path, b'{"a": %s, "\\u0061": %s}' % (entry, entry))
    assert twice.problem == "has a header that names a tensor twice"


@pytest.mark.parametrize("deep", [b"[" * 50_000 + b"]" * 50_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000])
def test_a_deep_header_ends_in_a_problem(tmp_path: Path, deep: bytes) -> None:
    assert read(tmp_path, b'{"a": {"dtype": %s}}' % deep).problem == "has a header that is not JSON"


def test_a_table_of_very_many_entries_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    many = b"{" + b'"":0,' * (5 * MOST_TENSORS) + b'"a":0}'
    assert read(tmp_path, many).problem == "has a header with too many tensors: no model has 200000"


def test_headers_are_bounded_all_together(tmp_path: Path) -> None:
    """The files are holes; what is read of them is none the less memory."""
    paths = {name: tmp_path / name for name in ("model-1.safetensors", "model-2.safetensors")}
    length = ALL_HEADERS_LIMIT_BYTES // 2 + 1
    for path in paths.values():
        path.write_bytes(struct.pack("<Q", length))
        with path.open("r+b") as stream:
            stream.truncate(8 + length)
    first, second = read_headers(paths).values()
    assert first.problem == "has a header that is not JSON"
    assert second.problem == "has a header that is too large: no model's take 64.0 MiB"


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), how_often=st.integers(1, 6))
def test_a_damaged_header_is_a_problem_or_still_adds_up(
    tmp_path_factory: pytest.TempPathFactory, seed: int, how_often: int
) -> None:
    chance = random.Random(seed)
    header = bytearray(json.dumps({"a": GOOD, "b": GOOD | {"data_offsets": [12, 24]}}).encode())
    for _ in range(how_often):
        header[chance.randrange(len(header))] = chance.choice([*b'0123456789-.,:[]{}"\\eEabBF', chance.randrange(256)])
    found = read(tmp_path_factory.getbasetemp(), bytes(header), data_bytes=24)
    assert found.problem.isprintable()
    assert found.problem or sum(tensor.stored_bytes for tensor in found.tensors.values()) == 24
