"""Do the settings fit into the memory of the chosen cards? The ledger answers, and says how sure it is."""

from collections.abc import Iterator, Mapping, Sequence

from ernie_deploy.catalog.cards import cards, sold_as_gb
from ernie_deploy.checks import gpu
from ernie_deploy.checks.base import Result, Status, Subject
from ernie_deploy.checks.memory_hint import hint
from ernie_deploy.facts.values import Gpu
from ernie_deploy.plan import gate
from ernie_deploy.plan.alternatives import idle
from ernie_deploy.plan.assess import Unknown, case_of
from ernie_deploy.plan.gate import Case, Confidence, Judgement, Verdict

NAME = "memory-fit"
STATUS: Mapping[Verdict, Status] = {"fits": "pass", "tight": "warn", "does not fit": "fail"}
IN_WORDS: Mapping[Verdict, str] = {"fits": "fits", "tight": "is tight", "does not fit": "does not fit"}
SURELY: Mapping[Confidence, str] = {"certain": "certainly", "likely": "most likely"}


def judge(subject: Subject) -> Result:
    """A refusal only where it would not start, or never serve anything; tight is a warning that names what breaks."""
    if why := gpu.why_skipped(subject) or _why_not_judged(subject):
        return Result(NAME, "skip", why)
    case = case_of(subject.plan, subject.facts)
    if isinstance(case, Unknown):
        return Result(NAME, "warn", case.why, "watch the first start: a card too small ends it with out of memory")
    found = gate.judge(case)
    names = ", ".join(gpu.describe(card) for card in gpu.chosen(subject))
    message = "; ".join((f"{names}: {_verdict(case, found)}", *_remarks(subject, case, found)))
    return Result(NAME, STATUS[found.verdict], message, hint(subject, case, found))


def _why_not_judged(subject: Subject) -> str:
    """Other checks fail for these already; what they would say of memory is not about what the engine gets."""
    chosen = gpu.chosen(subject)
    if len(chosen) < len(subject.plan.gpus.value):
        return gpu.NOT_SEEN
    split = [card.index for card in chosen if card.mig_enabled]
    return f"card {split[0]} is split by MIG (see the check mig)" if split else ""


def _verdict(case: Case, found: Judgement) -> str:
    """`wint8 is most likely tight: no full-length request: …`."""
    surely, words = SURELY[found.confidence], IN_WORDS[found.verdict]
    quantization = case.demand.quantization
    if found.verdict == "does not fit":
        return f"{quantization} {surely} {words}: {'; '.join(found.problems)}"
    each = " on each" if len(case.rooms) > 1 else ""
    cache = f"{gate.gib(found.ledger.kv_bytes)} of KV cache{each}"
    if found.verdict == "tight":
        return f"{quantization} is {surely} tight: {'; '.join(found.problems)} ({cache})"
    requests = f"{found.buys.full_length_requests:g} requests of full length"
    return f"{quantization} {surely} {words}: {cache} hold {found.buys.kv_tokens:,} tokens, or {requests}"


def _remarks(subject: Subject, case: Case, found: Judgement) -> Iterator[str]:
    yield from _extremes(case, found)
    chosen = gpu.chosen(subject)
    if len({(room.total_bytes, room.others_bytes) for room in case.rooms}) > 1:
        yield f"card {found.ledger.room.index} decides, where the least is left"
    known = [card for card in chosen if (card.used_mib or 0) > cards().used_worth_a_word_mib]
    if known:
        yield _in_use(known)
    silent = ", ".join(str(card.index) for card in chosen if card.used_mib is None)
    if silent:
        yield f"the driver does not tell how much of card {silent} is in use"
    if said := _published_otherwise(case, chosen):
        yield said
    if case.known:
        yield f"measured: {case.known.source}"


def _extremes(case: Case, found: Judgement) -> Iterator[str]:
    """Which way the verdict would go if the estimates, the peak above all, are wrong."""
    most, least = gate.extremes(case)
    if gate.VERDICTS.index(most) > gate.VERDICTS.index(found.verdict):
        yield f"if the peak is at its most, it {'would be tight' if most == 'tight' else 'would not start'}"
    if found.verdict == "does not fit" and least != found.verdict:
        yield "if the peak is at its least, it would start"


def _published_otherwise(case: Case, chosen: Sequence[Gpu]) -> str:
    """What is published for cards of this size when the ledger says otherwise of idle ones; empty when they agree."""
    demand, published = case.demand, cards().holds[case.demand.engine]
    size_gb = min(sold_as_gb(card.total_mib) for card in chosen)
    rows = [row for row in published.rows if row.quantization == demand.quantization]
    starts = gate.judge(idle(case)).verdict != "does not fit"
    enough = [row for row in rows if row.gb <= size_gb and row.cards <= len(chosen)]
    if enough and not starts:
        row = enough[-1]
        return f"yet {published.source} names {_cards(row.cards)} of {row.gb} GB for {demand.quantization}"
    more = [row for row in rows if row.gb == size_gb and row.cards > len(chosen)]
    if more and not enough and starts:
        row = more[0]
        return f"{published.source} names {_cards(row.cards)} of {row.gb} GB for {demand.quantization}"
    return ""


def _cards(count: int) -> str:
    return "one card" if count == 1 else f"{count} cards"


def _in_use(chosen: Sequence[Gpu]) -> str:
    return ", ".join(
        f"{card.used_mib} of {card.total_mib} MiB are in use on card {card.index}{_tenants(card)}" for card in chosen
    )


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
