"""The what-if picture as PNG or SVG: what is drawn where, written whole or not at all.

matplotlib is an extra and slow to import, so it is imported where something is drawn. It gets no display, no file of
settings and no clock: the same case gives the same bytes.
"""

import importlib
import io
import logging
import os
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ernie_deploy import files
from ernie_deploy.cli import drawing, lettering
from ernie_deploy.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ernie_deploy.plan.gate import Case, Judgement
    from ernie_deploy.plan.memory import Ledger
    from ernie_deploy.plan.region import WhatIf

SUFFIXES: Final = (".png", ".svg")
DPI: Final = 150
NO_CLOCK: Final[dict[str, dict[str, Any]]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
ENGINES: Final = {"fastdeploy": "FastDeploy", "vllm": "vLLM"}
LEFT: Final = 0.045


def chart(target: Path, case: "Case", *, model: str) -> None:
    """Draw the picture of this case. Raises UsageError, and leaves what was there, when that cannot be done."""
    from ernie_deploy.plan.gate import judge
    from ernie_deploy.plan.region import what_if

    kind = chart_format(target)
    write(target, drawn(what_if(case), judge(case), kind, model=model))


def write(target: Path, data: bytes) -> None:
    """Put the picture there, whole or not at all."""
    try:
        files.write_atomically(target, data)
    except OSError as error:
        hint = "name a file in a directory that exists, where you may write and where there is room"
        why = error.strerror or str(error)
        raise UsageError(f"{target}: the chart cannot be written: {why}", hint=hint) from None


def chart_format(target: Path) -> str:
    """`png` or `svg`. Raises UsageError for any other, and where matplotlib is missing."""
    if target.suffix.lower() not in SUFFIXES:
        stem = target.stem or "fit"
        raise UsageError(f"{target}: a chart is a .png or .svg file", hint=f"--chart {stem}.png or --chart {stem}.svg")
    # matplotlib refuses to be imported when this names a backend that is not here; we show nothing on a screen.
    os.environ.pop("MPLBACKEND", None)
    # Where it may keep no cache it says so at length; the picture is the same.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        importlib.import_module("matplotlib.figure")
    except ImportError as error:
        why = "a chart is drawn by matplotlib, which cannot be imported here"
        raise UsageError(why, hint="pip install 'ernie-deploy[chart]'", details=str(error)) from None
    return target.suffix.lower()[1:]


def drawn(found: "WhatIf", judgement: "Judgement", kind: str, *, model: str) -> bytes:
    """The picture as a file of this kind."""
    import matplotlib
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A name in letters that the font lacks is drawn as boxes; that is no news for a terminal.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        matplotlib.rcdefaults()
        # The first comes with matplotlib, so that a PNG is the same everywhere; a browser may lack it.
        matplotlib.rc("font", **{"family": "sans-serif", "sans-serif": ["DejaVu Sans", "Verdana", "Arial"]})
        matplotlib.rc("svg", fonttype="none", hashsalt="ernie-deploy")
        matplotlib.rc("text", parse_math=False)
        figure = Figure(figsize=(drawing.WIDTH_IN, drawing.HEIGHT_IN), dpi=DPI, facecolor="white")
        _headline(figure, found, judgement, model)
        drawing.key(figure, found, left=drawing.PLOT[0], height=0.833)
        drawing.regions(figure, found)
        drawing.card(figure, judgement.ledger, found)
        _footnote(figure, judgement.ledger)
        figure.savefig(stream, format=kind, metadata=NO_CLOCK[kind])
    return stream.getvalue()


def title(found: "WhatIf", model: str) -> str:
    """`ERNIE-4.5-VL-28B-A3B-Thinking on one NVIDIA L20 (46,068 MiB) · FastDeploy`."""
    sizes = found.sizes_bytes
    mib = f"{min(sizes) >> 20:,} MiB"
    if len(sizes) == 1:
        where = f"{'one ' if found.device == 'cuda' else ''}{found.card} ({mib})"
    elif len(set(sizes)) == 1:
        where = f"{len(sizes)} × {found.card} ({mib} each)"
    else:
        where = f"{len(sizes)} cards, of which the {found.card} decides ({mib})"
    name = Path(model).name or model
    return f"{name} on {where} · {ENGINES.get(found.engine, found.engine)}"


def origin(ledger: "Ledger") -> str:
    """Whether the numbers were measured or estimated."""
    told = [line for line in ledger.lines if line.name == "correction"]
    weights = "sizes of the weights measured" if _has_measured_weights(ledger) else "weights from the dimensions"
    if told:
        first = f"Settings at hand: measured ({told[0].source}). Borders: estimated, {weights}."
    else:
        first = f"Estimated, {weights}; no boot with these settings was measured."
    unknown = " What other processes use is not known." if ledger.is_known_in_part else ""
    most = (ledger.most_blocks or 0) * ledger.block_size
    capped = f" The engine makes no more than {most:,} tokens of KV cache." if 0 < most == ledger.kv_tokens else ""
    return f"{first}{unknown}{capped}"


def _slots(number: int) -> str:
    return "1 sequence slot" if number == 1 else f"{number} sequence slots"


def _has_measured_weights(ledger: "Ledger") -> bool:
    return any(line.kind == "measured" and line.name.startswith("weights") for line in ledger.lines)


def _headline(figure: "Figure", found: "WhatIf", judgement: "Judgement", model: str) -> None:
    words = lettering.printable(title(found, model))
    size = lettering.fitting(words, 17, drawing.WIDTH_IN * (1 - 2 * LEFT))
    figure.text(LEFT, 0.945, words, size=size, weight="bold", color=lettering.INK)
    asked = f"{found.quantization}, {found.max_model_len:,} tokens, {_slots(found.max_num_seqs)}:"
    pieces = [(asked, lettering.INK, "normal"), (found.verdict, drawing.VERDICTS[found.verdict][0], "bold")]
    pieces.append((f"({found.confidence})", lettering.SOFT, "normal"))
    lettering.sentence(figure, (LEFT, 0.915), pieces, size=12)
    buys = f"{found.kv_tokens:,} tokens of KV cache"
    said = "; ".join(judgement.problems) or f"{buys}, {judgement.buys.full_length_requests:.1f} full-length requests"
    figure.text(LEFT, 0.882, textwrap.shorten(said, 150, placeholder=" …"), size=11, color=lettering.SOFT)


def _footnote(figure: "Figure", ledger: "Ledger") -> None:
    shades = "Sure: every entry at its most. At best: every entry at its least."
    points = "Each point is planned with just that length and that many slots."
    lines = (f"{shades} {points}", origin(ledger))
    for index, line in enumerate(lines):
        words = lettering.printable(line)
        size = lettering.fitting(words, 9, drawing.WIDTH_IN * (1 - 2 * LEFT))
        figure.text(LEFT, 0.038 - 0.021 * index, words, size=size, color=lettering.SOFT)
