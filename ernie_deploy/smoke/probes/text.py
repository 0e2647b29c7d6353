"""Does a question get an answer, and the right one."""

from ernie_deploy.client import Answer
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe
from ernie_deploy.smoke.reading import number_meant
from ernie_deploy.smoke.target import Target

PARSER = "start the engine with its reasoning parser: ernie-45-vl-thinking (FastDeploy), ernie45 (vLLM)"
END_OF_THOUGHT = "</think>"

ADDITION = TEXT_QA[1]
"""The one question of the list to which the real model can give only one answer."""


def judge(target: Target) -> Judgement:
    asked = TEXT_QA if target.profile == "rehearsal" else (ADDITION,)
    for question in asked:
        answer = target.chat(question.prompt)
        if why := why_empty(answer):
            return Judgement("fail", why, hint="raise max_tokens or look at the parsers")
        if why := _why_wrong(target, question.answer, answer.content):
            hint = PARSER if END_OF_THOUGHT in answer.content else ""
            return Judgement("fail", f"{question.prompt!r}: {why}", hint=hint)
    count = f"{len(asked)} questions" if len(asked) > 1 else repr(asked[0].prompt)
    said = "answered" if target.profile == "contract" else "answered right"
    return Judgement("pass", f"{count} {said}")


def why_empty(answer: Answer) -> str | None:
    """The reason why an answer says nothing; None when it says something."""
    if answer.content:
        return None
    if answer.reasoning and answer.finish_reason == "length":
        return "the answer is empty: the reasoning used up the token budget"
    if answer.reasoning:
        return "the answer is empty: everything came as reasoning, so the end of the thought was never seen"
    tokens = answer.usage.completion_tokens
    return (
        f"the answer is empty ({'unknown' if tokens is None else tokens} tokens, finish_reason {answer.finish_reason})"
    )


def _why_wrong(target: Target, expected: str, content: str) -> str | None:
    if target.profile == "rehearsal":
        return None if content == expected else f"expected {expected!r}, got {content[:200]!r}"
    if target.profile == "model":
        return None if number_meant(content) == float(expected) else f"expected {expected}, got {content[:200]!r}"
    return None


PROBE = Probe("text", "a question gets an answer", "fast", judge, needs=("chat",))
