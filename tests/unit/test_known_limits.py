"""What engines are known not to do is data: each row is looked up somewhere, and none stands there twice."""

from importlib.resources import files
from pathlib import Path

import yaml

from ernie_deploy.smoke.known_limits import known_limits, why_unsupported

SMOKE = Path(str(files("ernie_deploy.smoke")))
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in SMOKE.rglob("*.py"))


def test_every_row_is_looked_up_by_a_probe() -> None:
    # `why_known` adds the ending, keys.py the route.
    rows = {name.removesuffix("-without-words") for _, name in known_limits()}
    unused = {name for name in rows if f'"{name}"' not in SOURCES and not name.startswith("no-key-for-")}
    assert unused == set()


def test_no_row_stands_there_twice() -> None:
    listed = yaml.safe_load((SMOKE / "known_limits.yaml").read_text(encoding="utf-8"))
    assert len(listed) == len(known_limits())


def test_what_is_not_listed_is_expected_of_an_engine() -> None:
    assert why_unsupported("vllm", "stream-without-done") is None
    assert "[DONE]" in (why_unsupported("transformers", "stream-without-done") or "")
