"""What becomes of a prompt at the limit and of one above it: taken whole, refused in words, or cut without a word."""

from ernie_deploy.client import Answer, RefusedError
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.lengths import CALIBRATION_TOKENS, Ruler, ruler, text_of
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.target import Target

NOT_COUNTED = "the answers carry no token counts, so nobody knows how long a prompt is"
SLACK = 8
"""Tokens that a template may add or merge."""


def judge_at(target: Target) -> Judgement:
    measured, limit = ruler(target), target.max_model_len or 0
    if measured is None:
        return skipped(NOT_COUNTED)
    blocks = measured.blocks_within(limit - CALIBRATION_TOKENS - SLACK)
    if blocks < 3:
        return skipped(f"max_model_len {limit} is too short to come near it")
    sent = measured.tokens(blocks)
    try:
        answer = target.chat(text_of(blocks), max_tokens=CALIBRATION_TOKENS)
    except RefusedError as error:
        return failed(f"a prompt of {sent} tokens was refused, max_model_len is {limit}: {error.message}")
    return judge_taken(sent, limit, answer.usage.prompt_tokens)


def judge_taken(sent: int, limit: int, counted: int | None) -> Judgement:
    if counted is None:
        return failed("short prompts are counted, and a long one is not")
    if counted < sent - SLACK:
        return failed(
            f"the prompt was cut: {sent} tokens were sent, {counted} are counted, and max_model_len is {limit}",
            hint="look for an option that shortens prompts, here or in a gateway",
        )
    if counted > sent + SLACK:
        return failed(f"{sent} tokens were sent, {counted} are counted")
    return passed(f"a prompt of {counted} tokens is taken whole, max_model_len is {limit}")


def judge_above(target: Target) -> Judgement:
    measured, limit = ruler(target), target.max_model_len or 0
    if measured is None:
        return skipped(NOT_COUNTED)
    blocks = measured.blocks_within(limit + SLACK) + 1
    found = _ask_above(target, measured, blocks, limit)
    # It must have harmed nobody, whatever was said to it.
    if why := why_empty(target.chat(TEXT_QA[1].prompt)):
        return failed(f"after a prompt above the limit {why}")
    return found


def _ask_above(target: Target, measured: Ruler, blocks: int, limit: int) -> Judgement:
    sent = measured.tokens(blocks)
    try:
        answer = target.chat(text_of(blocks), max_tokens=CALIBRATION_TOKENS)
    except RefusedError as error:
        return judge_refused(target.engine, sent, limit, error)
    return judge_accepted(target.engine, sent, limit, answer)


def judge_refused(engine: str, sent: int, limit: int, error: RefusedError) -> Judgement:
    message = f"{sent} tokens, max_model_len {limit}: {error.message}"
    if "(no message)" in error.message:
        return failed(f"{message}: refused, but without a word")
    if 400 <= error.status < 500 and error.status != 429:
        return passed(message)
    known = why_unsupported(engine, "too-long-is-a-500") if error.status == 500 else None
    return unsupported(message, known) if known else failed(message, hint="the client is at fault: 400")


def judge_accepted(engine: str, sent: int, limit: int, answer: Answer) -> Judgement:
    counted = answer.usage.prompt_tokens
    if counted is not None and counted >= sent - SLACK:
        message = f"{sent} tokens were accepted and counted, so max_model_len is not {limit}"
        known = why_unsupported(engine, "no-limit")
        return unsupported(message, known) if known else failed(message, hint="give the true one: --max-model-len")
    message = f"the prompt was cut without a word: {sent} tokens were sent, {counted} are counted"
    known = why_unsupported(engine, "too-long-is-cut")
    return unsupported(message, known) if known else failed(message, hint="the model answers about a part of the text")


AT = Probe(
    "prompt-at-limit", "a prompt just below the limit is taken whole", "full", judge_at, needs=("chat", "length"),
    timeout_s=300,
)  # fmt: skip
ABOVE = Probe(
    "prompt-too-long", "a prompt above the limit is refused in words and not cut", "full", judge_above,
    needs=("chat", "length"), timeout_s=300,
)  # fmt: skip
