"""A fake NVML library, built once with gcc, and the cards to put into it.

    library = nvml.build(tmp_path)                       once; a session fixture does
    state = tmp_path / "state"; state.write_text(nvml.state(cards=[nvml.L20]))
    subprocess.run([...], env={**os.environ, **nvml.environment(library, state)})

The state file is read again at every NVML call: rewrite it (whole: `files.write_atomically`) to break a card mid-run.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ernie_deploy.facts.values import Gpu, Tenant

SOURCE: Final = Path(__file__).parent / "fake_nvml" / "nvml.c"


class Card(msgspec.Struct, frozen=True):
    """One card. None is "not supported"; `processes` are (pid, MiB) pairs, a size of None is "not available"."""

    name: str
    total_mib: int | None
    compute_capability: str | None
    used_mib: int | None = 3
    is_mig: bool | None = None
    uuid: str = ""
    processes: tuple[tuple[int, int | None], ...] = ()
    errors: Mapping[str, int] = {}

    def with_(self, **changes: object) -> "Card":
        """This card, but."""
        return msgspec.structs.replace(self, **changes)

    def fact(self, index: int = 0) -> Gpu:
        """What `collect` makes of it, for tests of checks."""
        return Gpu(
            index=index,
            name=self.name,
            uuid=self.uuid or f"GPU-{index}",
            total_mib=self.total_mib or 0,
            used_mib=self.used_mib,
            compute_capability=self.compute_capability,
            mig_enabled=self.is_mig,
            tenants=tuple(Tenant(pid, size, f"process-{pid}") for pid, size in self.processes),
        )


V100_32GB: Final = Card("Tesla V100-SXM2-32GB", 32768, "7.0")
RTX_4090: Final = Card("NVIDIA GeForce RTX 4090", 24564, "8.9")
A30: Final = Card("NVIDIA A30", 24576, "8.0", is_mig=False)
L20: Final = Card("NVIDIA L20", 46068, "8.9")
A6000: Final = Card("NVIDIA RTX A6000", 49140, "8.6")
A100_40GB: Final = Card("NVIDIA A100-SXM4-40GB", 40960, "8.0", is_mig=False)
A100_80GB: Final = Card("NVIDIA A100-SXM4-80GB", 81920, "8.0", is_mig=False)
H20: Final = Card("NVIDIA H20", 97871, "9.0", is_mig=False)
H200: Final = Card("NVIDIA H200", 143771, "9.0", is_mig=False)
RTX_PRO_6000: Final = Card("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 97887, "12.0", is_mig=False)


def build(directory: Path) -> Path:
    """Compile libnvidia-ml.so.1 into `directory` and return that directory. No compiler is an error, not a skip."""
    if shutil.which("gcc") is None:
        raise RuntimeError("these tests compile a fake NVML library and need gcc: apt-get install gcc libc6-dev")
    target = directory / "libnvidia-ml.so.1"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(target), str(SOURCE)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise RuntimeError(f"the fake NVML library does not compile:\n{built.stderr}")
    return directory


def state(
    cards: Sequence[Card] = (), *, driver: str = "550.54.15", cuda: int = 12040, errors: Mapping[str, int] | None = None
) -> str:
    """The state file's text. `errors` maps functions such as `nvmlInitWithFlags` to the code they answer; `cuda=0` and
    `driver=""` are "not supported"."""
    lines = [f"driver {driver}", f"cuda {cuda}", *_errors(errors or {})]
    for index, card in enumerate(cards):
        lines += [
            "card",
            f"name {card.name}",
            f"uuid {card.uuid or f'GPU-{index}'}",
            *_told("total_mib", card.total_mib),
            *_told("used_mib", card.used_mib),
            *_told("cc", card.compute_capability),
            *_told("mig", None if card.is_mig is None else int(card.is_mig)),
            *(f"process {pid} {-1 if size is None else size}" for pid, size in card.processes),
            *_errors(card.errors),
        ]
    return "\n".join(lines) + "\n"


def environment(library: Path, state_file: Path) -> dict[str, str]:
    """What a process needs in its environment to see the fake cards."""
    return {"LD_LIBRARY_PATH": str(library), "FAKE_NVML_STATE": str(state_file)}


def _told(word: str, value: object) -> list[str]:
    return [] if value is None else [f"{word} {value}"]


def _errors(errors: Mapping[str, int]) -> list[str]:
    return [f"error {function} {code}" for function, code in errors.items()]
