"""Are the thought and the answer apart."""

import re

import msgspec

from ernie_deploy.client import Answer
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped
from ernie_deploy.smoke.probes.text import PARSER, why_empty
from ernie_deploy.smoke.target import Profile, Target

QUESTION = TEXT_QA[2]
SPECIAL = re.compile(
    r"<\|[\w@ ]+\|>|<｜[^<>]+｜>|</?(?:s|unk|pad|eos|bos|sep|cls|think|response|tool_call|tool_output)>|<mask:\d+>"
)
"""What a tokenizer uses for itself; it is no word of an answer about the capital of France."""


def judge(target: Target) -> Judgement:
    for way, ask in (("plain", target.chat), ("streamed", target.stream)):
        found = judge_one(target.profile, ask(QUESTION.prompt))
        if found.verdict != "pass":
            return msgspec.structs.replace(found, message=f"{way}: {found.message}")
    return found


def judge_one(profile: Profile, answer: Answer) -> Judgement:
    if found := SPECIAL.search(answer.content + answer.reasoning):
        if "think" in found[0]:
            return failed("a <think> marker is in the text", hint=PARSER)
        return failed(f"the special token {found[0]} is in the text", hint="look for skip_special_tokens")
    if why := why_empty(answer):
        return failed(why, hint="raise max_tokens")
    if not answer.reasoning and profile == "contract":
        message = "no reasoning came; a contract does not ask for a thinking model"
        return skipped(message)
    if not answer.reasoning:
        return failed("no reasoning came", hint=PARSER)
    if profile == "rehearsal" and answer.reasoning != QUESTION.thought:
        message = f"expected the thought {QUESTION.thought!r}, got {answer.reasoning[:200]!r}"
        return failed(message)
    return passed("the thought and the answer are apart")


PROBE = Probe("reasoning", "the thought and the answer come apart", "fast", judge, needs=("thinking",))
