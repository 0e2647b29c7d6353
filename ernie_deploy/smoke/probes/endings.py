"""Does an answer end where it was told to: before a stop sequence, and after so many tokens."""

import re

import msgspec

from ernie_deploy.client import Answer, RefusedError
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.probes.text import END_OF_THOUGHT, why_empty
from ernie_deploy.smoke.target import Profile, Target

QUESTION = TEXT_QA[4]
"""Who are you: an answer of more than a few words from anybody."""

FEW_TOKENS = 10


def judge_stop(target: Target) -> Judgement:
    """The stop sequence is taken out of the answer itself, so that it is sure to come."""
    free = target.chat(QUESTION.prompt)
    if why := why_empty(free):
        return failed(why, hint="raise max_tokens or look at the parsers")
    stop = stop_word(free)
    if stop is None:
        return skipped(f"the answer has no word to stop at: {free.content[:100]!r}")
    try:
        answers = {"plain": target.chat(QUESTION.prompt, stop=spelled(stop))}
        answers["streamed"] = target.stream(QUESTION.prompt, stop=spelled(stop))
    except RefusedError as error:
        return judge_refused(target.engine, error)
    for way, stopped in answers.items():
        found = judge_stopped(target.profile, stop, free, stopped, engine=target.engine)
        if found.verdict != "pass":
            return msgspec.structs.replace(found, message=f"{way}: {found.message}")
    return found


def spelled(stop: str) -> list[str]:
    """FastDeploy looks for the tokens of a stop sequence, and those of a word are others behind a blank."""
    return [stop, f" {stop}"]


def stop_word(free: Answer) -> str | None:
    """A word from the middle of the answer; one that the thought does not use, if there is one."""
    words = re.findall(r"[a-z]{4,}", free.content)
    inner = [word for word in words if free.content.find(word) > 0]
    unthought = [word for word in inner if word not in free.reasoning]
    found = unthought or inner
    return max(found, key=len) if found else None


def judge_refused(engine: str, error: RefusedError) -> Judgement:
    known = why_unsupported(engine, "stop-sequence-is-a-500") if error.status == 500 else None
    return unsupported(error.message, known) if known else failed(error.message, hint=error.hint)


def judge_stopped(profile: Profile, stop: str, free: Answer, stopped: Answer, *, engine: str = "unknown") -> Judgement:
    text = stopped.reasoning + stopped.content
    known = why_unsupported(engine, "stop-sequence-stays")
    if known and text.endswith(stop) and text.count(stop) == 1 and stopped.finish_reason == "stop":
        return unsupported(f"the answer ended at {stop!r}, which still stands in it", known)
    if stop in text:
        return failed(f"the stop sequence {stop!r} is in the answer: {stopped.content[:200]!r}")
    torn = why_unsupported(engine, "stop-tears-thought")
    if torn and END_OF_THOUGHT in stopped.content and stopped.finish_reason == "stop":
        return unsupported(f"the answer ended before {stop!r}, but the end of the thought stands in it", torn)
    if stopped.finish_reason != "stop":
        return failed(f"the answer stopped at {stop!r}, but finish_reason says {stopped.finish_reason}")
    if stop in free.reasoning:
        return passed(f"the thought already ended before {stop!r}")
    expected = free.content.partition(stop)[0].strip()
    if profile == "rehearsal" and stopped.content.strip() != expected:
        return failed(f"expected {expected!r} before {stop!r}, got {stopped.content[:200]!r}")
    if not text.strip():
        return failed(f"nothing came before {stop!r}")
    return passed(f"the answer ended before {stop!r}, finish_reason stop")


def judge_length(target: Target) -> Judgement:
    """Plain and streamed, and by the newer name of the same field."""
    request = target.request(QUESTION.prompt)
    newer = {**request, "max_completion_tokens": FEW_TOKENS}
    del newer["max_tokens"]
    asked = {
        "max_tokens": target.chat(QUESTION.prompt, max_tokens=FEW_TOKENS),
        "max_tokens, streamed": target.stream(QUESTION.prompt, max_tokens=FEW_TOKENS),
        "max_completion_tokens": target.ask(newer),
    }
    for way, answer in asked.items():
        found = judge_bound(target.profile, way, FEW_TOKENS, answer)
        if found.verdict != "pass":
            return found
    return passed(f"max_tokens and max_completion_tokens of {FEW_TOKENS} were kept, and finish_reason says length")


def judge_bound(profile: Profile, way: str, budget: int, answer: Answer) -> Judgement:
    told = answer.usage.completion_tokens
    words = len((answer.reasoning + " " + answer.content).split())
    if told is not None and told > budget:
        return failed(f"{way} {budget}: {told} tokens came")
    if words > budget:
        return failed(f"{way} {budget}: {words} words came, and a token is no more than a word")
    if answer.finish_reason == "stop" and profile == "contract" and told is not None and told < budget:
        return skipped(f"{way} {budget}: the whole answer has only {told} tokens")
    if answer.finish_reason != "length":
        return failed(f"{way} {budget}: finish_reason says {answer.finish_reason} and not length")
    return passed(f"{way} {budget} was kept")


STOP = Probe("stop-sequence", "the answer ends before a stop sequence", "fast", judge_stop, needs=("chat",))
LENGTH = Probe(
    "length", "an answer has no more tokens than it was given, and says so", "fast", judge_length, needs=("chat",)
)
