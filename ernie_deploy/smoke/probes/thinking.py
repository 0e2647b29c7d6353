"""Can the thinking be limited and switched off, and is it told honestly when it used up the whole budget."""

import re
from collections.abc import Mapping

import msgspec

from ernie_deploy.client import Answer, RefusedError
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.target import Profile, Target

QUESTION = TEXT_QA[2]

THOUGHT_TOKENS: Mapping[Profile, int] = {"contract": 16, "rehearsal": 3, "model": 16}
"""Fewer than a thought has by itself. A token is no more than a word, so words can be counted in its place."""

STARVED_TOKENS: Mapping[Profile, int] = {"contract": 4, "rehearsal": 4, "model": 8}
MORE = 2
"""Words by which engines may be off: the end of a thought is a token too."""

PARIS = re.compile("paris|巴黎", re.IGNORECASE)
"""The real model answers in the language that it thought in."""

MARKERS = re.compile(r"</?response>")
"""What the model writes around its answer stays there when the answer is taken for a thought."""

BUDGET_FIELDS = {"vllm": "thinking_token_budget"}
"""What else calls it `reasoning_max_tokens`."""

OFF: Mapping[str, Mapping[str, object]] = {
    "fastdeploy": {"options": {"thinking_mode": "close"}},
    "vllm": {"enable_thinking": False},
    "transformers": {"enable_thinking": False},
}
BOTH_OFF: Mapping[str, object] = {"options": {"thinking_mode": "close"}, "enable_thinking": False}


# A limit for the thought ----------------------------------------------------------------------------------------------


def judge_budget(target: Target) -> Judgement:
    budget = THOUGHT_TOKENS[target.profile]
    field = BUDGET_FIELDS.get(target.engine, "reasoning_max_tokens")
    free = target.chat(QUESTION.prompt)
    if len(free.reasoning.split()) <= budget + MORE:
        return skipped(
            f"the thought has {len(free.reasoning.split())} words by itself: a limit of {budget} is not seen"
        )
    try:
        bound = target.chat(QUESTION.prompt, **{field: budget})
    except RefusedError as error:
        known = why_unsupported(target.engine, "reasoning-budget")
        return unsupported(f"{field}: {error.message}", known) if known else failed(f"{field}: {error.message}")
    return judge_bound(target.engine, target.profile, field, budget, free, bound)


def judge_bound(engine: str, profile: Profile, field: str, budget: int, free: Answer, bound: Answer) -> Judgement:
    words = len(bound.reasoning.split())
    if words > budget + MORE:
        message = f"the thought has {words} words with {field} {budget}, {len(free.reasoning.split())} without it"
        known = why_unsupported(engine, "reasoning-budget")
        return unsupported(message, known) if known and bound.reasoning == free.reasoning else failed(message)
    if why := why_empty(bound):
        return failed(f"the thought was cut at {budget} tokens, and {why}")
    if profile == "model" and not PARIS.search(bound.content):
        return failed(f"after a thought of {words} words the answer is {bound.content[:200]!r}")
    # The rehearsal model practised no broken thoughts. What it says then need not be right, but it must be said.
    return passed(
        f"{field} {budget}: a thought of {words} words in place of {len(free.reasoning.split())}, then the answer"
    )


# No thought -----------------------------------------------------------------------------------------------------------


def judge_off(target: Target) -> Judgement:
    if target.profile == "contract" and not target.chat(QUESTION.prompt).reasoning:
        return skipped("no reasoning comes, so there is none to switch off; a contract does not ask for it")
    kwargs = OFF.get(target.engine, BOTH_OFF)
    plain = judge_silent(target.engine, target.profile, target.chat(QUESTION.prompt, chat_template_kwargs=kwargs))
    streamed = judge_silent(target.engine, target.profile, target.stream(QUESTION.prompt, chat_template_kwargs=kwargs))
    return of_both(kwargs, plain, streamed)


def of_both(kwargs: Mapping[str, object], plain: Judgement, streamed: Judgement) -> Judgement:
    """One judgement of two ways to ask: the worse one, and what both found."""
    order = ("fail", "unsupported", "pass")
    worse = min(plain, streamed, key=lambda found: order.index(found.verdict))
    same = plain.message == streamed.message
    message = plain.message if same else f"plain: {plain.message}; streamed: {streamed.message}"
    return msgspec.structs.replace(worse, message=f"chat_template_kwargs {dict(kwargs)}: {message}")


def judge_silent(engine: str, profile: Profile, answer: Answer) -> Judgement:
    """One answer that must have no thought."""
    if answer.content and answer.reasoning.strip():
        return failed(f"a thought came although it was switched off: {answer.reasoning[:200]!r}")
    said = answer.content or MARKERS.sub("", answer.reasoning)
    if not said.strip():
        return failed(why_empty(answer) or "the answer is blank")
    if why := _why_not_paris(profile, said):
        return failed(why)
    if answer.content:
        return passed("no thought came, and the answer came as content")
    message = "the thought is off, but the answer comes as reasoning and the content is empty"
    known = why_unsupported(engine, "thinking-off-as-reasoning")
    if known:
        return unsupported(message, known)
    return failed(message, hint="read the reasoning when the content is empty, or leave the thinking on")


def _why_not_paris(profile: Profile, said: str) -> str | None:
    if profile == "rehearsal" and said.strip() != QUESTION.answer:
        return f"expected {QUESTION.answer!r}, got {said[:200]!r}"
    if profile == "model" and not PARIS.search(said):
        return f"the answer is {said[:200]!r}"
    return None


# Too small a budget ---------------------------------------------------------------------------------------------------


def judge_starved(target: Target) -> Judgement:
    budget = STARVED_TOKENS[target.profile]
    return judge_hungry(target.profile, budget, target.chat(QUESTION.prompt, max_tokens=budget))


def judge_hungry(profile: Profile, budget: int, answer: Answer) -> Judgement:
    """An answer that had too few tokens even for its thought."""
    evidence: dict[str, object] = {"finish_reason": answer.finish_reason, "content": answer.content[:200]}
    told = answer.usage.completion_tokens
    if told is not None and told > budget:
        return failed(f"{told} tokens came, max_tokens is {budget}", evidence=evidence)
    if answer.finish_reason != "length":
        hint = "a client cannot tell a starved answer from an empty one"
        message = f"{budget} tokens are too few, but finish_reason says {answer.finish_reason} and not length"
        return failed(message, hint=hint, evidence=evidence)
    if len((answer.reasoning + " " + answer.content).split()) > budget + MORE:
        return failed(f"more words came than {budget} tokens can hold", evidence=evidence)
    if profile == "rehearsal" and not QUESTION.answer.startswith(answer.content):
        return failed(f"{budget} tokens gave an answer of its own: {answer.content[:200]!r}", evidence=evidence)
    if answer.content:
        return passed(f"with {budget} tokens the answer breaks off, and finish_reason says length")
    if not answer.reasoning:
        return failed(f"{budget} tokens were used up, and none of them came", evidence=evidence)
    return passed(f"with {budget} tokens {why_empty(answer)}, and finish_reason says so")


BUDGET = Probe(
    "reasoning-budget", "the thought is no longer than asked, and the answer still comes", "full", judge_budget,
    needs=("thinking",),
)  # fmt: skip
OFF_PROBE = Probe("thinking-off", "the thinking can be switched off", "full", judge_off, needs=("thinking",))
STARVED = Probe(
    "starved-budget", "a budget too small for the thought is told, not dressed up as an answer", "fast", judge_starved,
    needs=("thinking",),
)  # fmt: skip
