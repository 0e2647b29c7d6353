"""The two panels of the what-if picture: regions of what is possible, and the card as one bar."""

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ernie_deploy.cli.bar import Segment, Strip, amount, plain, strip
from ernie_deploy.cli.lettering import DIGIT, FAINT, INK, LETTER, SOFT, Spot, fitting, in_a_row, powers, short, spread

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ernie_deploy.plan.memory import Ledger
    from ernie_deploy.plan.region import Region, WhatIf

# Okabe and Ito's colours, which the colour-blind can tell apart; by bits of a weight.
BITS: Final = {4: "#009e73", 8: "#0072b2", 16: "#d55e00"}
VERDICTS: Final = {"fits": ("#00795a", "o"), "tight": ("#a86200", "^"), "does not fit": ("#b3261e", "X")}
# The KV cache has the colour of the quantization: it is what the region above is made of.
SEGMENTS: Final = {
    "weights": "#52606d",
    "context": "#9aa5b1",
    "slots": "#cbb2d6",
    "peaks": "#e8c37d",
    "other processes": "#7b8794",
    "correction": "#b8a99a",
    "unused": FAINT,
    "CUDA graphs": "#b0cfe0",
    "rest": FAINT,
}
# How much white is mixed into what surely fits, what is expected to, and what may at best.
SURE, EXPECTED, AT_BEST = 0.55, 0.74, 0.87
# Nobody looks for the border above this; a region that is held there goes on beyond the picture.
USUAL_TOP: Final = 64
# Below one request there is room for the verdict.
BOTTOM: Final = 0.6
DASHES: Final = (0, (4, 2.5))
NEXT_TO_NOTHING: Final = 1e-3
PLOT: Final = (0.075, 0.315, 0.715, 0.485)
CARD: Final = (0.075, 0.155, 0.88, 0.05)
WIDTH_IN, HEIGHT_IN = 12.0, 8.0


def key(figure: "Figure", found: "WhatIf", *, left: float, height: float) -> None:
    """What the shades, the dashes and the mark mean."""
    from matplotlib.lines import Line2D
    from matplotlib.offsetbox import DrawingArea, TextArea
    from matplotlib.patches import Rectangle

    style = {"size": 10, "color": INK}
    colour, marker = VERDICTS[found.verdict]
    shades, dashes, mark = DrawingArea(48, 11), DrawingArea(30, 11), DrawingArea(12, 11)
    for index, white in enumerate((SURE, EXPECTED, AT_BEST)):
        shades.add_artist(Rectangle((16 * index, 0), 16, 11, facecolor=_tint(BITS[8], white), linewidth=0))
    shades.add_artist(Line2D([32, 32], [-1, 12], color=BITS[8], linewidth=2.4))
    dashes.add_artist(Line2D([0, 30], [5, 5], color=INK, linewidth=1.6, linestyle=DASHES))
    mark.add_artist(Line2D([6], [5], color=colour, marker=marker, markersize=10, linestyle=""))
    slots = "1 slot holds" if found.max_num_seqs == 1 else f"{found.max_num_seqs} slots share"
    boxes: list[Artist] = [shades, TextArea("sure, expected, at best     ", textprops=style)]
    if found.verdict != "does not fit":
        boxes += [dashes, TextArea(f"settings at hand: {slots} {found.kv_tokens:,} tokens     ", textprops=style)]
    in_a_row(
        figure,
        (left, height),
        [*boxes, mark, TextArea("one full-length request with the settings at hand", textprops=style)],
    )


def regions(figure: "Figure", found: "WhatIf") -> None:
    """What each quantization makes possible, and what the settings at hand hold."""
    axes = figure.add_axes(PLOT)
    first, last = found.regions[0].points[0].max_model_len, found.regions[0].points[-1].max_model_len
    top = _top(found)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xlim(first, max(last, 2 * first))
    axes.set_ylim(BOTTOM, top)
    _scales(axes, first, last, top)
    # The widest first, so that each lies on the one that allows more.
    for region in found.regions:
        _region(axes, region, top)
    if not any(region.points[0].expected >= 1 for region in found.regions):
        axes.text(0.5, 0.55, "no quantization fits here", transform=axes.transAxes, size=15, color=SOFT, ha="center")
    _at_hand(axes, found, first, top)
    _ends(axes, found, top)


def _top(found: "WhatIf") -> int:
    at_full_length = max(region.points[-1].expected for region in found.regions)
    wanted = max(USUAL_TOP, found.max_num_seqs, 2 * at_full_length)
    return min(1024, 1 << (int(wanted) - 1).bit_length())


