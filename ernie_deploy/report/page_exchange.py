"""A request and what came of it, in the page of a report."""

from collections.abc import Mapping

from ernie_deploy.report.page_words import json_block, text
from ernie_deploy.report.values import Case, Exchange

MOST_EXCHANGES = 200


def exchanges_of(case: Case, *, last_is_open: bool) -> str:
    shown = case.exchanges[-MOST_EXCHANGES:]
    rest = len(case.exchanges) - len(shown)
    left_out = f'<p class="soft">({rest} requests before these are not on this page)</p>' if rest else ""
    return left_out + "\n".join(
        _exchange(exchange, is_open=last_is_open and at == len(shown) - 1) for at, exchange in enumerate(shown)
    )


def _exchange(exchange: Exchange, *, is_open: bool) -> str:
    status = "no answer" if exchange.status is None else f"HTTP {exchange.status}"
    first = "" if exchange.ttft_s is None else f" · first token {exchange.ttft_s:.3f} s"
    key = {"given": "", "none": " · without a key", "other": " · with another key"}[exchange.key]
    parts = [
        f'<details class="exchange"{" open" if is_open else ""}>',
        f"<summary><code>{text(exchange.method)} {text(exchange.path)}</code> → {status} "
        f'<span class="times">· {exchange.total_s:.3f} s{first}{key}</span></summary><div>',
        f'<p class="error">{text(exchange.error)}</p>' if exchange.error else "",
        f"<h4>Request</h4>{json_block(exchange.request)}" if exchange.request is not None else "",
        _answer(exchange.answer, exchange),
        "</div></details>",
    ]
    return "\n".join(filter(None, parts))


def _answer(answer: object, exchange: Exchange) -> str:
    """What the client understood, part by part; anything else as it came."""
    if not isinstance(answer, Mapping):
        return f"<h4>Answer</h4><pre>{text(str(answer))}</pre>" if answer not in (None, "") else ""
    parts = [
        _said("Reasoning", "thought", answer.get("reasoning")),
        _said("Answer", "said", answer.get("content")),
        f"<h4>Tool calls</h4>{json_block(answer['tool_calls'])}" if answer.get("tool_calls") else "",
        f'<p class="soft">{text(_counted(answer))}</p>',
        _timed(answer, exchange),
        _raw(answer.get("raw")),
    ]
    return "\n".join(filter(None, parts))


def _counted(answer: Mapping[str, object]) -> str:
    """How it ended and what it cost, in a line."""
    usage = answer.get("usage")
    counted = usage if isinstance(usage, Mapping) else {}
    tokens = [f"{count} {name.removesuffix('_tokens')} tokens" for name, count in counted.items() if count is not None]
    return " · ".join([f"finish_reason: {answer.get('finish_reason')}", *tokens])


def _timed(answer: Mapping[str, object], exchange: Exchange) -> str:
    """A stream's time as it passed: waiting, thinking, answering. Only what the client measured is drawn."""
    total_s, first_s, answer_s = exchange.total_s, exchange.ttft_s, answer.get("first_answer_s")
    if first_s is None or not 0 <= first_s <= total_s or total_s <= 0:
        return ""
    begins_s = answer_s if isinstance(answer_s, float) and first_s <= answer_s <= total_s else None
    thought_ends_s = total_s if begins_s is None else begins_s
    lengths_s = {"waiting": first_s, "thinking": thought_ends_s - first_s, "answering": total_s - thought_ends_s}
    # Shares that add up to less than 1 would not fill the bar.
    shares = {name: 1000 * length / total_s for name, length in lengths_s.items()}
    drawn = "".join(f'<span class="{name}" style="flex:{share:.1f}"></span>' for name, share in shares.items())
    told = [f"{name} {length:.3f} s" for name, length in lengths_s.items() if length > 0]
    chunks = answer.get("chunks")
    told += [f"{chunks} chunks"] if isinstance(chunks, int) and chunks else []
    return f'<h4>Time</h4><div class="timeline" aria-hidden="true">{drawn}</div><p class="soft">{" · ".join(told)}</p>'


def _raw(raw: object) -> str:
    if not raw:
        return ""
    return f'<details class="raw"><summary>As it came over the wire</summary><pre>{text(str(raw))}</pre></details>'


def _said(heading: str, kind: str, words: object) -> str:
    """Its direction is that of its own first letters: an answer may be in Persian."""
    return f'<h4>{heading}</h4><pre class="{kind}" dir="auto">{text(str(words))}</pre>' if words else ""
