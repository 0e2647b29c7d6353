"""The two progress bars of a start, made from what the worker says."""

import re
from collections.abc import Callable

SHARDS = re.compile(r"Loading (?:safetensors )?checkpoint shards:\s*(\d+)")
LAYER = re.compile(r"(?:Start load layer|set state for layer) (\d+)")
WIDTH = 10


class Progress:
    """Feeds on the worker's stdout, and draws on stderr with carriage returns, as tqdm does."""

    def __init__(self, draw: Callable[[str], None], layers: int) -> None:
        self._draw = draw
        self._layers = layers
        self._rest = b""
        self._bar = ""
        self._shown = -1

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            if found := SHARDS.search(text):
                self._show("Loading Weights", int(found[1]))
            elif found := LAYER.search(text):
                self._show("Loading Layers", 100 * (int(found[1]) + 1) // self._layers)

    def end(self) -> None:
        """A bar that is not full leaves its line open; close it."""
        if self._bar and self._shown < 100:
            self._draw("\n")
        self._bar = ""

    def _show(self, bar: str, percent: int) -> None:
        percent = min(100, percent)
        if bar != self._bar:
            self.end()
            self._bar, self._shown = bar, -1
        if percent <= self._shown:
            return
        self._shown = percent
        full = "█" * (percent * WIDTH // 100)
        self._draw(f"\r{bar}: {percent:3d}%|{full:<{WIDTH}}| {percent}/100" + ("\n" if percent == 100 else ""))