def _scales(axes: "Axes", first: int, last: int, top: int) -> None:
    xs, ys = powers(first, last), powers(1, top)
    axes.set_xticks(xs, [short(one) for one in xs])
    axes.set_yticks(ys, [str(one) for one in ys])
    axes.minorticks_off()
    axes.tick_params(length=0, labelsize=11, labelcolor=INK, pad=6)
    axes.grid(color=FAINT, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.axhline(1, color=SOFT, linewidth=1, zorder=3.5)
    axes.set_xlabel("context length of each request, tokens", size=11, color=INK, labelpad=5)
    axes.set_ylabel("requests of that length at once", size=11, color=INK, labelpad=8)


def _region(axes: "Axes", region: "Region", top: int) -> None:
    from matplotlib.patches import Rectangle

    colour = BITS.get(region.bits, SOFT)
    xs = [one.max_model_len for one in region.points]
    least, expected, most = (
        [max(NEXT_TO_NOTHING, getattr(one, key)) for one in region.points] for key in ("least", "expected", "most")
    )
    drawn = (
        axes.fill_between(xs, expected, most, color=colour, alpha=1 - AT_BEST, linewidth=0, zorder=2),
        axes.fill_between(xs, least, expected, color=_tint(colour, EXPECTED), linewidth=0, zorder=2),
        axes.fill_between(xs, NEXT_TO_NOTHING, least, color=_tint(colour, SURE), linewidth=0, zorder=2),
        *axes.plot(xs, expected, color=colour, linewidth=2.4, solid_joinstyle="round", zorder=2.1),
    )
    whole = Rectangle((xs[0], 1), xs[-1] - xs[0], top - 1, transform=axes.transData)
    for one in drawn:
        # Less than one request is of no use.
        one.set_clip_path(whole)


def _tint(colour: str, white: float) -> tuple[float, float, float]:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return (red + (1 - red) * white, green + (1 - green) * white, blue + (1 - blue) * white)


def _at_hand(axes: "Axes", found: "WhatIf", first: int, top: int) -> None:
    """The border of what the settings at hand hold, and the request of full length that the verdict is about."""
    held, slots = found.kv_tokens, found.max_num_seqs
    colour, marker = VERDICTS[found.verdict]
    if held >= first and found.verdict != "does not fit":
        end = min(found.max_model_len, held)
        corner = min(end, max(first, held / slots))
        xs = [first, *(corner * (end / corner) ** (step / 40) for step in range(41)), end]
        ys = [*(min(slots, held / x, top) for x in xs[:-1]), 1]
        axes.plot(xs, ys, color=INK, linewidth=1.6, linestyle=DASHES, zorder=4, clip_on=False)
    at = (found.max_model_len, 1)
    axes.plot(*at, marker=marker, markersize=14, color=colour, markeredgecolor="white", zorder=6, clip_on=False)
    is_left = found.max_model_len < first * 8
    axes.annotate(
        found.verdict,
        at,
        xytext=(14 if is_left else -14, -14),
        textcoords="offset points",
        ha="left" if is_left else "right",
        va="center",
        size=12,
        weight="bold",
        color=colour,
        zorder=7,
        bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": colour, "linewidth": 0.8},
    )


def _ends(axes: "Axes", found: "WhatIf", top: int) -> None:
    """What each region is, at its right end, as a label of its own colour."""

    def height(requests: float) -> float:
        return math.log(min(max(requests, 1), top) / BOTTOM) / math.log(top / BOTTOM)

    # The most bits allow the least, so they are the lowest.
    rows = sorted(found.regions, key=lambda one: (one.points[-1].expected, one.longest, -one.bits))
    spots = [Spot(height(one.points[-1].expected), 0.2) for one in rows]
    for region, spot, middle in zip(rows, spots, spread(spots, 0.0, 1.0), strict=True):
        colour = BITS.get(region.bits, SOFT)
        place: dict[str, Any] = {"transform": axes.transAxes}
        if region.points[-1].expected >= 1:
            bent = ([1.004, 1.018, 1.03], [spot.middle, middle, middle])
            axes.plot(*bent, color=colour, linewidth=1, clip_on=False, **place)
        name = named(region)
        axes.text(1.037, middle + 0.008, name, size=fitting(name, 13, 2.0), weight="bold", color=colour, **place)
        axes.text(1.037, middle - 0.016, bought(region), size=10, va="top", color=INK, linespacing=1.25, **place)


def named(region: "Region") -> str:
    """`wint8`, `fp8 and 4 alike`."""
    return f"{region.quantization} and {len(region.same)} alike" if region.same else region.quantization


def bought(region: "Region") -> str:
    """What to expect of it, in two short lines."""
    last = region.points[-1]
    if not region.longest:
        return "does not fit, however\nshort the request"
    if last.expected < 1:
        return f"one request of at most\n{region.longest:,} tokens"
    least, expected, most = int(last.least), int(last.expected), int(last.most)
    span = "" if least == most else f" ({least} to {most})"
    requests = "request" if span == "" and expected == 1 else "requests"
    return f"{expected}{span} {requests}\nof {short(last.max_model_len)} at once"


def card(figure: "Figure", ledger: "Ledger", found: "WhatIf") -> None:
    """The card as one bar: what takes how much with the settings at hand."""
    row = strip(ledger)
    # As real numbers: what is absurdly large still has a picture.
    whole = float(row.total_bytes + row.missing_bytes)
    axes = figure.add_axes(CARD)
    axes.set_xlim(0, whole)
    axes.set_ylim(0, 1)
    axes.set_axis_off()
    bits = next(one.bits for one in found.regions if found.quantization in (one.quantization, *one.same))
    starts = [0.0, *itertools.accumulate(float(one.drawn) for one in row.segments)]
    for one, start in zip(row.segments, starts, strict=False):
        colour = BITS.get(bits, SOFT) if one.name == "KV cache" else SEGMENTS.get(one.name, SOFT)
        axes.barh(0.5, float(one.drawn), left=start, height=1, color=colour, edgecolor="white", linewidth=1)
    place = "one card" if found.device == "cuda" else "the memory of the host"
    _share(axes, row, place)
    shown = [(one, start) for one, start in zip(row.segments, starts, strict=False) if _is_told(one)]
    _entries(axes, shown, whole, row.total_bytes)


def _is_told(one: Segment) -> bool:
    # A KV cache for which nothing is left is told as what is missing.
    return bool(one.drawn or one.is_unknown or (one.bytes and one.name != "KV cache"))


def _share(axes: "Axes", row: Strip, place: str) -> None:
    """Above the bar: how much the engine may use, and how much is missing."""
    total, share, missing = row.total_bytes, row.share_bytes, row.missing_bytes
    style: dict[str, Any] = {"size": 10, "va": "bottom", "color": INK}
    size = "all" if share == total else plain(share, of=total)
    axes.text(0, 1.28, f"{place}: {plain(total, of=total)}, of which the engine may use {size}", **style)
    for edge in (float(share),) if not missing else (float(share), float(share + missing)):
        axes.plot([edge, edge], [-0.12, 1.22], color=INK, linewidth=1.4, clip_on=False)
    if missing:
        axes.barh(
            0.5,
            float(missing),
            left=float(share),
            height=1,
            color="none",
            edgecolor="#b3261e",
            hatch="////",
            linewidth=0,
        )
        style |= {"color": "#b3261e", "weight": "bold", "ha": "right"}
        axes.text(float(total + missing), 1.28, f"{plain(missing, of=total)} missing", **style)


def _entries(axes: "Axes", shown: Sequence[tuple[Segment, float]], whole: float, total: int) -> None:
    """Under the bar: a label for each segment, tied to its middle."""
    per_inch = whole / (CARD[2] * WIDTH_IN)
    spots, texts = [], []
    for one, start in shown:
        size, _, span = _words(one, total).partition(" (")
        lines = (one.name, size, f"({span}" if span else "")
        texts.append(lines)
        points = max(len(lines[0]) * 10 * LETTER, len(lines[1]) * 10 * DIGIT, len(lines[2]) * 9 * DIGIT)
        spots.append(Spot(start + one.drawn / 2, (points / 72 + 0.12) * per_inch))
    for spot, lines, middle in zip(spots, texts, spread(spots, 0, whole), strict=True):
        axes.plot([spot.middle, spot.middle, middle], [-0.05, -0.22, -0.42], color=SOFT, linewidth=0.8, clip_on=False)
        style: dict[str, Any] = {"ha": "center", "va": "top"}
        axes.text(middle, -0.5, lines[0], size=10, color=INK, weight="bold", **style)
        axes.text(middle, -0.9, lines[1], size=10, color=INK, **style)
        axes.text(middle, -1.28, lines[2], size=9, color=SOFT, **style)


def _words(one: Segment, total: int) -> str:
    if one.is_unknown:
        return "not known"
    if one.bytes < 0:
        return "none" if one.name == "rest" else f"-{plain(-one.bytes, of=total)}"
    return amount(one.bytes, one.low, one.high, of=total)
