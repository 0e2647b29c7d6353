"""A ledger as one bar of the whole card, in letters: a line of blocks, a ruler under it, and what each stands for.

Pure: it is told how wide the terminal is and what it can show.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from ernie_deploy.plan.memory import Ledger, Line

LEAST_WIDTH: Final = 20
GIB: Final = 1 << 30
# With less than this in all, a tenth of a GiB is much.
SMALL: Final = 8 * GIB
GROUPS: Final = {
    "engine context": "context",
    "communication": "context",
    "sequence slots": "slots",
    "prefill peak": "peaks",
    "picture peak": "peaks",
}
"""Entries that one segment stands for; `weights: …` is `weights`, every other entry has its own."""

# Of each segment: a block where there are no colours, a letter where there are no blocks, an ANSI colour.
LOOKS: Final = {
    "weights": ("█", "#", 34),
    "context": ("▞", "%", 36),
    "slots": ("▓", "=", 35),
    "peaks": ("▒", "+", 33),
    "other processes": ("▚", "x", 31),
    "correction": ("▌", "&", 95),
    "KV cache": ("░", "-", 32),
    "unused": ("·", ".", 90),
    "CUDA graphs": ("▄", "*", 37),
    "rest": ("·", ".", 90),
}
ELSE: Final = ("▀", "o", 94)

Side = Literal["share", "reserve"]


class Segment(NamedTuple):
    """A part of the card: what is expected, least and most, and `drawn`, how many bytes of the bar stand for it.

    These differ where an entry corrects others downwards, or is more than there is room for.
    """

    name: str
    bytes: int
    low: int
    high: int
    drawn: int
    side: Side = "share"
    is_unknown: bool = False


class Strip(NamedTuple):
    """A card in one row. All that is drawn adds up to the card and what is missing."""

    segments: tuple[Segment, ...]
    total_bytes: int
    share_bytes: int
    missing_bytes: int


class Style(NamedTuple):
    """What the terminal can show."""

    has_unicode: bool
    has_colour: bool


def strip(ledger: "Ledger") -> Strip:
    """The segments of a ledger, in the order in which an engine takes them; the KV cache is what the share leaves."""
    segments = _corrected([_segment(name, lines) for name, lines in _grouped(ledger, "share").items()])
    taken = sum(one.drawn for one in segments)
    left = max(0, ledger.share_bytes - taken)
    cache = min(max(0, ledger.kv_bytes), left)
    segments.append(Segment("KV cache", ledger.kv_bytes, ledger.kv_low, ledger.kv_high, cache))
    if left > cache:
        segments.append(Segment("unused", left - cache, left - cache, left - cache, left - cache))
    return Strip(
        (*segments, *_outside(ledger)),
        ledger.room.total_bytes,
        ledger.share_bytes,
        max(0, taken - ledger.share_bytes),
    )


def bar(ledger: "Ledger", style: Style, *, width: int) -> tuple[str, ...]:
    """Lines of text: the bar and its ruler are exactly so wide, and the legend where an entry is not longer."""
    width = max(LEAST_WIDTH, width)
    row = strip(ledger)
    counts = cells([one.drawn for one in row.segments], width)
    blocks = "".join(_painted(one.name, count, style) for one, count in zip(row.segments, counts, strict=True))
    return (blocks, _ruler(row, counts, style), *_legend(row, width, style))


def cells(sizes: Sequence[int], width: int) -> list[int]:
    """Whole cells for each size: in proportion, at least one for what is not nothing, `width` in all."""
    total = sum(sizes)
    if not total:
        return [0] * len(sizes)
    counts = [max(1, size * width // total) if size else 0 for size in sizes]
    while sum(counts) != width:
        # The one that has the most too few gets one more, or the one that has the most too many gives one.
        short = [size * width - count * total for size, count in zip(sizes, counts, strict=True)]
        if sum(counts) < width:
            counts[short.index(max(short))] += 1
        else:
            givers = [index for index, count in enumerate(counts) if count > 1]
            counts[min(givers, key=lambda index: short[index])] -= 1
    return counts


def amount(size: int, low: int, high: int, *, of: int) -> str:
    """`4.2 GiB (2.5 to 8.4)`; two decimals on a small card, MiB for what would be 0.0 GiB."""
    unit, name, digits = (GIB, "GiB", 2 if of < SMALL else 1) if max(size, high) >= GIB // 10 else (1 << 20, "MiB", 0)
    least, most = (f"{one / unit:.{digits}f}" if one > 0 else "none" for one in (low, high))
    if size <= 0:
        return "none" if high <= 0 else f"none (up to {most} {name})"
    if high < 1 << 19:
        return "under 1 MiB"
    spread = "" if least == most else f" ({least} to {most})"
    return f"{size / unit:.{digits}f} {name}{spread}"


def plain(size: int, *, of: int) -> str:
    """The same without a spread."""
    return amount(size, size, size, of=of)


def _grouped(ledger: "Ledger", side: Side) -> "dict[str, list[Line]]":
    groups: dict[str, list[Line]] = {}
    for line in ledger.lines:
        if line.role == side:
            first = line.name.partition(":")[0]
            groups.setdefault(GROUPS.get(first, first), []).append(line)
    known = list(LOOKS)
    order = sorted(groups, key=lambda name: known.index(name) if name in known else len(known))
    return {name: groups[name] for name in order}


def _segment(name: str, lines: "Sequence[Line]", side: Side = "share") -> Segment:
    size, low, high = (sum(getattr(line, key) for line in lines) for key in ("bytes", "low", "high"))
    return Segment(name, size, low, high, max(0, size), side, any(line.kind == "unknown" for line in lines))


def _corrected(segments: list[Segment]) -> list[Segment]:
    """What a correction takes back is not drawn: it is taken from what is least sure, the peaks first."""
    back = -sum(min(0, one.bytes) for one in segments)
    for name in ("peaks", "context", "slots", "weights"):
        for index, one in enumerate(segments):
            if one.name == name:
                taken = min(back, one.drawn)
                segments[index] = one._replace(drawn=one.drawn - taken)
                back -= taken
    return segments


def _outside(ledger: "Ledger") -> list[Segment]:
    """What lies outside of the share; more than there is room for is cut where the card ends."""
    room, found = ledger.reserve_bytes, []
    for name, lines in _grouped(ledger, "reserve").items():
        one = _segment(name, lines, "reserve")
        found.append(one._replace(drawn=min(one.drawn, room)))
        room -= found[-1].drawn
    rest, least, most = (
        ledger.reserve_bytes - sum(getattr(one, key) for one in found) for key in ("bytes", "high", "low")
    )
    if ledger.reserve_bytes or found:
        found.append(Segment("rest", rest, least, most, room, "reserve"))
    return found


def _painted(name: str, count: int, style: Style) -> str:
    block, letter, colour = LOOKS.get(name, ELSE)
    if not style.has_unicode:
        block = letter
    if not style.has_colour or not count:
        return block * count
    # Colours tell them apart, and full blocks look calmer; what is free stays empty.
    solid = block if block in "·." or not style.has_unicode else "█"
    return f"\x1b[{colour}m{solid * count}\x1b[0m"


def _ruler(row: Strip, counts: Sequence[int], style: Style) -> str:
    """How far the engine's share goes, what is missing, and what lies outside of it."""
    inside = sum(count for one, count in zip(row.segments, counts, strict=True) if one.side == "share")
    outside = sum(counts) - inside
    missing = 0
    if row.missing_bytes:
        part = inside * row.missing_bytes // (row.share_bytes + row.missing_bytes)
        missing = min(max(1, part), inside)
    share, lack, rest = (
        plain(size, of=row.total_bytes)
        for size in (row.share_bytes, row.missing_bytes, row.total_bytes - row.share_bytes)
    )
    percent = f"{100 * row.share_bytes / row.total_bytes:.0f} %"
    whole = (f"all of it: {share}", share) if row.share_bytes == row.total_bytes else ()
    return "".join(
        (
            _section(inside - missing, whole or (f"the engine's share: {share}, {percent}", f"share {share}"), style),
            _section(missing, (f"missing: {lack}", lack), style, fill="!"),
            _section(outside, (f"outside of it: {rest}", f"outside {rest}", rest), style),
        )
    )


