"""The rehearsal model: a tiny checkpoint of the ERNIE-4.5-VL-MoE architecture that real engines serve without a GPU.

One model in two layouts, because no engine reads both; `grammar` says what it was taught, `MODEL_CARD.md` how well.
"""

from pathlib import Path
from typing import Final

HUB: Final = Path(__file__).parent / "hub"
"""The layout of the original repositories, with code of its own: what vLLM reads."""

NATIVE: Final = Path(__file__).parent / "native"
"""The layout of the transformers library: what `transformers serve` reads."""
