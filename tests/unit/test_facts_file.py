"""`--facts FILE`: what another host said is read whole or refused, and nothing in it steers this terminal."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ernie_deploy.catalog.architectures import architectures
from ernie_deploy.cli import stages
from ernie_deploy.cli.stages import read_facts
from ernie_deploy.errors import SpecError
from tests.support import hosts


def written(path: Path, **card: Any) -> Path:
    """The facts of a host whose card has these fields."""
    document = json.loads(msgspec.json.encode(hosts.some_facts()))
    document["gpu"]["gpus"][0] |= card
    path.write_text(json.dumps(document))
    return path


def test_the_facts_of_a_host_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_facts(written(tmp_path / "facts.json")) == hosts.some_facts()


@pytest.mark.parametrize(
    ("field", "value"),
    [("total_mib", -5), ("total_mib", 10**18), ("used_mib", -1), ("used_mib", 10**18), ("total_mib", 1.5)],
)
def test_a_card_of_an_impossible_size_is_refused_and_the_place_is_named(
    tmp_path: Path, field: str, value: object
) -> None:
    with pytest.raises(SpecError, match=rf"gpu\.gpus\[0\]\.{field}"):
        read_facts(written(tmp_path / "facts.json", **{field: value}))


def test_control_characters_do_not_reach_a_terminal(tmp_path: Path) -> None:
    found = read_facts(written(tmp_path / "facts.json", name="\x1b[2JL20\n\x9b1A é"))
    assert found.gpu.gpus[0].name == "?[2JL20??1A é"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b'{"host":' + b"[" * 10_000, b"[]"])
def test_what_are_no_facts_is_refused_with_a_way_to_write_them(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(content)
    with pytest.raises(SpecError) as refused:
        read_facts(path)
    assert "ernie-deploy facts" in str(refused.value.hint)


def test_no_more_is_read_than_a_host_has_facts() -> None:
    with pytest.raises(SpecError, match=f"more than {stages.MOST_FACTS_BYTES >> 20} MiB"):
        read_facts(Path("/dev/zero"))


@pytest.mark.parametrize("wrong", [{"moe_intermediate_size": []}, {"num_dense_layers": 29}])
def test_dimensions_that_contradict_each_other_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    shape = architectures()["baidu/ERNIE-4.5-VL-28B-A3B-Thinking"]
    model = msgspec.structs.replace(hosts.a_model(), architecture=shape)
    document = json.loads(msgspec.json.encode(hosts.some_facts(models=(model,))))
    document["models"][0]["architecture"] |= wrong
    (tmp_path / "facts.json").write_text(json.dumps(document))
    with pytest.raises(SpecError, match=r"models\[0\]\.architecture"):
        read_facts(tmp_path / "facts.json")