def _section(count: int, texts: Sequence[str], style: Style, fill: str = "") -> str:
    start, line, end = "└─┘" if style.has_unicode else "|-|"
    if fill:
        start = line = end = fill
    if count < 2:
        return end * count
    text = next((f" {one} " for one in texts if len(one) + 4 <= count), "")
    return start + text.center(count - 2, line) + end


def _legend(row: Strip, width: int, style: Style) -> list[str]:
    """As many entries side by side as there is room for, in the order of the bar, line by line."""
    entries = [(one.name, _words(one, row)) for one in row.segments if one.bytes or one.high > 0 or one.is_unknown]
    widest = max(len(words) for _, words in entries) + 2
    columns = max(1, (width + 3) // (widest + 3))
    lines = []
    for start in range(0, len(entries), columns):
        shown = [
            f"{_swatch(name, style, row)} {words:<{widest - 2}}" for name, words in entries[start : start + columns]
        ]
        lines.append("   ".join(shown).rstrip())
    return lines


def _swatch(name: str, style: Style, row: Strip) -> str:
    if name == "KV cache" and row.missing_bytes:
        return "\x1b[31m!\x1b[0m" if style.has_colour else "!"
    return _painted(name, 1, style)


def _words(one: Segment, row: Strip) -> str:
    """`peaks 4.2 GiB (2.5 to 8.4)`."""
    if one.is_unknown:
        return f"{one.name}: not known"
    if one.name == "KV cache" and row.missing_bytes:
        one = Segment("missing", -one.bytes, -one.high, -one.low, 0)
    if one.name == "rest" and one.bytes < 0:
        return f"rest: none, {plain(-one.bytes, of=row.total_bytes)} too few"
    if one.bytes < 0:
        return f"{one.name} -{plain(-one.bytes, of=row.total_bytes)}"
    return f"{one.name} {amount(one.bytes, one.low, one.high, of=row.total_bytes)}"
