import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ernie_deploy import rehearsal
from ernie_deploy.weights.snapshot import inspect

CONFIG = {
    "model_type": "ernie4_5_moe_vl",
    "torch_dtype": "bfloat16",
    "vision_config": {},
    "rope_scaling": {"type": "default", "mrope_section": [22, 22, 20]},
}
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def safetensors(tensors: Mapping[str, Sequence[int]], data: bytes) -> bytes:
    header = {
        name: {"dtype": "U8", "shape": [ends - begins], "data_offsets": [begins, ends]}
        for name, (begins, ends) in tensors.items()
    }
    text = json.dumps({"__metadata__": {"format": "pt"}} | header).encode()
    return struct.pack("<Q", len(text)) + text + data


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A whole model in two shards; a test breaks one thing."""
    write_json(tmp_path / "config.json", CONFIG)
    write_json(tmp_path / "tokenizer_config.json", {"chat_template": "{{ messages }}"})
    write_json(tmp_path / "tokenizer.json", {})
    write_json(tmp_path / "preprocessor_config.json", {})
    (tmp_path / SHARDS[0]).write_bytes(safetensors({"a": (0, 4), "b": (4, 10)}, bytes(10)))
    (tmp_path / SHARDS[1]).write_bytes(safetensors({"c": (0, 3)}, bytes(3)))
    write_json(
        tmp_path / "model.safetensors.index.json", {"weight_map": {"a": SHARDS[0], "b": SHARDS[0], "c": SHARDS[1]}}
    )
    return tmp_path


def problems(model: Path) -> tuple[str, ...]:
    return inspect(model).problems


def config(model: Path, *, without: str = "", **changes: Any) -> None:
    write_json(model / "config.json", {key: value for key, value in (CONFIG | changes).items() if key != without})


def test_a_whole_model_has_no_problems(model: Path) -> None:
    found = inspect(model)
    assert found.problems == ()
    assert (found.model_type, found.dtype) == ("ernie4_5_moe_vl", "bfloat16")
    assert found.size_bytes == sum(file.stat().st_size for file in model.iterdir())


@pytest.mark.parametrize("layout", [rehearsal.HUB, rehearsal.NATIVE], ids=["hub", "native"])
def test_both_layouts_of_the_rehearsal_model_are_whole(layout: Path) -> None:
    assert inspect(layout).problems == ()


def test_a_directory_that_is_not_there_says_so(tmp_path: Path) -> None:
    assert problems(tmp_path / "nowhere") == ("it does not exist",)
    (tmp_path / "file").touch()
    assert problems(tmp_path / "file") == ("it is not a directory",)


def test_a_missing_shard_is_named(model: Path) -> None:
    (model / SHARDS[1]).unlink()
    assert problems(model) == (f"{SHARDS[1]} is missing",)


def test_a_shard_that_only_the_index_knows_is_named(model: Path) -> None:
    write_json(
        model / "model.safetensors.index.json",
        {"weight_map": {"a": SHARDS[0], "b": SHARDS[0], "c": "model-x.safetensors"}},
    )
    assert problems(model) == (
        "model-x.safetensors is missing",
        f"{SHARDS[1]} is not in model.safetensors.index.json: remove it",
    )


def test_an_endless_list_of_missing_shards_is_kept_short(model: Path) -> None:
    (model / "model-00001-of-99999.safetensors").write_bytes(safetensors({}, b""))
    assert "99993 more shards are missing" in problems(model)
    assert len(problems(model)) == 8


def test_shards_without_an_index_are_a_problem(model: Path) -> None:
    (model / "model.safetensors.index.json").unlink()
    assert problems(model) == ("model.safetensors.index.json is missing",)


def test_a_tensor_that_is_not_in_its_shard_is_named(model: Path) -> None:
    (model / SHARDS[1]).write_bytes(safetensors({"d": (0, 3)}, bytes(3)))
    assert problems(model) == (
        f"{SHARDS[1]} lacks 1 tensors that model.safetensors.index.json puts there, c among them",
    )


def test_a_stray_weight_file_is_named(model: Path) -> None:
    (model / "model-old.safetensors").write_bytes(safetensors({"z": (0, 1)}, b"0"))
    assert problems(model) == ("model-old.safetensors is not in model.safetensors.index.json: remove it",)


def test_no_weights_at_all_is_a_problem(model: Path) -> None:
    for name in (*SHARDS, "model.safetensors.index.json"):
        (model / name).unlink()
    assert problems(model) == ("there are no weights (no model*.safetensors)",)


def test_one_file_of_weights_needs_no_index(model: Path) -> None:
    for name in (*SHARDS, "model.safetensors.index.json"):
        (model / name).unlink()
    (model / "model.safetensors").write_bytes(safetensors({"a": (0, 1)}, b"0"))
    assert problems(model) == ()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5000000000\n"
PAGE = b"<!DOCTYPE html>\n<html><title>403 Forbidden</title></html>"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (LFS, "is a Git LFS pointer, not the file itself (fetch it with git lfs pull)"),
        (PAGE, "is a web page, not the file itself (an error page was saved in its place)"),
        (b"", "is empty"),
        (b"abc", "is truncated inside its header"),
        (safetensors({"c": (0, 3)}, b"")[:20], "is truncated inside its header (20 B of"),
        (safetensors({"c": (0, 3)}, b"0"), "is truncated: 1 B of 3 B are there"),
        (safetensors({"c": (0, 3)}, bytes(9)), "has 6 B after its last tensor"),
        (safetensors({"c": (0, 2), "d": (3, 4)}, bytes(4)), "has tensors that leave a gap at byte 2"),
        (safetensors({"c": (0, 2), "d": (1, 4)}, bytes(4)), "has tensors that overlap at byte 2"),
        (
            safetensors({"c": (3, 1)}, bytes(3)),
            "has a header with an impossible tensor, c: shape[0]: expected int >= 0",
        ),
        (struct.pack("<Q", 4) + b"null", "has a header that is not a table of tensors"),
        (struct.pack("<Q", 3) + b"{{{", "has a header that is not JSON"),
        (struct.pack("<Q", 4) + b"\xff\xfe\x00\x01", "has a header that is not JSON"),
        (struct.pack("<Q", 100_000) + b"[" * 100_000, "has a header that is not a table of tensors"),
        (struct.pack("<Q", 100_005) + b'{"a":' + b"[" * 100_000, "has a header that is not JSON"),
        (
            struct.pack("<Q", 2**63) + b"{}",
            "is not a safetensors file (its header would take 9223372036854775808 bytes)",
        ),
    ],
)
def test_a_broken_shard_is_named_with_what_is_wrong(model: Path, content: bytes, says: str) -> None:
    (model / SHARDS[1]).write_bytes(content)
    (problem,) = [problem for problem in problems(model) if "lacks" not in problem]
    assert problem.startswith(f"{SHARDS[1]} {says}")


def test_the_key_that_tells_fastdeploy_the_layout_must_be_there_once(model: Path) -> None:
    config(model, dtype="bfloat16")
    assert problems(model)[0].startswith("fastdeploy: config.json has both torch_dtype and dtype")
    config(model, without="torch_dtype")
    assert problems(model)[0].startswith("fastdeploy: config.json has neither torch_dtype")


def test_positions_that_vllm_would_silently_flatten_are_a_problem_for_vllm(model: Path) -> None:
    config(model, without="rope_scaling")
    (problem,) = problems(model)
    assert problem.startswith("vllm: config.json has no rope_scaling.mrope_section")


def test_a_configuration_that_is_no_configuration_is_named(model: Path) -> None:
    for content, says in (
        (b"", "config.json is empty"),
        (b"[1]", "config.json is not a JSON object"),
        (LFS, "Git LFS"),
    ):
        (model / "config.json").write_bytes(content)
        assert says in problems(model)[0]
    (model / "config.json").unlink()
    assert problems(model) == ("config.json is missing",)


def test_files_beside_the_weights_are_needed_too(model: Path) -> None:
    for name in ("tokenizer.json", "preprocessor_config.json"):
        (model / name).unlink()
    write_json(model / "tokenizer_config.json", {})
    assert [problem.split(" (")[0] for problem in problems(model)] == [
        "there is no tokenizer",
        "there is no chat template",
        "preprocessor_config.json is missing",
    ]


def test_a_model_without_eyes_needs_no_preprocessor(model: Path) -> None:
    config(model, without="vision_config")
    (model / "preprocessor_config.json").unlink()
    assert problems(model) == ()


def test_a_link_to_a_blob_that_was_not_copied_is_named(model: Path) -> None:
    (model / SHARDS[1]).unlink()
    (model / SHARDS[1]).symlink_to("../../blobs/0123")
    assert f"{SHARDS[1]} is a link to a file that is not there" in problems(model)


def test_a_tokenizer_that_is_a_pointer_is_named(model: Path) -> None:
    (model / "tokenizer.json").write_bytes(LFS)
    assert problems(model) == ("tokenizer.json is a Git LFS pointer, not the file itself (fetch it with git lfs pull)",)
