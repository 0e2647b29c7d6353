"""Are the thought and the answer apart."""

import re

import msgspec

from ernie_deploy.client import Answer
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.target import Target

QUESTION = TEXT_QA[2]
PARSER = "start the engine with its reasoning parser: ernie-45-vl-thinking (FastDeploy), ernie45 (vLLM)"


def judge(target: Target) -> Judgement:
    for way, ask in (("plain", target.chat), ("streamed", target.stream)):
        found = _judge_one(target, ask(QUESTION.prompt))
        if found.verdict != "pass":
            return msgspec.structs.replace(found, message=f"{way}: {found.message}")
    return found


def _judge_one(target: Target, answer: Answer) -> Judgement:
    if re.search(r"</?think>", answer.content + answer.reasoning):
        return failed("a <think> marker is in the text", hint=PARSER)
    if why := why_empty(answer):
        return failed(why, hint="raise max_tokens")
    if not answer.reasoning and target.profile == "contract":
        message = "no reasoning came; a contract does not ask for a thinking model"
        return skipped(message)
    if not answer.reasoning:
        return failed("no reasoning came", hint=PARSER)
    if target.profile == "rehearsal" and answer.reasoning != QUESTION.thought:
        message = f"expected the thought {QUESTION.thought!r}, got {answer.reasoning[:200]!r}"
        return failed(message)
    return passed("the thought and the answer are apart")


PROBE = Probe("reasoning", "the thought and the answer come apart", "fast", judge, needs=("thinking",))
