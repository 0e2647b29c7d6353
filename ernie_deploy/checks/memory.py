"""Can the chosen cards hold the model, and is the memory free?"""

from collections.abc import Iterable, Sequence

from ernie_deploy.catalog.cards import Holds, cards, sold_as_gb
from ernie_deploy.checks import gpu
from ernie_deploy.checks.base import Result, Subject
from ernie_deploy.facts.values import Gpu

NAME = "gpu-memory"


def judge(subject: Subject) -> Result:
    """By the published minimum for cards as they are sold; then by what others leave free on them."""
    if why := gpu.why_skipped(subject):
        return Result(NAME, "skip", why)
    chosen = gpu.chosen(subject)
    doubts = [result for result in (judge(subject, chosen) for judge in (_too_small, _too_heavy, _too_full)) if result]
    doubts.sort(key=lambda result: result.status != "fail")
    return next(iter(doubts), _roomy(subject, chosen))


def _too_small(subject: Subject, chosen: tuple[Gpu, ...]) -> Result | None:
    engine = subject.plan.engine.value
    quantization = subject.plan.quantization.value or "bf16"
    size_gb = min(sold_as_gb(card.total_mib) for card in chosen)
    published = cards().holds[engine]
    known = [row for row in published if row.quantization == quantization]
    # A quantization without a published number takes less than bf16: what is enough for bf16 is enough.
    rows = known or [row for row in published if row.quantization == "bf16"]
    if any(row.gb <= size_gb and row.cards <= len(chosen) for row in rows):
        return None
    names = ", ".join(gpu.describe(card) for card in chosen)
    if not known:
        message = f"{names}: for {quantization} with {engine} there is no published minimum"
        return Result(NAME, "warn", message, "watch the first start: a card too small ends it with out of memory")
    total_gb = sum(sold_as_gb(card.total_mib) for card in chosen)
    if len(chosen) > 1 and any(row.gb * row.cards <= total_gb for row in rows):
        message = f"{names}: together large enough for {quantization}, but nobody has published this combination"
        return Result(NAME, "warn", message, "watch the first start: a card too small ends it with out of memory")
    least = min(row.gb for row in rows if row.cards == 1)
    message = f"{names}: too small for {quantization} with {engine}, which needs {least} GB on one card"
    return Result(NAME, "fail", message, _what_would_fit(engine, size_gb, len(chosen), least))


def _what_would_fit(engine: str, size_gb: int, count: int, least_gb: int) -> str:
    """What this size of card can do: here, then with more such cards, then with another engine, then another card."""
    published = cards().holds
    if here := _smallest_group(row for row in published[engine] if row.gb <= size_gb):
        quantizations = " or ".join(f"`--quant {row.quantization}`" for row in here)
        needed = here[0].cards
        more = f" with `--tensor-parallel-size {needed}` on {needed} cards of this size" if needed > count else ""
        return f"use {quantizations}{more}, or a card of {least_gb} GB"
    for other, rows in published.items():
        fits = [row for row in rows if row.gb <= size_gb and row.cards <= count]
        if fits:
            quantizations = " or ".join(f"`--quant {row.quantization}`" for row in _smallest_group(fits))
            return f"use `--engine {other}` with {quantizations}, or a card of {least_gb} GB"
    return f"use a card of {least_gb} GB or more"


def _smallest_group(rows: Iterable[Holds]) -> list[Holds]:
    """Those rows that need the fewest cards."""
    ordered = sorted(rows, key=lambda row: row.cards)
    return [row for row in ordered if row.cards == ordered[0].cards]


def _too_heavy(subject: Subject, chosen: tuple[Gpu, ...]) -> Result | None:
    """Also without a published minimum: a card that cannot even hold its share of the weights."""
    needed_mib = _weights_mib(subject, chosen)
    small = [card for card in chosen if card.total_mib < needed_mib]
    if not small:
        return None
    engine = subject.plan.engine.value
    names = ", ".join(gpu.describe(card) for card in small)
    message = f"{names}: too small: the weights alone take {needed_mib:.0f} MiB of each card"
    # What holds bf16 holds every quantization, and its minimum is published for every engine.
    least = min(row.gb for row in cards().holds[engine] if (row.quantization, row.cards) == ("bf16", 1))
    size_gb = min(sold_as_gb(card.total_mib) for card in chosen)
    return Result(NAME, "fail", message, _what_would_fit(engine, size_gb, len(chosen), least))


def _weights_mib(subject: Subject, chosen: Sequence[Gpu]) -> float:
    """What the weights take of each card."""
    return cards().weights_gib.get(subject.plan.quantization.value or "bf16", 0.0) * 1024 / len(chosen)


def _too_full(subject: Subject, chosen: tuple[Gpu, ...]) -> Result | None:
    needed_mib = _weights_mib(subject, chosen)
    full = [card for card in chosen if card.used_mib is not None and card.total_mib - card.used_mib < needed_mib]
    busy = [card for card in chosen if (card.used_mib or 0) > cards().used_warn_mib]
    if full:
        message = f"{_in_use(full)}; the weights alone take {needed_mib:.0f} MiB of each card"
        return Result(NAME, "fail", message, "stop what uses the card, or choose another one with --gpu")
    if busy:
        message = f"{_in_use(busy)}; that is taken from the room for requests"
        return Result(NAME, "warn", message, "stop what uses the card, or lower gpu_memory_utilization")
    return None


def _roomy(subject: Subject, chosen: tuple[Gpu, ...]) -> Result:
    names = ", ".join(gpu.describe(card) for card in chosen)
    return Result(NAME, "pass", f"{names}: enough for {subject.plan.quantization.value or 'bf16'}; {_in_use(chosen)}")


def _in_use(chosen: Sequence[Gpu]) -> str:
    return ", ".join(f"{_used(card)} in use on card {card.index}{_tenants(card)}" for card in chosen)


def _used(card: Gpu) -> str:
    return "an unknown amount is" if card.used_mib is None else f"{card.used_mib} of {card.total_mib} MiB are"


def _tenants(card: Gpu) -> str:
    if not card.tenants:
        return ""
    tenants = (
        f"pid {tenant.pid}"
        + (f" ({tenant.command})" if tenant.command else "")
        + (f" {tenant.used_mib} MiB" if tenant.used_mib is not None else "")
        for tenant in card.tenants
    )
    return f", by {', '.join(tenants)}"
