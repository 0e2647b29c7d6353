"""reference.yaml is what `init` writes: it names every key once, and says nothing but the documented service."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from ernie_deploy.catalog.load import engines
from ernie_deploy.plan.layers import Layer, asked, completed
from ernie_deploy.plan.resolve import resolve
from ernie_deploy.plan.values import Plan, Setting
from ernie_deploy.spec.load import decode, parse
from ernie_deploy.spec.schema import KEYS, given
from tests.support.hosts import some_facts

TEXT = files("ernie_deploy.spec").joinpath("reference.yaml").read_text(encoding="utf-8")
KEY = re.compile(r"^(?P<mark># )?(?P<key>[a-z_]+):(?= |$)", re.MULTILINE)


def planned(*texts: str) -> Plan:
    layers: list[Layer] = [asked("file", "deploy.yaml: {key}", decode(parse(text, "it"), "it")) for text in texts]
    return resolve(completed(layers), some_facts(), state_root=Path("/state"))


def values(plan: Plan) -> dict[str, object]:
    settings = {key: getattr(plan, key) for key in Plan.__struct_fields__}
    return {key: one.value if isinstance(one, Setting) else one for key, one in settings.items()}


def test_every_key_stands_in_it_exactly_once() -> None:
    assert sorted(found["key"] for found in KEY.finditer(TEXT)) == sorted(KEYS)


def test_every_key_has_words_above_it() -> None:
    lines = TEXT.splitlines()
    for number, line in enumerate(lines):
        if KEY.match(line):
            above = lines[number - 1]
            assert above.startswith("# "), line
            assert not KEY.match(above), line


def test_it_plans_the_same_as_no_file_at_all() -> None:
    assert values(planned(TEXT)) == values(planned())


def test_the_values_it_shows_for_fastdeploy_are_those_that_hold() -> None:
    _, _, shown = TEXT.partition("# Values documented for FastDeploy")
    block, _, _ = shown.partition("# End of the values documented for FastDeploy.")
    spoken = given(decode(parse("\n".join(line[2:] for line in block.splitlines() if KEY.match(line)), "it"), "it"))
    assert spoken.keys() >= {"quantization", "max_model_len", "max_num_seqs", "mm_processor_kwargs"}
    plan = values(planned())
    assert {key: plan[key] for key in spoken} == spoken


def test_every_key_that_is_left_out_can_be_asked_for() -> None:
    uncommented = KEY.sub(lambda found: found["key"] + ":", TEXT)
    assert sorted(given(decode(parse(uncommented, "it"), "it"))) == sorted(KEYS)


@pytest.mark.parametrize("engine", engines())
def test_with_another_engine_it_is_what_that_engine_documents(engine: str) -> None:
    text = TEXT.replace("engine: fastdeploy", f"engine: {engine}")
    assert values(planned(text)) == values(planned(f"engine: {engine}"))
