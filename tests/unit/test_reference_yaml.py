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


def block_left_out(text: str) -> str:
    """The text after doing what it says for another engine."""
    before, begin, rest = text.partition("# Values documented for FastDeploy")
    block, end, after = rest.partition("# End of the values documented for FastDeploy.")
    assert begin
    assert end
    return before + begin + re.sub(r"^", "# ", block, flags=re.MULTILINE) + end + after


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


def test_it_says_what_the_documented_service_is() -> None:
    spoken = given(decode(parse(TEXT, "it"), "it"))
    assert (spoken["engine"], spoken["quantization"], spoken["port"]) == ("fastdeploy", "wint8", 8180)


def test_every_key_that_is_left_out_can_be_asked_for() -> None:
    uncommented = KEY.sub(lambda found: found["key"] + ":", TEXT)
    assert sorted(given(decode(parse(uncommented, "it"), "it"))) == sorted(KEYS)


@pytest.mark.parametrize("engine", [name for name in engines() if name != "fastdeploy"])
def test_leaving_out_the_fastdeploy_block_gives_what_another_engine_documents(engine: str) -> None:
    text = block_left_out(TEXT).replace("engine: fastdeploy", f"engine: {engine}")
    assert values(planned(text)) == values(planned(f"engine: {engine}"))
