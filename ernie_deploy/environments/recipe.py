"""How an environment is made, as data: `catalog/environments.yaml`, decoded strictly. A wrong recipe is a bug."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from ernie_deploy.errors import UsageError

CATALOG = Path(__file__).parent.parent / "catalog"
LOCKS = CATALOG / "constraints"
SHIMS = Path(__file__).parent / "shims"
PROSE = ("title", "why", "note", "evidence")

EngineName = Literal["transformers", "vllm", "fastdeploy", "erniekit"]


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask pip for and where: `index_url` instead of the configured index, `extra_index_url` beside it.

    `locked` asks for everything in the recipe's lock, and for nothing that is not in it.
    """

    packages: tuple[str, ...] = ()
    locked: bool = False
    no_deps: bool = False
    index_url: str = ""
    extra_index_url: str = ""


class PipInstall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="pip_install"):
    """Install the first of the offers that pip can resolve."""

    title: str
    why: str
    offers: tuple[Offer, ...]


class NewFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file directly in site-packages: either the `shim` of that name, or `text`."""

    name: str
    shim: str = ""
    text: str = ""

    def content(self) -> str:
        return (SHIMS / self.shim).read_text(encoding="utf-8") if self.shim else self.text


class WriteFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="write_files"):
    """Put files of our own into site-packages."""

    title: str
    why: str
    files: tuple[NewFile, ...]


class WriteMetadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="write_metadata"):
    """Let a distribution of this name seem installed, with no files of its own."""

    title: str
    why: str
    name: str
    version: str


Step = PipInstall | WriteFiles | WriteMetadata


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One environment; the head of the catalog file says what each field means."""

    name: str
    engine: EngineName
    cpu: bool
    evidence: Literal["ran", "documented"]
    note: str
    machines: tuple[str, ...]
    pythons: tuple[str, ...]
    disk_gib: float
    distribution: str
    version: str
    imports: tuple[str, ...]
    steps: tuple[Step, ...]
    lock: str = ""
    forbids: tuple[str, ...] = ()
    keeps: dict[str, str] = {}

    @property
    def lock_path(self) -> Path | None:
        return LOCKS / self.lock if self.lock else None

    @property
    def sha256(self) -> str:
        """Changes with what goes into the environment: the recipe (not its prose), its lock, the files it writes."""
        written = [file.content() for step in self.steps if isinstance(step, WriteFiles) for file in step.files]
        lock = self.lock_path.read_text(encoding="utf-8") if self.lock_path else ""
        plain = _without_prose(msgspec.to_builtins(self))
        return hashlib.sha256(msgspec.json.encode((plain, lock, written), order="sorted")).hexdigest()

    @property
    def pinned(self) -> dict[str, str]:
        """The distributions whose versions are worth telling, with the versions that they must have at the end."""
        return {self.distribution: self.version, **self.keeps}


def _without_prose(value: Any) -> Any:
    """Better words are no reason to fetch gigabytes again."""
    if isinstance(value, dict):
        return {key: _without_prose(inner) for key, inner in value.items() if key not in PROSE}
    return [_without_prose(inner) for inner in value] if isinstance(value, list | tuple) else value


def parse(document: Any) -> dict[str, Recipe]:
    """Recipes by name, from a mapping of names to their other fields."""
    return {name: msgspec.convert({"name": name, **fields}, Recipe) for name, fields in document.items()}


@cache
def recipes() -> dict[str, Recipe]:
    """All recipes of the catalog, by name."""
    text = (CATALOG / "environments.yaml").read_text(encoding="utf-8")
    return parse(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def load(name: str) -> Recipe:
    """The recipe called `name`; UsageError when there is none."""
    try:
        return recipes()[name]
    except KeyError:
        raise UsageError(f"there is no recipe {name!r}", hint=f"known are: {', '.join(recipes())}") from None


def for_engine(engine: str, *, cpu: bool) -> Recipe:
    """The recipe of an engine, with or without a GPU; UsageError when there is none."""
    for one in recipes().values():
        if (one.engine, one.cpu) == (engine, cpu):
            return one
    kind = "CPU" if cpu else "GPU"
    known = dict.fromkeys(one.engine for one in recipes().values() if one.cpu == cpu)
    raise UsageError(
        f"there is no {kind} environment for {engine!r}", hint=f"with a {kind} there are: {', '.join(known)}"
    )
