"""How pip is spoken to: arguments as data, its report as values.                                        (pure)"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from ernie_deploy.environments.recipe import Offer, Recipe

QUIET = ("--disable-pip-version-check", "--no-input", "--progress-bar=off")


class _Metadata(msgspec.Struct, frozen=True):
    name: str
    version: str


class _Item(msgspec.Struct, frozen=True):
    metadata: _Metadata


class _Report(msgspec.Struct, frozen=True):
    install: tuple[_Item, ...]


def install(python: Path, recipe: Recipe, offer: Offer) -> tuple[str, ...]:
    """The command that installs an offer. `-I` keeps PYTHONPATH and the user's own packages out of it."""
    lock = recipe.lock_path
    argv = [str(python), "-I", "-m", "pip", "install", *QUIET]
    if lock:
        argv.append(f"--constraint={lock}")
    if offer.locked:
        argv += [f"--requirement={lock}", "--no-deps", "--only-binary=:all:"]
    if offer.no_deps:
        argv.append("--no-deps")
    if offer.index_url:
        argv.append(f"--index-url={offer.index_url}")
    if offer.extra_index_url:
        argv.append(f"--extra-index-url={offer.extra_index_url}")
    return (*argv, *offer.packages)


def ask(command: tuple[str, ...], report: Path) -> tuple[str, ...]:
    """The same command, only asking what it would install."""
    return (*command, "--dry-run", f"--report={report}")


def parse_report(content: bytes) -> dict[str, str]:
    """pip's installation report: versions by normal name."""
    items = msgspec.json.decode(content, type=_Report).install
    return {normal(item.metadata.name): item.metadata.version for item in items}


def normal(name: str) -> str:
    """`PyYAML_x` → `pyyaml-x`: names of distributions as they compare."""
    return name.lower().replace("_", "-").replace(".", "-")


def unwanted(recipe: Recipe, versions: Mapping[str, str]) -> tuple[str, ...]:
    """Which of these must not be in the environment, as sentences."""
    return (*_forbidden(recipe.forbids, versions), *_changed(recipe.keeps, versions))


def _forbidden(forbids: tuple[str, ...], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name} must not come along" for name in sorted(names) if name.startswith(forbids))


def _changed(keeps: Mapping[str, str], versions: Mapping[str, str]) -> tuple[str, ...]:
    found = ((name, wanted, versions.get(normal(name), wanted)) for name, wanted in keeps.items())
    return tuple(f"{name} would be {version} and not {wanted}" for name, wanted, version in found if version != wanted)
