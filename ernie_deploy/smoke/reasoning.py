"""Are the thought and the answer apart."""

import re

import msgspec

from ernie_deploy.client import Answer
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe, Target, exchange
from ernie_deploy.smoke.text import why_empty

QUESTION = TEXT_QA[2]
PARSER = "start the engine with its reasoning parser: ernie-45-vl-thinking (FastDeploy), ernie45 (vLLM)"


def judge(target: Target) -> Judgement:
    for way, ask in (("plain", target.chat), ("streamed", target.stream)):
        found = _judge_one(target, ask(QUESTION.prompt))
        if found.verdict != "pass":
            return msgspec.structs.replace(found, message=f"{way}: {found.message}")
    return found


def _judge_one(target: Target, answer: Answer) -> Judgement:
    evidence = exchange(QUESTION.prompt, answer)
    if re.search(r"</?think>", answer.content + answer.reasoning):
        return Judgement("fail", "a <think> marker is in the text", hint=PARSER, evidence=evidence)
    if why := why_empty(answer):
        return Judgement("fail", why, hint="raise max_tokens", evidence=evidence)
    if not answer.reasoning and target.profile == "contract":
        message = "no reasoning came; a contract does not ask for a thinking model"
        return Judgement("skip", message, evidence=evidence)
    if not answer.reasoning:
        return Judgement("fail", "no reasoning came", hint=PARSER, evidence=evidence)
    if target.profile == "rehearsal" and answer.reasoning != QUESTION.thought:
        message = f"expected the thought {QUESTION.thought!r}, got {answer.reasoning[:200]!r}"
        return Judgement("fail", message, evidence=evidence)
    return Judgement("pass", "the thought and the answer are apart", evidence=evidence)


PROBE = Probe("reasoning", "the thought and the answer come apart", "answers", judge)
